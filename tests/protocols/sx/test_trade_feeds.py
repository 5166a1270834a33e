"""What a record says on the channels of trades, worked out from the record and the views alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.engine.desk import CAROL, A
from tests.history.shop import FEE, Shop

from overround.engine.types import Outcome
from overround.protocols.sx import trade_feeds


def told(shop: Shop) -> list[tuple[str, Any]]:
    """What the last record publishes."""
    rules = shop.views.rules
    assert rules is not None
    found = trade_feeds.publications(shop.records[-1], shop.changes.fills, rules, shop.views.catalogue)
    return [(one.channel.partition(":")[0], json.loads(one.data)) for one in found]


def outline(shop: Shop) -> list[tuple[str, str, bool]]:
    return [(channel, one["tradeStatus"], one["settled"]) for channel, one in told(shop)]


@pytest.mark.row("WS-32")
def test_matches_are_told_on_the_channel_of_trades_only_where_the_rules_say_so() -> None:
    quiet, talkative = Shop(), Shop(tells_pending_trades=True)
    for shop in (quiet, talkative):
        shop.deal()
    assert outline(quiet) == [("recent_trades_consolidated", "PENDING", False)] * 2
    assert outline(talkative) == [
        *[("recent_trades", "PENDING", False)] * 2,
        *[("recent_trades_consolidated", "PENDING", False)] * 2,
    ]


def test_a_late_confirmation_is_told_before_the_settlement_it_brings() -> None:
    shop = Shop()
    fill = shop.deal()
    shop.report(A, Outcome.ONE)
    assert told(shop) == []  # nothing of it was confirmed yet
    shop.settle(fill)
    assert outline(shop) == [
        *[("recent_trades", "SUCCESS", False)] * 2,
        *[("recent_trades_consolidated", "SUCCESS", False)] * 2,
        *[("recent_trades", "SUCCESS", True)] * 2,
        *[("recent_trades_consolidated", "SUCCESS", True)] * 2,
    ]


def test_a_maker_with_two_orders_in_a_fill_has_two_trades_and_one_consolidated_one() -> None:
    shop = Shop()
    shop.rest(size=50)
    shop.rest(size=50)
    shop.rest(CAROL, size=50)
    shop.settle(shop.take(stake=150))
    channels = [channel for channel, _ in told(shop)]
    assert channels == ["recent_trades"] * 6 + ["recent_trades_consolidated"] * 3


@pytest.mark.row("TRD-06")
def test_the_fee_is_taken_from_what_the_winner_gets_back() -> None:
    shop = Shop(fee=FEE)
    shop.settle(shop.deal(stake=100))
    shop.report(A, Outcome.ONE)
    taker, maker = (one for channel, one in told(shop) if channel == "recent_trades")
    assert (taker["settleNetReturnValue"], taker["netReturn"]) == ("0.0", "0.0002")
    assert (maker["settleNetReturnValue"], maker["netReturn"]) == ("0.000195", "0.0002")
