"""Random damage to valid signed requests: never a fault, never obeyed unless the sense is what was signed."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st
from tests.protocols.envelope import assert_some_failure, data_of
from tests.protocols.operating import Operator, new_account

from overround.signing.account import LocalAccount
from overround.testing.sx import hash_of, signed_cancel, signed_order

pytestmark = pytest.mark.xdist_group("sx mutations")  # one server for the module

Json = dict[str, Any]

PATHS = {
    "order": "/orders/new",
    "v2": "/orders/cancel/v2",
    "event": "/orders/cancel/event",
    "all": "/orders/cancel/all",
}


@pytest.fixture(scope="module")
def operator(http: httpx.Client) -> Operator:
    return Operator(http)


@pytest.fixture(scope="module")
def maker(operator: Operator) -> LocalAccount:
    account = new_account()
    operator.fund(account, 10**15)
    return account


@pytest.fixture(scope="module")
def market(operator: Operator) -> str:
    return operator.market()


# ---- damage --------------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**260), 2**260)
    | st.floats(allow_nan=False)
    | st.text(max_size=80)
    | st.from_regex(r"\A(0x)?[0-9a-fA-F]{0,140}\Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


class Change(NamedTuple):
    """One piece of damage; drawn without regard to the request, so that it can be tried again on another one."""

    kind: str
    place: int
    letter: str
    value: Any


CHANGES = (
    "replace", "insert", "delete", "upper", "lower", "number", "prefix", "strip", "retype", "step", "list",
    "anything", "anything", "drop", "double", "rename", "extra",
)  # fmt: skip
changes = st.builds(
    Change,
    st.sampled_from(CHANGES),
    st.integers(0, 500),
    st.sampled_from("0123456789abcdefABCDEFxX _-.\x00\n١é"),
    json_values,
)
pieces = st.tuples(
    st.integers(0, 2000),
    st.sampled_from([b"", b" ", b"0", b'"', b"\x00", b"\xff", b"[", b"}", b",", b"\\", b"e", b"1"]),
    st.booleans(),
)


def damaged_value(value: Any, change: Change) -> Any:
    """A value near the given one, or anything at all."""
    if isinstance(value, str):
        return damaged_text(value, change)
    if isinstance(value, bool):
        return {"retype": int(value), "step": not value, "lower": str(value).lower()}.get(change.kind, change.value)
    if isinstance(value, int):
        near = {"retype": str(value), "step": value + 1, "number": float(value), "upper": -value, "prefix": hex(value)}
        return near.get(change.kind, change.value)
    if isinstance(value, list):
        near = {"list": value + value, "step": value[::-1], "prefix": [value], "insert": [*value, "0x"], "delete": []}
        return near.get(change.kind, change.value)
    return change.value


def damaged_text(value: str, change: Change) -> Any:
    place = change.place % (len(value) + 1)
    before, after = value[:place], value[place:]
    near: dict[str, Any] = {
        "replace": before + change.letter + after[1:],
        "insert": before + change.letter + after,
        "delete": before + after[1:],
        "upper": value.upper(),
        "lower": value.lower(),
        "prefix": f"0x{value}",
        "strip": value.removeprefix("0x"),
    }
    if re.fullmatch("[0-9]{1,78}", value):
        number = int(value)
        near |= {"number": number, "retype": hex(number), "step": str(number + 1), "list": f"0{value}"}
    return near.get(change.kind, change.value)


def damaged(body: Json, changes: list[Change], pieces: list[tuple[int, bytes, bool]], ensure_ascii: bool) -> bytes:
    """The bytes of a request after all this."""
    members = list(body.items())
    for change in changes:
        place = change.place % len(members)
        name, value = members[place]
        if change.kind == "drop":
            del members[place]
        elif change.kind == "double":
            members.insert(change.place // 7 % len(members), (name, change.value))
        elif change.kind == "rename":
            members[place] = ((name.upper(), name.lower(), f"{name} ", "sportXEventId")[change.place // 7 % 4], value)
        elif change.kind == "extra":
            members.insert(place, (change.letter, change.value))
        else:
            members[place] = (name, damaged_value(value, change))
    texts = [f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=ensure_ascii)}" for name, value in members]
    raw = ("{" + ",".join(texts) + "}").encode("utf-8", "surrogatepass")
    for at, piece, replaces in pieces:
        place = at % len(raw)
        raw = raw[:place] + piece + raw[place + replaces :]
    return raw


# ---- the sense of a request ----------------------------------------------------------------------------------------


class NoSense(Exception):
    """It cannot be read as a request of this kind."""


def number_of(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]+|0[xX][0-9a-fA-F]+", value, re.ASCII):
        return int(value, 16) if value[:2] in ("0x", "0X") else int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise NoSense


def hex_of(value: Any, digits: int) -> str:
    if isinstance(value, str) and re.fullmatch(rf"0[xX][0-9a-fA-F]{{{digits}}}", value, re.ASCII):
        return value[2:].lower()
    raise NoSense


def signature_of(value: Any) -> str:
    if not isinstance(value, str):
        raise NoSense
    found = re.fullmatch(r"(?:0[xX]){0,2}([0-9a-fA-F]{128})(00|01|1[bB]|1[cC])", value, re.ASCII)
    if found is None:
        raise NoSense
    return found[1].lower() + {"00": "1b", "01": "1c"}.get(found[2], found[2].lower())


def sense_of(kind: str, body: Any) -> Any:
    """What a request says, however it is spelt. What is not signed (`apiExpiry`) is not part of it."""
    if not isinstance(body, dict):
        raise NoSense
    if kind == "order":
        orders = body.get("orders")
        if not isinstance(orders, list):
            raise NoSense
        return [sense_of_order(order) for order in orders]
    timestamp = body.get("timestamp")
    if isinstance(timestamp, str) and timestamp[:2] in ("0x", "0X"):
        raise NoSense
    common = (
        signature_of(body.get("signature")),
        hex_of(body.get("salt"), 64),
        hex_of(body.get("maker"), 40),
        number_of(timestamp),
    )
    if kind == "v2":
        return (*common, body.get("orderHashes"))
    if kind == "event":
        return (*common, body.get("sportXeventId") or body.get("sportXEventId"))
    return common


def sense_of_order(order: Any) -> Any:
    if not isinstance(order, dict):
        raise NoSense
    return (
        hex_of(order.get("marketHash"), 64),
        *(hex_of(order.get(name), 40) for name in ("maker", "baseToken", "executor")),
        *(number_of(order.get(name)) for name in ("totalBetSize", "percentageOdds", "salt")),
        order.get("isMakerBettingOutcomeOne") is True,
        order.get("expiry"),
        signature_of(order.get("signature")),
    )


def keeps_its_sense(kind: str, raw: bytes, original: Json) -> bool:
    """Judged with another parser than the venue's."""

    def refuse(_: str) -> Any:
        raise NoSense

    try:
        body = json.loads(raw.decode(), parse_constant=refuse)
        return bool(sense_of(kind, body) == sense_of(kind, original))
    except (ValueError, NoSense):
        return False


