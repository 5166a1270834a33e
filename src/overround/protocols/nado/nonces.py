"""Order-style nonces (`spec/nado.md` 4.1): when a message may be acted on, and twenty bits that make it unique."""

from __future__ import annotations

from typing import Final

from overround.protocols.nado.errors import Code, GatewayError
from overround.protocols.nado.units import UINT64_MAX, NotANumber, OutOfRange, parse_int

RECV_WINDOW_MS: Final = 100_000
RANDOM_BITS: Final = 20
RANDOM_MAX: Final = (1 << RANDOM_BITS) - 1

_RECIPE: Final = "nonce = (recv_time_ms << 20) + random, e.g. ((now_ms + 50) << 20) + 1000"
_LITERAL_SHIFT: Final = 1_020  # `<< 20 + 1000` shifts by the sum in most languages
_PLAIN_MS: Final = range(10**12, 10**13)  # 2001 to 2286, in milliseconds


def make_nonce(recv_time_ms: int, random: int = 0) -> int:
    """Put a nonce together. Raises `ValueError` for a random part of more than twenty bits."""
    if not 0 <= random <= RANDOM_MAX:
        raise ValueError(f"the random part has {RANDOM_BITS} bits")
    return (recv_time_ms << RANDOM_BITS) + random


def recv_time_ms(nonce: int) -> int:
    """Until when the message may be acted on."""
    return nonce >> RANDOM_BITS


def random_part(nonce: int) -> int:
    """What tells otherwise equal messages apart."""
    return nonce & RANDOM_MAX


def suggested_nonce(now_ms: int) -> int:
    """The `order_nonce` of the `nonces` query: the latest that is accepted now, without a random part."""
    return make_nonce(now_ms + RECV_WINDOW_MS)


def parse_nonce(value: object) -> int:
    """A uint64 from the wire. Raises `GatewayError` 2038, with a hint where the mistake is a known one."""
    try:
        return parse_int(value, 64)
    except NotANumber as error:
        raise GatewayError(Code.INVALID_EXECUTE_MESSAGE, f"nonce: {error}") from None
    except OutOfRange as error:
        raise GatewayError(Code.INVALID_EXECUTE_MESSAGE, f"nonce: {error}; {_hint(error.value)}") from None


def _hint(value: int | None) -> str:
    if value is not None and value > UINT64_MAX and value % (1 << _LITERAL_SHIFT) == 0:
        return f"it was shifted by 1020 bits, + binds tighter than <<; {_RECIPE}"
    if value is not None and value < 0:
        return f"a shift of 32-bit numbers overflows, use big integers: {_RECIPE}"
    return _RECIPE


def check_window(nonce: int, now_ms: int) -> None:
    """Refuse what comes too late (2011) or too early (2012): accepted is `now < recv_time <= now + 100 s`."""
    recv_time = recv_time_ms(nonce)
    if recv_time <= now_ms:
        late = f"recv_time {recv_time} has passed, the venue's clock says {now_ms}"
        if nonce in _PLAIN_MS:
            late += f"; the nonce looks like a time that was not shifted: {_RECIPE}"
        raise GatewayError(Code.LATE_RECV_EXECUTION, f"{Code.LATE_RECV_EXECUTION.text}: {late}")
    if recv_time > now_ms + RECV_WINDOW_MS:
        early = f"recv_time {recv_time} is more than {RECV_WINDOW_MS} ms after the venue's clock, {now_ms}"
        raise GatewayError(Code.EARLY_RECV_EXECUTION, f"{Code.EARLY_RECV_EXECUTION.text}: {early}")
