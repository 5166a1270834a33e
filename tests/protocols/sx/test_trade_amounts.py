"""Amounts of trades, against figures that the original published (`spec/sx.md` 5.14, 7.12)."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from tests.history.shop import Shop

from overround.protocols.sx.encode import decimal_text, number
from overround.protocols.sx.trades import net_return
from overround.views.changes import FillChange, FillStage
from overround.views.trades import progress_of, trades_of

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "sx_vectors.json").read_text())["arithmetic"]
RETURNS = [one for one in VECTORS if one["kind"] == "netReturn-real"]


@pytest.mark.row("UNIT-05")
@pytest.mark.parametrize("vector", RETURNS, ids=lambda one: one["published"])
def test_net_returns_are_those_that_were_published(vector: dict[str, str]) -> None:
    shop = Shop()
    shop.deal()
    change = FillChange(shop.changes.fills[0].fill, FillStage.MATCHED)
    some = next(trades_of(change.fill, progress_of(change, shop.records[-1])))
    trade = msgspec.structs.replace(some, stake=int(vector["stake"]), odds=int(vector["odds"]))
    assert decimal_text(net_return(trade), 6) == vector["published"]


@pytest.mark.parametrize(
    ("amount", "decimals", "text", "json_text"),
    [
        (750_000_000, 6, "750.0", b"750"),
        (61_149_220, 6, "61.14922", b"61.14922"),
        (1, 6, "0.000001", b"0.000001"),
        (0, 6, "0.0", b"0"),
        (10**30 + 1, 18, "1000000000000.000000000000000001", b"1000000000000.000000000000000001"),
        (7, 0, "7.0", b"7"),
    ],
)
def test_decimal_text_has_a_digit_after_the_point_and_no_zeros_at_its_end(
    amount: int, decimals: int, text: str, json_text: bytes
) -> None:
    assert decimal_text(amount, decimals) == text
    assert bytes(number(amount, decimals)) == json_text