@pytest.mark.row("CAN-04", "ORD-07", "SIGN-11")
@pytest.mark.parametrize("kind", PATHS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    changes=st.lists(changes, max_size=2),
    pieces=st.lists(pieces, max_size=2),
    ensure_ascii=st.booleans(),
)
def test_a_damaged_request_is_never_obeyed_and_never_a_fault(
    http: httpx.Client,
    operator: Operator,
    maker: LocalAccount,
    market: str,
    kind: str,
    changes: list[Change],
    pieces: list[tuple[int, bytes, bool]],
    ensure_ascii: bool,
) -> None:
    if kind == "order":
        entry = signed_order(maker, market)
        raw, body = b'{"orders":[' + damaged(entry, changes, pieces, ensure_ascii) + b"]}", {"orders": [entry]}
    else:
        arguments: dict[str, Json] = {
            "v2": {"order_hashes": ["0xabc", "0x" + "1" * 64]},
            "event": {"event": "L1"},
            "all": {},
        }
        body = signed_cancel(maker, **arguments[kind])
        raw = damaged(body, changes, pieces, ensure_ascii)
    before = operator.digest()
    answer = http.post(PATHS[kind], content=raw)
    note(f"{raw!r} -> {answer.text}")
    if answer.status_code == 200:
        event("obeyed")
        assert keeps_its_sense(kind, raw, body)
        if kind == "order":
            assert data_of(answer)["statuses"] == {hash_of(body["orders"][0]): "OK"}
    else:
        event(f"refused: {assert_some_failure(answer)['errorCode']}")
        assert operator.digest() == before
        assert changes or pieces
