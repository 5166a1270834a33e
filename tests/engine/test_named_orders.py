"""Legacy fills name their orders (`spec/sx.md` 5.13)."""

from __future__ import annotations

from tests.engine.desk import BOB, number
from tests.history.shop import Shop

from overround.engine.commands import FillOrders
from overround.engine.rejections import Rejection
from overround.engine.types import FillHash


def test_an_order_that_is_named_twice_makes_the_fill_invalid() -> None:
    """Regression: each naming was checked against the whole order, and the settlement of the second one failed."""
    shop = Shop()
    order = shop.rest(size=10_000_000)
    command = FillOrders(
        taker=BOB,
        fill_hash=FillHash(number(32, "twice")),
        order_hashes=(order.order_hash, order.order_hash),
        maker_amounts=(9_000_000, 9_000_000),
    )
    assert shop.refusal(command) is Rejection.ORDERS_INVALID
