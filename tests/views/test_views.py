"""All views together: where a durable record becomes visible."""

from __future__ import annotations

from random import Random
from typing import get_args

import pytest
from tests.engine.desk import ALICE, BOB, PERCENT, RULES, USDC, A
from tests.properties.traffic import STEPS_MS, Traffic
from tests.properties.twins import Twins
from tests.views.window import Window

from overround.engine.commands import ConfigureVenue
from overround.engine.continuous.events import CancelFailed
from overround.engine.events import (
    AnyEvent,
    CancelRefused,
    ClockAdjusted,
    FillDropped,
    FillRefused,
    MainLineChanged,
    OrderRefused,
)
from overround.engine.order import OrderState
from overround.views.best_odds import SideKey
from overround.views.changes import OrderChange
from overround.views.views import Views

# Events that change nothing that views show.
PASSED_OVER = {ClockAdjusted, MainLineChanged, OrderRefused, CancelRefused, FillRefused, FillDropped, CancelFailed}


def test_every_event_is_shown_or_passed_over_on_purpose() -> None:
    assert Views()._apply.keys() | PASSED_OVER == set(get_args(AnyEvent))
    assert not Views()._apply.keys() & PASSED_OVER


def test_views_stand_where_the_last_record_left_them(window: Window) -> None:
    window.wait(3)
    window.rest()
    assert (window.views.seq, window.views.time_ms) == (len(window.records), window.now_ms)
    assert window.views.rules == RULES


def test_a_request_that_was_obeyed_is_known(window: Window) -> None:
    obeyed, refused = window.cancel_all(ALICE), window.cancel_all(BOB, age_s=601)
    window.do(obeyed)
    window.do(refused)
    for views in (window.views, window.seeded()):
        assert obeyed.replay_key in views.requests
        assert refused.replay_key not in views.requests


@pytest.mark.parametrize("late_ms", [0, 1, 500, 999])
def test_views_forget_a_request_in_the_same_moment_as_the_engine(window: Window, late_ms: int) -> None:
    """Between two seconds they used to remember one second more than the engine."""
    window.do(window.cancel_all(ALICE))
    window.wait(600 + late_ms / 1000)
    window.do(window.cancel_all(BOB))
    assert set(window.views.requests.items()) == set(window.engine.state.replays.items())
    assert len(window.views.requests) == (2 if late_ms == 0 else 1)


def test_a_record_tells_what_it_did_to_orders_and_prices(window: Window) -> None:
    side = SideKey(A, USDC.address, True)
    order = window.rest(odds=50)
    assert window.changes.orders == [OrderChange(order, OrderState.OPEN, 0, 0, window.now_ms)]
    (price,) = window.views.best_odds_changes(window.changes)
    assert price == (side, 50 * PERCENT, window.now_ms)

    worse = window.rest(odds=40)
    assert window.views.best_odds_changes(window.changes) == []

    window.wait(1)
    window.do(window.cancel(ALICE, order, worse))
    assert [(one.terms, one.state) for one in window.changes.orders] == [
        (order, OrderState.CANCELLED),
        (worse, OrderState.CANCELLED),
    ]
    assert window.views.best_odds_changes(window.changes) == [(side, None, window.now_ms)]


def test_a_record_that_touches_no_order_changes_none(window: Window) -> None:
    window.do(ConfigureVenue(rules=RULES))
    assert window.changes.orders == []
    assert window.views.best_odds_changes(window.changes) == []


@pytest.mark.row("LIFE-06")
@pytest.mark.parametrize("cut", [0.0, 0.1, 0.35, 0.7, 1.0])
def test_views_seeded_anywhere_and_fed_with_the_rest_show_what_views_fed_from_the_beginning_do(cut: float) -> None:
    twins, traffic, random = Twins(), Traffic(), Random(11)
    for command in traffic.opening():
        twins.submit(command)
    for step in range(200):
        if step == int(cut * 200):
            twins.take_snapshot()
        twins.pass_time(random.choice(STEPS_MS))
        twins.submit(traffic.any(random, twins.now_ms))
    if not twins.images:
        twins.take_snapshot()
    twins.crash_beside(twins.images[0])
    twins.check()
    assert twins.views.orders.by_hash == twins.fed.orders.by_hash
    assert twins.views.accounts.available.items() >= twins.fed.accounts.available.items()
