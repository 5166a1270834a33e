"""The bits of an order's appendix (`spec/nado.md` 5.3)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocols.nado.vectors import FILE

from overround.protocols.nado.appendix import Appendix, OrderType, Trigger, fault, of
from overround.protocols.nado.errors import Code

MEANINGS: dict[str, Appendix] = {
    "default": Appendix(),
    "ioc": Appendix(order_type=OrderType.IOC),
    "fok": Appendix(order_type=OrderType.FOK),
    "post_only": Appendix(order_type=OrderType.POST_ONLY),
    "default reduce-only": Appendix(reduce_only=True),
    "ioc reduce-only": Appendix(order_type=OrderType.IOC, reduce_only=True),
    "fok reduce-only": Appendix(order_type=OrderType.FOK, reduce_only=True),
    "isolated, margin 1000 quote": Appendix(isolated=True, value=1000 * 10**6),
    "builder id 7 fee-rate field 50": Appendix(builder_id=7, builder_fee=50),
    "price trigger (trigger service only)": Appendix(trigger=Trigger.PRICE),
}


@pytest.mark.row("P-04", "P-05")
@pytest.mark.parametrize("example", FILE["appendix_examples"], ids=lambda one: one["description"])
def test_an_appendix_means_what_the_examples_say(example: dict[str, str]) -> None:
    meaning = MEANINGS[example["description"]]
    assert of(int(example["appendix"])) == meaning
    assert meaning.packed() == int(example["appendix"]) == int(example["hex"], 16)


@pytest.mark.row("P-04")
@settings(deadline=None)
@given(st.integers(0, 2**128 - 1))
def test_no_bit_is_lost_or_read_twice(appendix: int) -> None:
    assert of(appendix).packed() == appendix


@pytest.mark.row("P-05")
def test_order_types_have_the_texts_of_answers() -> None:
    assert [one.text for one in OrderType] == ["default", "ioc", "fok", "post_only"]


CCXT = 1266640143977021441  # builder 4500, fee field 10, in every order of a widely used client


@pytest.mark.row("P-04", "S-08")
@pytest.mark.parametrize(
    ("appendix", "spot", "code"),
    [
        (1, False, None),
        (1537, True, None),
        (CCXT, False, None),
        (0, False, Code.INVALID_ORDER_VERSION),
        (2, False, Code.INVALID_ORDER_VERSION),
        (0xFF, False, Code.INVALID_ORDER_VERSION),
        (4097, False, Code.INVALID_TRIGGER_ORDER),
        (4097, True, Code.INVALID_TRIGGER_ORDER),
        (2 << 12 | 1, False, Code.INVALID_TRIGGER_ORDER),
        (3 << 12 | 1, False, Code.INVALID_TRIGGER_ORDER),
        (1 << 14 | 1, False, Code.ORDER_TYPE_NOT_SUPPORTED),
        (1 << 37 | 1, False, Code.ORDER_TYPE_NOT_SUPPORTED),
        (257, False, Code.INVALID_ISOLATED_MARGIN),
        (18446744073709551616000000257, False, Code.INVALID_ISOLATED_MARGIN),
        (257, True, Code.INVALID_ISOLATED_SPOT_ORDER),
    ],
)
def test_what_is_not_taken_has_a_code(appendix: int, spot: bool, code: Code | None) -> None:
    assert fault(of(appendix), spot=spot) is code


@pytest.mark.parametrize(
    ("builder_id", "builder_fee", "code"),
    [(0, 0, None), (7, 50, None), (0, 1, Code.INVALID_BUILDER), (4500, 10, Code.INVALID_BUILDER)],
)
def test_a_venue_with_registered_builders_takes_no_others(builder_id: int, builder_fee: int, code: Code | None) -> None:
    appendix = Appendix(builder_id=builder_id, builder_fee=builder_fee)
    assert fault(appendix, spot=False, builders=frozenset({7})) is code
    assert fault(appendix, spot=False) is None
