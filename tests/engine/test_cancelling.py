"""The three signed cancels: what they reach, when they are obeyed, and that they are obeyed once."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from tests.engine.desk import ALICE, BOB, CAROL, ELSEWHERE, OTHER, RULES, WSX, A, B, Desk, hashes, number

from overround.engine.commands import CancelAll, CancelFixture, CancelOrders, ConfigureVenue
from overround.engine.order import CancelRefusal, OrderState
from overround.engine.rejections import Rejection
from overround.engine.types import Address

NOT_FOUND = CancelRefusal.NOT_FOUND_OR_INACTIVE
CANCELLED = OrderState.CANCELLED

# ---- scopes --------------------------------------------------------------------------------------------------------


@pytest.mark.row("CAN-05")
def test_a_cancel_by_hash_ends_the_named_orders_and_no_others(desk: Desk) -> None:
    first, second, third = desk.rest(), desk.rest(), desk.rest()
    answer = desk.do(desk.cancel(ALICE, first, third))
    assert answer.ended == dict.fromkeys(hashes(first, third), CANCELLED)
    assert answer.not_cancelled == []
    assert desk.resting() == hashes(second)


@pytest.mark.row("CAN-05")
def test_a_cancel_by_hash_does_not_reach_the_orders_of_others(desk: Desk) -> None:
    alices, bobs = desk.rest(ALICE), desk.rest(BOB)
    answer = desk.do(desk.cancel(ALICE, alices, bobs))
    assert answer.ended == {alices.order_hash: CANCELLED}
    assert answer.not_cancelled == [("0x" + bobs.order_hash.hex(), NOT_FOUND)]
    assert desk.resting() == hashes(bobs)


@pytest.mark.row("CAN-06")
def test_a_cancel_by_event_ends_the_maker_s_orders_on_all_its_markets_in_all_tokens(desk: Desk) -> None:
    desk.fund(ALICE, 100, WSX)
    on_a, on_b, in_wsx = desk.rest(ALICE, A), desk.rest(ALICE, B, one=False), desk.rest(ALICE, A, token=WSX)
    elsewhere, bobs = desk.rest(ALICE, ELSEWHERE), desk.rest(BOB, A)
    answer = desk.do(desk.cancel_fixture(ALICE))
    assert answer.ended == dict.fromkeys(hashes(on_a, on_b, in_wsx), CANCELLED)
    assert desk.resting() == hashes(elsewhere, bobs)


@pytest.mark.row("CAN-07")
def test_a_cancel_of_everything_ends_every_order_of_the_maker_and_nobody_else_s(desk: Desk) -> None:
    desk.fund(ALICE, 100, WSX)
    alices = [desk.rest(ALICE, A), desk.rest(ALICE, B), desk.rest(ALICE, ELSEWHERE), desk.rest(ALICE, A, token=WSX)]
    bobs = desk.rest(BOB, A)
    assert desk.do(desk.cancel_all(ALICE)).ended == dict.fromkeys(hashes(*alices), CANCELLED)
    assert desk.resting() == hashes(bobs)


def test_a_cancel_that_finds_nothing_is_obeyed_all_the_same(desk: Desk) -> None:
    for command in (
        desk.cancel_all(CAROL),
        desk.cancel_all(ALICE),
        desk.cancel_fixture(CAROL),
        desk.cancel_fixture(ALICE, "no such event"),
        desk.cancel_fixture(ALICE, OTHER),
    ):
        answer = desk.do(command)
        assert (answer.refused, answer.ended, answer.not_cancelled) == (None, {}, [])
        assert desk.refusal(command) is Rejection.ALREADY_PROCESSED


def test_orders_end_in_the_order_of_their_acceptance(desk: Desk) -> None:
    posted = [desk.rest(ALICE, market_hash) for market_hash in (B, A, ELSEWHERE, B, A)]
    assert list(desk.do(desk.cancel_all(ALICE)).ended) == hashes(*posted)


# ---- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.row("CAN-13")
@pytest.mark.parametrize(
    "name",
    [
        "0xabc...",
        "",
        "0x",
        "abc",
        "0x" + "g" * 64,
        "0x" + " " * 64,
        "0x" + "٣" * 64,
        "0x" + "ab" * 31,
        "0x" + "ab" * 33,
    ],
)
def test_a_name_that_is_no_hash_is_told_and_fails_nothing(desk: Desk, name: str) -> None:
    order = desk.rest()
    answer = desk.do(desk.cancel(ALICE, name, order))
    assert answer.not_cancelled == [(name, NOT_FOUND)]
    assert answer.ended == {order.order_hash: CANCELLED}


def test_a_hash_without_its_prefix_is_none(desk: Desk) -> None:
    order = desk.rest()
    bare = order.order_hash.hex()
    assert desk.do(desk.cancel(ALICE, bare)).not_cancelled == [(bare, NOT_FOUND)]


@pytest.mark.parametrize("spelling", ["0x{0}", "0X{0}", "0x{1}", "0X{1}"])
def test_letter_case_does_not_matter_to_a_hash(desk: Desk, spelling: str) -> None:
    order = desk.rest()
    name = spelling.format(order.order_hash.hex(), order.order_hash.hex().upper())
    assert desk.do(desk.cancel(ALICE, name)).ended == {order.order_hash: CANCELLED}


def test_an_order_named_twice_is_reported_once(desk: Desk) -> None:
    order = desk.rest()
    answer = desk.do(desk.cancel(ALICE, order, order))
    assert (answer.ended, answer.not_cancelled) == ({order.order_hash: CANCELLED}, [])


def test_an_order_named_twice_in_different_letter_case_is_reported_once(desk: Desk) -> None:
    """The second spelling used to be reported as not found, beside the first one that was cancelled."""
    order = desk.rest()
    answer = desk.do(desk.cancel(ALICE, order, "0x" + order.order_hash.hex().upper()))
    assert (answer.ended, answer.not_cancelled) == ({order.order_hash: CANCELLED}, [])


def test_an_unknown_name_given_twice_is_reported_once_as_it_was_spelt_first(desk: Desk) -> None:
    unknown = number(32, "unknown").hex()
    answer = desk.do(desk.cancel(ALICE, "0x" + unknown.upper(), "no hash", "0x" + unknown, "no hash", "NO HASH"))
    assert [name for name, _ in answer.not_cancelled] == ["0x" + unknown.upper(), "no hash", "NO HASH"]


def test_an_order_that_ended_before_is_not_found(desk: Desk) -> None:
    cancelled, expired = desk.rest(), desk.rest(expires_in_s=5)
    desk.do(desk.cancel(ALICE, cancelled))
    desk.wait(5)
    answer = desk.do(desk.cancel(ALICE, cancelled, expired))
    assert [reason for _, reason in answer.not_cancelled] == [NOT_FOUND, NOT_FOUND]


# ---- the window ----------------------------------------------------------------------------------------------------

Sign = Callable[..., CancelOrders | CancelFixture | CancelAll]
SCOPES = [Desk.cancel, Desk.cancel_fixture, Desk.cancel_all]


@pytest.mark.parametrize("sign", SCOPES)
@pytest.mark.parametrize(("age_s", "obeyed"), [(600, True), (601, False), (0, True), (-60, True), (-61, False)])
def test_a_cancel_is_obeyed_within_the_window_of_its_timestamp(
    desk: Desk, sign: Sign, age_s: int, obeyed: bool
) -> None:
    wanted = None if obeyed else Rejection.TIMESTAMP_OUTSIDE_WINDOW
    assert desk.refusal(sign(desk, ALICE, age_s=age_s)) is wanted


def test_the_window_is_measured_in_milliseconds(desk: Desk) -> None:
    desk.wait(0.001)
    assert desk.refusal(desk.cancel_all(ALICE, age_s=600)) is Rejection.TIMESTAMP_OUTSIDE_WINDOW
    assert desk.refusal(desk.cancel_all(ALICE, age_s=-60)) is None
    desk.wait(0.998)
    assert desk.refusal(desk.cancel_all(ALICE, age_s=-61)) is Rejection.TIMESTAMP_OUTSIDE_WINDOW
    desk.wait(0.001)
    assert desk.refusal(desk.cancel_all(ALICE, age_s=-60)) is None


@pytest.mark.row("CAN-16")
def test_a_window_of_nothing_is_no_window() -> None:
    rules = msgspec.structs.replace(RULES, cancel_timestamp_past_max_s=0, cancel_timestamp_future_max_s=0)
    desk = Desk(rules=rules)
    ancient = desk.cancel_all(ALICE, age_s=desk.now_ms // 1000)
    assert desk.refusal(ancient) is None
    desk.wait(10**9)
    desk.do(desk.cancel_all(ALICE))
    assert desk.refusal(ancient) is Rejection.ALREADY_PROCESSED  # remembered for ever


# ---- replays -------------------------------------------------------------------------------------------------------


@pytest.mark.row("CAN-09")
@pytest.mark.parametrize("sign", SCOPES)
def test_the_same_signed_cancel_is_obeyed_once(desk: Desk, sign: Sign) -> None:
    cancel = sign(desk, ALICE)
    assert desk.refusal(cancel) is None
    later = desk.rest()
    assert desk.refusal(cancel) is Rejection.ALREADY_PROCESSED
    assert desk.resting() == hashes(later)


@pytest.mark.row("CAN-09")
def test_a_cancel_stays_obeyed_as_long_as_its_timestamp_is_accepted(desk: Desk) -> None:
    cancel = desk.cancel_all(ALICE, age_s=-60)
    desk.do(cancel)
    for _ in range(11):
        assert desk.refusal(cancel) is Rejection.ALREADY_PROCESSED
        desk.wait(60)
        desk.do(desk.cancel_all(BOB))  # gives the engine a reason to forget what is too old
    assert desk.refusal(cancel) is Rejection.ALREADY_PROCESSED
    desk.wait(0.001)
    assert desk.refusal(cancel) is Rejection.TIMESTAMP_OUTSIDE_WINDOW


@pytest.mark.row("CAN-08")
def test_one_salt_serves_three_different_cancels(desk: Desk) -> None:
    order, on_event, everywhere = desk.rest(), desk.rest(), desk.rest(ALICE, ELSEWHERE)
    assert desk.do(desk.cancel(ALICE, order, salt="s")).ended.keys() == {order.order_hash}
    assert desk.do(desk.cancel_fixture(ALICE, salt="s")).ended.keys() == {on_event.order_hash}
    assert desk.do(desk.cancel_all(ALICE, salt="s")).ended.keys() == {everywhere.order_hash}


@pytest.mark.row("CAN-08")
def test_two_makers_may_sign_the_same_words(desk: Desk) -> None:
    """The maker is no part of the signed message: the same digest from two makers is two requests."""
    alices, bobs = desk.rest(ALICE), desk.rest(BOB)
    first = desk.cancel_all(ALICE, salt="s")
    second = msgspec.structs.replace(first, maker=BOB)
    assert desk.do(first).ended.keys() == {alices.order_hash}
    assert desk.do(second).ended.keys() == {bobs.order_hash}
    for command in (first, second):
        assert desk.refusal(command) is Rejection.ALREADY_PROCESSED


def test_a_refused_cancel_is_not_remembered(desk: Desk) -> None:
    early = desk.cancel_all(ALICE, age_s=-61)
    assert desk.refusal(early) is Rejection.TIMESTAMP_OUTSIDE_WINDOW
    desk.wait(1)
    assert desk.refusal(early) is None


def test_a_window_that_is_widened_brings_no_old_cancel_back(desk: Desk) -> None:
    """The engine forgets what its window refuses; a wider window used to obey such a cancel a second time."""
    old = desk.cancel_all(ALICE)
    desk.do(old)
    desk.wait(601)
    desk.do(desk.cancel_all(BOB))  # forgets Alice's
    unused = desk.cancel_all(ALICE, age_s=601)
    for past_s, future_s in ((3_600, 60), (0, 0)):
        wider = msgspec.structs.replace(
            RULES, cancel_timestamp_past_max_s=past_s, cancel_timestamp_future_max_s=future_s
        )
        desk.do(ConfigureVenue(rules=wider))
        assert desk.refusal(old) is Rejection.TIMESTAMP_OUTSIDE_WINDOW
        assert desk.refusal(unused) is Rejection.TIMESTAMP_OUTSIDE_WINDOW
        desk.reload()
        assert desk.refusal(old) is Rejection.TIMESTAMP_OUTSIDE_WINDOW
    assert desk.refusal(desk.cancel_all(ALICE, age_s=600)) is None


def test_a_window_that_was_never_narrow_may_be_narrowed_and_widened(desk: Desk) -> None:
    wide = msgspec.structs.replace(RULES, cancel_timestamp_past_max_s=0, cancel_timestamp_future_max_s=0)
    desk.do(ConfigureVenue(rules=wide))
    ancient = desk.cancel_all(ALICE, age_s=10_000)
    desk.do(ancient)
    desk.do(ConfigureVenue(rules=RULES))
    assert desk.refusal(ancient) is Rejection.TIMESTAMP_OUTSIDE_WINDOW
    desk.do(ConfigureVenue(rules=wide))
    assert desk.refusal(ancient) is Rejection.TIMESTAMP_OUTSIDE_WINDOW


def test_a_maker_who_never_came_may_cancel(desk: Desk) -> None:
    stranger = Address(number(20, "stranger"))
    assert desk.refusal(desk.cancel_all(stranger)) is None
    assert stranger not in desk.engine.state.accounts


@pytest.mark.row("CAN-12", "HB-04")
def test_a_missed_heartbeat_is_remembered_as_a_cancel(desk: Desk) -> None:
    """A cancel after it used to be told that the order was locked, as if nobody had cancelled it."""
    desk.do(ConfigureVenue(rules=msgspec.structs.replace(RULES, settlement_delay_ms=None)))
    order = desk.rest(size=20)
    fill = desk.match(BOB, stake=20)
    desk.ping(ALICE, 5)
    assert desk.wait(5).fired == {ALICE: {order.order_hash}}
    name = "0x" + order.order_hash.hex()
    assert desk.do(desk.cancel_all(ALICE)).not_cancelled == [(name, CancelRefusal.ALREADY_PENDING_CANCEL)]
    assert desk.decide(fill, confirmed=False).ended == {order.order_hash: CANCELLED}
