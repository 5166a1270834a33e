"""Requests become commands, refusals become codes: complete, and by the specification's numbers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.engine.continuous.desk import ALICE, BOB, Desk, digest_of
from tests.protocols.nado.test_decode import cancel, cancel_and_place, place, request_of
from tests.protocols.nado.vectors import DOMAIN, NOW_MS, OWNER, body_of

from overround.engine.continuous import rejections
from overround.engine.continuous.commands import (
    AnyContinuousCommand,
    CancelAndPlace,
    CancelDigests,
    CancelProducts,
    LinkSigner,
    SubmitOrders,
)
from overround.engine.continuous.rejections import ContinuousRejection, Refusal
from overround.engine.continuous.types import OrderType
from overround.engine.record import Record
from overround.protocols.nado import commands
from overround.protocols.nado.appendix import Appendix
from overround.protocols.nado.appendix import OrderType as WireType
from overround.protocols.nado.decode import decode_execute
from overround.protocols.nado.errors import Code, GatewayError

R = ContinuousRejection


def decoded(request: Any) -> Any:
    return decode_execute(body_of(request), DOMAIN)


def record(command: AnyContinuousCommand, desk: Desk) -> Record:
    outcome = desk.execute(command)
    assert not isinstance(outcome, Refusal), outcome
    return Record(1, desk.now_ms, 1, "c1", command, [*outcome])


@pytest.fixture
def desk() -> Desk:
    return Desk()


# ---- codes ---------------------------------------------------------------------------------------------------------


def test_every_refusal_has_its_code_or_is_the_operators() -> None:
    assert commands.CODES.keys() | commands.OPERATOR_ONLY == set(R)
    assert not commands.CODES.keys() & commands.OPERATOR_ONLY


def test_codes_are_those_that_the_engine_lists() -> None:
    rows = re.findall(r"^\| ([A-Z_]+) \| (\d+) \|", rejections.__doc__ or "", re.MULTILINE)
    listed = {ContinuousRejection[name]: int(code) for name, code in rows}
    assert listed == {one: code.value for one, code in commands.CODES.items()}


@pytest.mark.row("C-23", "C-24")
def test_a_refusal_names_the_order_that_it_is_about() -> None:
    for rejection, code in (
        (R.ORDER_NOT_FOUND, Code.ORDER_NOT_FOUND),
        (R.ORDER_OF_OTHER_SUBACCOUNT, Code.UNAUTHORIZED_SUBACCOUNT_CANCELLATION),
    ):
        with pytest.raises(GatewayError) as caught:
            commands.check_decision(Refusal(rejection, digest_of("x")))
        assert caught.value.code is code
        assert digest_of("x").hex() in caught.value.message


# ---- commands ------------------------------------------------------------------------------------------------------


def test_an_order_becomes_one_of_one() -> None:
    request = decoded(place(id=7))
    command = commands.command_of(request, OWNER)
    assert isinstance(command, SubmitOrders)
    (order,) = command.orders
    terms = request.terms
    assert (order.digest, order.product_id, order.sender, order.signer) == (
        request.digest,
        request.product_id,
        terms.sender,
        OWNER,
    )
    assert (order.price_x18, order.amount_x18, order.expiration_s) == (terms.price_x18, terms.amount, terms.expiration)
    assert (order.nonce, order.appendix, order.client_id) == (terms.nonce, terms.appendix, 7)
    assert order.receive_by_ms == terms.nonce >> 20
    assert order.signature == request.signature.raw


@pytest.mark.row("P-04", "P-05")
@pytest.mark.parametrize("wire", WireType)
@pytest.mark.parametrize("reduce_only", [False, True])
def test_type_and_options_are_read_from_the_appendix(wire: WireType, reduce_only: bool) -> None:
    appendix = Appendix(order_type=wire, reduce_only=reduce_only).packed()
    order = commands.signed_order(decoded(place(appendix=str(appendix))), OWNER)  # type: ignore[arg-type]
    assert order.order_type is OrderType[wire.name]
    assert order.reduce_only is reduce_only
    assert order.appendix == appendix


def test_a_batch_keeps_its_orders_and_their_signers() -> None:
    first, second = decoded(place()), decoded(place(nonce=str((NOW_MS + 5) << 20)))
    command = commands.submission_of([(first, OWNER), (second, bytes(20))], stop_on_failure=True)
    assert [(one.digest, one.signer) for one in command.orders] == [(first.digest, OWNER), (second.digest, bytes(20))]
    assert command.stop_on_failure


def test_a_cancellation_names_each_order_under_its_product() -> None:
    request = decoded(cancel())
    command = commands.command_of(request, OWNER)
    assert isinstance(command, CancelDigests)
    assert command.orders == tuple(zip(request.product_ids, request.digests, strict=True))
    assert (command.sender, command.digest, command.signer) == (request.sender, request.digest, OWNER)
    assert command.receive_by_ms == request.nonce >> 20


@pytest.mark.row("C-29")
def test_what_must_be_unfilled_travels_with_the_cancellation() -> None:
    request = decoded(cancel(required_unfilled_amount="-5"))
    command = commands.command_of(request, OWNER)
    assert isinstance(command, CancelDigests)
    assert command.required_unfilled_x18 == request.required_unfilled_amount != 0


def test_the_other_executes_become_their_commands() -> None:
    products = commands.command_of(decoded(request_of("cancel_product_orders_two")), OWNER)
    assert isinstance(products, CancelProducts)
    both = decoded(cancel_and_place(place_requires_unfilled=True))
    replaced = commands.command_of(both, OWNER)
    assert isinstance(replaced, CancelAndPlace)
    assert replaced.requires_unfilled
    assert (replaced.cancel.digest, replaced.order.digest) == (both.cancel.digest, both.place.digest)
    assert replaced.cancel.signer == replaced.order.signer == OWNER
    link = decoded(request_of("link_signer"))
    linking = commands.command_of(link, OWNER)
    assert isinstance(linking, LinkSigner)
    assert (linking.linked, linking.tx_nonce, linking.signer) == (link.linked_signer, link.nonce, OWNER)


# ---- decisions -----------------------------------------------------------------------------------------------------


def test_an_order_that_was_taken_has_a_record(desk: Desk) -> None:
    done = record(SubmitOrders(orders=(desk.order(ALICE, 1, 100),)), desk)
    assert commands.check_decision(done) is done


@pytest.mark.parametrize(
    ("order_type", "code"),
    [(OrderType.IOC, Code.IMMEDIATE_OR_CANCEL_DOES_NOT_CROSS), (OrderType.FOK, Code.FILL_OR_KILL_NOT_FILLED)],
)
def test_an_order_whose_digest_was_burnt_was_refused(desk: Desk, order_type: OrderType, code: Code) -> None:
    done = record(SubmitOrders(orders=(desk.order(ALICE, 1, 100, order_type),)), desk)
    with pytest.raises(GatewayError) as caught:
        commands.check_decision(done)
    assert caught.value.code is code


@pytest.mark.row("P-10")
def test_a_batch_tells_order_by_order(desk: Desk) -> None:
    good, bad = desk.order(ALICE, 1, 100), desk.order(BOB, -1, 101, signer=ALICE[:20])  # type: ignore[arg-type]
    first, second = commands.placements(record(SubmitOrders(orders=(good, bad)), desk))
    assert (first.digest, first.error) == (good.digest, None)
    assert second.digest is None
    assert second.error is not None
    assert second.error.startswith("2028: ")
    stopped = SubmitOrders(orders=(bad, desk.order(ALICE, 1, 99)), stop_on_failure=True)
    assert len(commands.placements(record(stopped, desk))) == 1
