"""Linked signers: another key that may sign for a subaccount (spec/nado.md 3.5, 4.2, 7.6)."""

from __future__ import annotations

from overround.engine.continuous.commands import LinkSigner
from overround.engine.continuous.events import AnyContinuousEvent, SignerLinked
from overround.engine.continuous.rejections import ContinuousRejection, Refusal
from overround.engine.continuous.state import ContinuousState
from overround.engine.continuous.types import wallet_of


def link_signer(state: ContinuousState, command: LinkSigner, now_ms: int) -> list[AnyContinuousEvent] | Refusal:
    """One signer per subaccount; a new one takes the place of the old, none revokes."""
    assert state.rules is not None
    address = wallet_of(command.sender)
    wallet = state.wallets.get(address)
    tx_nonce = wallet.next_tx_nonce if wallet else 0
    if command.tx_nonce != tx_nonce:
        return Refusal(ContinuousRejection.TX_NONCE_WRONG)
    if command.signer != address:
        return Refusal(ContinuousRejection.SIGNER_NOT_AUTHORISED)
    subaccount = state.subaccount(command.sender)
    if command.linked is not None and command.linked == subaccount.linked:
        return Refusal(ContinuousRejection.SIGNER_LINKED_ALREADY)
    since_ms = now_ms - state.rules.signer_updates_window_ms
    recent_ms = tuple(one for one in subaccount.linked_at_ms if one > since_ms)
    if len(recent_ms) >= state.rules.signer_updates_max:
        return Refusal(ContinuousRejection.SIGNER_UPDATES_EXHAUSTED)
    state.link(subaccount, command.linked, (*recent_ms, now_ms))
    state.set_tx_nonce(address, tx_nonce + 1)
    return [SignerLinked(command.sender, command.linked, tx_nonce + 1)]
