"""Whether a signed request may be obeyed at all: its time, whether it was obeyed before, who signed it (N7)."""

from __future__ import annotations

from overround.engine.continuous.rejections import ContinuousRejection
from overround.engine.continuous.state import ContinuousState
from overround.engine.continuous.types import Digest, SubaccountId, wallet_of
from overround.engine.types import Address


def refusal_of_time(state: ContinuousState, receive_by_ms: int, now_ms: int) -> ContinuousRejection | None:
    """Only within the window in which it is good (spec/nado.md 4.1)."""
    assert state.rules is not None
    if receive_by_ms <= now_ms:
        return ContinuousRejection.RECEIVED_LATE
    if receive_by_ms > now_ms + state.rules.receive_window_ms:
        return ContinuousRejection.RECEIVED_EARLY
    return None


def refusal_of_digest(state: ContinuousState, digest: Digest) -> ContinuousRejection | None:
    """Only once. An order that still rests may be older than the memory of requests."""
    if digest in state.replays or digest in state.orders:
        return ContinuousRejection.DIGEST_USED
    return None


def refusal_of_signer(state: ContinuousState, sender: SubaccountId, signer: Address) -> ContinuousRejection | None:
    """Only by the wallet, or by who is linked to exactly this subaccount (spec/nado.md 3.4)."""
    if signer == wallet_of(sender):
        return None
    subaccount = state.subaccounts.get(sender)
    if subaccount is not None and subaccount.linked is not None and signer == subaccount.linked:
        return None
    return ContinuousRejection.SIGNER_NOT_AUTHORISED


def refusal(
    state: ContinuousState, sender: SubaccountId, digest: Digest, receive_by_ms: int, signer: Address, now_ms: int
) -> ContinuousRejection | None:
    """All three, in the order in which they are checked."""
    return (
        refusal_of_time(state, receive_by_ms, now_ms)
        or refusal_of_digest(state, digest)
        or refusal_of_signer(state, sender, signer)
    )
