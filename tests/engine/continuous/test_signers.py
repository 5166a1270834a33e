"""Linked signers: who may sign for a subaccount."""

from __future__ import annotations

import msgspec
import pytest
from tests.engine.continuous.desk import ALICE, BOB, OTHER_OF_ALICE, RULES, Desk, digest_of

from overround.engine.continuous.commands import LinkSigner
from overround.engine.continuous.events import SignerLinked
from overround.engine.continuous.rejections import ContinuousRejection as R
from overround.engine.continuous.types import SubaccountId, wallet_of
from overround.engine.types import Address

KEY, OTHER_KEY = (Address(digest_of(name)[:20]) for name in ("key", "other key"))


def link(linked: Address | None, nonce: int, sender: SubaccountId = ALICE, signer: Address | None = None) -> LinkSigner:
    return LinkSigner(sender=sender, linked=linked, tx_nonce=nonce, signer=signer or wallet_of(sender))


@pytest.mark.row("S-09", "C-30")
def test_a_linked_signer_places_and_cancels_for_exactly_this_subaccount(desk: Desk) -> None:
    assert desk.refused(ALICE, 1, 100, signer=KEY) is R.SIGNER_NOT_AUTHORISED
    assert desk.events(link(KEY, 0)) == [SignerLinked(ALICE, KEY, 1)]
    order = desk.rest(ALICE, 1, 100, signer=KEY)
    desk.reload()
    desk.do(desk.cancel(ALICE, order, signer=KEY))
    desk.rest(ALICE, 1, 100)  # the wallet still may
    assert desk.refused(OTHER_OF_ALICE, 1, 100, signer=KEY) is R.SIGNER_NOT_AUTHORISED
    assert desk.refused(BOB, 1, 100, signer=KEY) is R.SIGNER_NOT_AUTHORISED


@pytest.mark.row("P-13")
def test_a_new_signer_takes_the_place_of_the_old_and_none_revokes(desk: Desk) -> None:
    desk.do(link(KEY, 0))
    desk.do(link(OTHER_KEY, 1))
    assert desk.refused(ALICE, 1, 100, signer=KEY) is R.SIGNER_NOT_AUTHORISED
    assert desk.refused(ALICE, 1, 100, signer=OTHER_KEY) is None
    desk.do(link(None, 2))
    assert desk.refused(ALICE, 1, 100, signer=OTHER_KEY) is R.SIGNER_NOT_AUTHORISED


@pytest.mark.row("P-13", "P-14")
def test_the_nonce_is_the_wallets_and_counts_what_was_accepted(desk: Desk) -> None:
    assert desk.refusal(link(KEY, 1)) is R.TX_NONCE_WRONG
    desk.do(link(KEY, 0))
    assert desk.refusal(link(OTHER_KEY, 0)) is R.TX_NONCE_WRONG
    assert desk.refusal(link(KEY, 1)) is R.SIGNER_LINKED_ALREADY
    desk.do(link(KEY, 1, OTHER_OF_ALICE))
    desk.do(link(KEY, 0, BOB))
    desk.reload()
    desk.do(link(None, 2))


def test_only_the_wallet_links(desk: Desk) -> None:
    desk.do(link(KEY, 0))
    assert desk.refusal(link(OTHER_KEY, 1, signer=KEY)) is R.SIGNER_NOT_AUTHORISED
    assert desk.refusal(link(OTHER_KEY, 1, signer=wallet_of(BOB))) is R.SIGNER_NOT_AUTHORISED


def test_changes_are_limited_in_time() -> None:
    desk = Desk(msgspec.structs.replace(RULES, signer_updates_max=2, signer_updates_window_ms=10_000))
    desk.do(link(KEY, 0))
    desk.wait(4)
    desk.do(link(OTHER_KEY, 1))
    desk.wait(5)
    desk.reload()
    assert desk.refusal(link(KEY, 2)) is R.SIGNER_UPDATES_EXHAUSTED
    desk.do(link(KEY, 2, OTHER_OF_ALICE))
    desk.wait(1)
    desk.do(link(KEY, 3))
    assert desk.refusal(link(None, 4)) is R.SIGNER_UPDATES_EXHAUSTED
