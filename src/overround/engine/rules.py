"""The rules a venue plays by. They are journaled, so that a replay never depends on today's configuration."""

from __future__ import annotations

import msgspec

from overround.engine.types import Address


class Token(msgspec.Struct, frozen=True, gc=False):
    """A token that orders may be staked in. Amounts are base units (`10 ** decimals` to the nominal unit)."""

    symbol: str
    address: Address
    decimals: int
    maker_minimum: int
    taker_minimum: int


class Rules(msgspec.Struct, frozen=True):
    """Everything that decides and may differ between venues (spec/sx.md 1.1, 5.10, 9).

    A window of 0 seconds on both sides switches the timestamp check of cancels off; the replay memory is then
    kept for ever.
    """

    chain_id: int
    executor: Address
    tokens: tuple[Token, ...]
    odds_ladder_step: int  # in units of 10^15; 0 switches the ladder off (spec/sx.md 3.3)
    cancel_timestamp_past_max_s: int
    cancel_timestamp_future_max_s: int

    def token(self, address: bytes) -> Token | None:
        """The supported token at this address."""
        return next((token for token in self.tokens if token.address == address), None)

    @property
    def any_cancel_time(self) -> bool:
        """Whether the timestamp of a cancel is not checked at all."""
        return self.cancel_timestamp_past_max_s == 0 and self.cancel_timestamp_future_max_s == 0

    def earliest_cancel_s(self, now_ms: int) -> int:
        """The first second whose cancels may still be obeyed; 0 where any may."""
        return 0 if self.any_cancel_time else -(-now_ms // 1000) - self.cancel_timestamp_past_max_s

    def accepts_cancel_time(self, timestamp_s: int, now_ms: int) -> bool:
        """Whether a cancel signed at `timestamp_s` may still be obeyed (spec/sx.md 5.10 step 2)."""
        earliest_ms = now_ms - self.cancel_timestamp_past_max_s * 1000
        latest_ms = now_ms + self.cancel_timestamp_future_max_s * 1000
        return earliest_ms <= timestamp_s * 1000 <= latest_ms or self.any_cancel_time
