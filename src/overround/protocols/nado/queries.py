"""What was asked: queries (`spec/nado.md` 8 and 9), from a JSON body, a query string or a frame.

One reader serves them all. It takes numbers as JSON numbers or digits, booleans as texts or JSON booleans, lists as
lists or texts with commas, and null for absent: a query string has no types, and two SDKs send texts in JSON too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from overround.protocols import strict_json
from overround.protocols.nado.errors import Code, GatewayError
from overround.protocols.nado.units import PRODUCT_ID_MAX, NotANumber, OutOfRange, parse_bytes, parse_int
from overround.protocols.nado.units import shown as shown_text
from overround.protocols.query import MalformedQuery
from overround.protocols.query import Query as QueryString

DEPTH_MAX: Final = 100
PRODUCT_IDS_MAX: Final = 1_000  # products in one query
PRODUCT_IDS_TEXT_MAX: Final = 12 * PRODUCT_IDS_MAX  # characters, when they come as one text
TXNS_MAX: Final = 100  # what-if changes in one query
TICKER_LENGTH_MAX: Final = 64

Members = Mapping[str, Any]
_T = TypeVar("_T")


class Query(msgspec.Struct, frozen=True, gc=False):
    """A query. `type` is what the answer's `request_type` repeats."""

    type: str


class Status(Query, frozen=True):
    """`status`"""


class Contracts(Query, frozen=True):
    """`contracts`: what signatures commit to."""


class Nonces(Query, frozen=True):
    """`nonces`"""

    address: bytes
    """A wallet, 20 bytes."""


class Order(Query, frozen=True):
    """`order`: an open one, by digest."""

    product_id: int
    digest: bytes


class SubaccountOrders(Query, frozen=True):
    """`subaccount_orders`: open ones of one product."""

    sender: bytes
    product_id: int


class Orders(Query, frozen=True):
    """`orders`: open ones of several products; the answer has an entry for each that was asked for."""

    sender: bytes
    product_ids: tuple[int, ...]


class WalletOrders(Query, frozen=True):
    """`wallet_orders`, which the original does not have: open ones of all subaccounts of a wallet."""

    address: bytes


class LinkedSigner(Query, frozen=True):
    """`linked_signer`"""

    subaccount: bytes


class MarketPrice(Query, frozen=True):
    """`market_price`"""

    product_id: int


class MarketPrices(Query, frozen=True):
    """`market_prices`, `cached_prices`; None means every product."""

    product_ids: tuple[int, ...] | None


class MarketLiquidity(Query, frozen=True):
    """`market_liquidity`"""

    product_id: int
    depth: int


class Symbols(Query, frozen=True):
    """`symbols`, `cached_symbols`; None means all."""

    product_ids: tuple[int, ...] | None
    product_type: str | None
    """`spot` or `perp`."""


class AllProducts(Query, frozen=True):
    """`all_products`"""


class EdgeAllProducts(Query, frozen=True):
    """`edge_all_products`: the same, by chain id."""


class Delta(msgspec.Struct, frozen=True, gc=False):
    """A change to reckon with in `subaccount_info`."""

    product_id: int
    subaccount: bytes
    amount_delta: int
    v_quote_delta: int


class SubaccountInfo(Query, frozen=True):
    """`subaccount_info`, as it is or as it would be after some changes."""

    subaccount: bytes
    txns: tuple[Delta, ...] | None
    pre_state: bool


class IsolatedPositions(Query, frozen=True):
    """`isolated_positions`"""

    subaccount: bytes


class FeeRates(Query, frozen=True):
    """`fee_rates`"""

    sender: bytes


class MaxOrderSize(Query, frozen=True):
    """`max_order_size`"""

    sender: bytes
    product_id: int
    price_x18: int
    direction: str
    """`long` or `short`."""
    spot_leverage: bool | None
    reduce_only: bool | None
    isolated: bool | None
    borrow_margin: bool | None


class MaxWithdrawable(Query, frozen=True):
    """`max_withdrawable`"""

    sender: bytes
    product_id: int
    spot_leverage: bool | None


class MaxNlpMintable(Query, frozen=True):
    """`max_nlp_mintable`"""

    sender: bytes
    spot_leverage: bool | None


class MaxNlpBurnable(Query, frozen=True):
    """`max_nlp_burnable`"""

    sender: bytes


class HealthGroups(Query, frozen=True):
    """`health_groups`"""


class Insurance(Query, frozen=True):
    """`insurance`"""


class NlpPoolInfo(Query, frozen=True):
    """`nlp_pool_info`"""


class NlpLockedBalances(Query, frozen=True):
    """`nlp_locked_balances`"""

    subaccount: bytes


class EdgePing(Query, frozen=True):
    """`ping` at the edge"""

    id: int | None
    client_time: str | None


class EdgeTime(Query, frozen=True):
    """`time` at the edge"""

    id: int | None


class Assets(Query, frozen=True):
    """`GET /v2/assets`"""


class Pairs(Query, frozen=True):
    """`GET /v2/pairs`"""

    market: str | None
    """`spot` or `perp`; None for both."""


class Orderbook(Query, frozen=True):
    """`GET /v2/orderbook`"""

    ticker_id: str
    depth: int


class Apr(Query, frozen=True):
    """`GET /v2/apr`"""


# ---- entries -------------------------------------------------------------------------------------------------------


def decode_query(body: bytes) -> Query:
    """Decode the body of `POST /query`, or a frame. Raises `GatewayError`."""
    return _read(_json(body), _QUERIES)


def decode_query_string(query_string: bytes) -> Query:
    """Decode `GET /query?type=...`. Raises `GatewayError`."""
    return _read(_query_string(query_string), _QUERIES)


def decode_edge_query(body: bytes) -> Query:
    """Decode the body of `POST /edge/query` (9.3). Raises `GatewayError`."""
    return _read(_json(body), _EDGE)


def decode_edge_query_string(query_string: bytes) -> Query:
    """Decode `GET /edge/query?type=...`. Raises `GatewayError`."""
    return _read(_query_string(query_string), _EDGE)


def decode_v2(route: str, query_string: bytes) -> Query:
    """Decode `GET /v2/<route>` (9.2); the route is one of `V2_ROUTES`. Raises `GatewayError`."""
    members = _query_string(query_string)
    try:
        return _V2[route](route, members)
    except ValueError as error:
        raise GatewayError(Code.BAD_REQUEST, str(error)) from None


def _json(body: bytes) -> Members:
    try:
        return strict_json.decode_body(body, dict[str, Any])
    except strict_json.MalformedBody as error:
        raise GatewayError(Code.BAD_REQUEST, str(error)) from None


def _query_string(query_string: bytes) -> Members:
    try:
        given = QueryString(query_string)
    except MalformedQuery as error:
        raise GatewayError(Code.BAD_REQUEST, str(error)) from None
    members: dict[str, Any] = {name: given.text(name) for name in _SCALARS}
    members.update({name: given.texts(name) for name in _LISTS})
    return members


_LISTS: Final = ("product_ids",)
_SCALARS: Final = (
    "type", "address", "product_id", "digest", "sender", "subaccount", "depth", "product_type", "txns", "pre_state",
    "price_x18", "direction", "spot_leverage", "reduce_only", "isolated", "borrow_margin", "id", "client_time",
    "market", "ticker_id",
)  # fmt: skip

Reader = Callable[[str, Members], Query]


def _read(members: Members, readers: Mapping[str, Reader]) -> Query:
    kind = members.get("type")
    if not isinstance(kind, str):
        raise GatewayError(Code.BAD_REQUEST, "type: must be the name of a query")
    reader = readers.get(kind)
    if reader is None:
        if kind in UNSERVED:
            raise GatewayError(Code.NOT_IMPLEMENTED, f"{kind} is not implemented by this venue").about("query_" + kind)
        raise GatewayError(Code.BAD_REQUEST, f"type: there is no query {shown_text(kind)}")
    try:
        return reader(kind, members)
    except GatewayError as error:
        raise error.about("query_" + kind) from None
    except ValueError as error:
        raise GatewayError(Code.BAD_REQUEST, str(error)).about("query_" + kind) from None


# ---- members -------------------------------------------------------------------------------------------------------


def _member(members: Members, name: str, parse: Callable[[Any], _T]) -> _T:
    value = members.get(name)
    if value is None:
        raise ValueError(f"{name}: is missing")
    try:
        return parse(value)
    except (ValueError, NotANumber, OutOfRange) as error:
        raise ValueError(f"{name}: {error}") from None


def _optional(members: Members, name: str, parse: Callable[[Any], _T]) -> _T | None:
    return None if members.get(name) is None else _member(members, name, parse)


def _subaccount(value: Any) -> bytes:
    return parse_bytes(value, 32)


def _address(value: Any) -> bytes:
    return parse_bytes(value, 20)


def _product_id(value: Any) -> int:
    number = parse_int(value, 64)
    if number > PRODUCT_ID_MAX:
        raise ValueError("does not fit uint32")
    return number


def _product_ids(value: Any) -> tuple[int, ...]:
    """A list, `2,4` or `[2,4]` (O35)."""
    given = value if isinstance(value, list) else [value]
    parts: list[Any] = []
    for one in given:
        if isinstance(one, str) and len(one) > PRODUCT_IDS_TEXT_MAX:
            raise ValueError(f"must have at most {PRODUCT_IDS_MAX} elements")
        parts += [part for part in one.strip("[]").split(",") if part] if isinstance(one, str) else [one]
    if len(parts) > PRODUCT_IDS_MAX:
        raise ValueError(f"must have at most {PRODUCT_IDS_MAX} elements")
    return tuple(_product_id(part.strip(" ") if isinstance(part, str) else part) for part in parts)


def _depth(value: Any) -> int:
    depth = parse_int(value, 64)
    if not 1 <= depth <= DEPTH_MAX:
        raise ValueError(f"must be 1 to {DEPTH_MAX}")
    return depth


def _price(value: Any) -> int:
    return parse_int(value, 128, signed=True)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError("must be true or false")


def _one_of(*allowed: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError("must be " + " or ".join(allowed))
        return value

    return parse


def _id(value: Any) -> int:
    return parse_int(value, 64)


def _time_text(value: Any) -> str:
    return str(parse_int(value, 64))


def _ticker(value: Any) -> str:
    if not isinstance(value, str) or not value.isascii() or len(value) > TICKER_LENGTH_MAX:
        raise ValueError("must be a ticker id, like BTC-PERP_USDT0")
    return value


def _product_type(members: Members) -> str | None:
    """A type of product has a code of its own (2061)."""
    try:
        return _optional(members, "product_type", _SIDE_OF_HOUSE)
    except ValueError as error:
        raise GatewayError(Code.INVALID_PRODUCT_TYPE, str(error)) from None


_SIDE_OF_HOUSE: Final = _one_of("spot", "perp")


class _ApplyDelta(msgspec.Struct):
    product_id: Any
    subaccount: Any
    amount_delta: Any
    v_quote_delta: Any


class _Txn(msgspec.Struct):
    apply_delta: _ApplyDelta


_TXNS: Final = msgspec.json.Decoder(list[_Txn])


def _txns(value: Any) -> tuple[Delta, ...]:
    """A JSON text of a list (8.2)."""
    if not isinstance(value, str):
        raise ValueError("must be a text of JSON")
    try:
        txns = _TXNS.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise ValueError("must be a JSON list of apply_delta objects") from None
    if len(txns) > TXNS_MAX:
        raise ValueError(f"must have at most {TXNS_MAX} elements")
    return tuple(
        Delta(
            _product_id(one.apply_delta.product_id),
            _subaccount(one.apply_delta.subaccount),
            _price(one.apply_delta.amount_delta),
            _price(one.apply_delta.v_quote_delta),
        )
        for one in txns
    )


# ---- tables --------------------------------------------------------------------------------------------------------


def _bare(wanted: type[Query]) -> Reader:
    return lambda kind, _: wanted(kind)


def _symbols(kind: str, members: Members) -> Symbols:
    return Symbols(kind, _optional(members, "product_ids", _product_ids), _product_type(members))


def _subaccount_info(kind: str, members: Members) -> SubaccountInfo:
    return SubaccountInfo(
        kind,
        _member(members, "subaccount", _subaccount),
        _optional(members, "txns", _txns),
        _optional(members, "pre_state", _boolean) or False,
    )


def _max_order_size(kind: str, members: Members) -> MaxOrderSize:
    return MaxOrderSize(
        kind,
        _member(members, "sender", _subaccount),
        _member(members, "product_id", _product_id),
        _member(members, "price_x18", _price),
        _member(members, "direction", _one_of("long", "short")),
        _optional(members, "spot_leverage", _boolean),
        _optional(members, "reduce_only", _boolean),
        _optional(members, "isolated", _boolean),
        _optional(members, "borrow_margin", _boolean),
    )


_QUERIES: Final[dict[str, Reader]] = {
    "status": _bare(Status),
    "contracts": _bare(Contracts),
    "nonces": lambda kind, given: Nonces(kind, _member(given, "address", _address)),
    "order": lambda kind, given: Order(
        kind, _member(given, "product_id", _product_id), _member(given, "digest", _subaccount)
    ),
    "subaccount_orders": lambda kind, given: SubaccountOrders(
        kind, _member(given, "sender", _subaccount), _member(given, "product_id", _product_id)
    ),
    "orders": lambda kind, given: Orders(
        kind, _member(given, "sender", _subaccount), _member(given, "product_ids", _product_ids)
    ),
    "wallet_orders": lambda kind, given: WalletOrders(kind, _member(given, "address", _address)),
    "linked_signer": lambda kind, given: LinkedSigner(kind, _member(given, "subaccount", _subaccount)),
    "market_price": lambda kind, given: MarketPrice(kind, _member(given, "product_id", _product_id)),
    "market_prices": lambda kind, given: MarketPrices(kind, _member(given, "product_ids", _product_ids)),
    "market_liquidity": lambda kind, given: MarketLiquidity(
        kind, _member(given, "product_id", _product_id), _member(given, "depth", _depth)
    ),
    "symbols": _symbols,
    "all_products": _bare(AllProducts),
    "edge_all_products": _bare(EdgeAllProducts),
    "subaccount_info": _subaccount_info,
    "isolated_positions": lambda kind, given: IsolatedPositions(kind, _member(given, "subaccount", _subaccount)),
    "fee_rates": lambda kind, given: FeeRates(kind, _member(given, "sender", _subaccount)),
    "max_order_size": _max_order_size,
    "max_withdrawable": lambda kind, given: MaxWithdrawable(
        kind,
        _member(given, "sender", _subaccount),
        _member(given, "product_id", _product_id),
        _optional(given, "spot_leverage", _boolean),
    ),
    "max_nlp_mintable": lambda kind, given: MaxNlpMintable(
        kind, _member(given, "sender", _subaccount), _optional(given, "spot_leverage", _boolean)
    ),
    "max_nlp_burnable": lambda kind, given: MaxNlpBurnable(kind, _member(given, "sender", _subaccount)),
    "health_groups": _bare(HealthGroups),
    "insurance": _bare(Insurance),
    "nlp_pool_info": _bare(NlpPoolInfo),
    "nlp_locked_balances": lambda kind, given: NlpLockedBalances(kind, _member(given, "subaccount", _subaccount)),
}

_EDGE: Final[dict[str, Reader]] = {
    "cached_status": _bare(Status),
    "cached_contracts": _bare(Contracts),
    "cached_prices": lambda kind, given: MarketPrices(kind, _optional(given, "product_ids", _product_ids)),
    "cached_symbols": _symbols,
    "cached_all_products": _bare(AllProducts),
    "cached_edge_all_products": _bare(EdgeAllProducts),
    "cached_health_groups": _bare(HealthGroups),
    "cached_nlp_pool_info": _bare(NlpPoolInfo),
    "ping": lambda kind, given: EdgePing(
        kind, _optional(given, "id", _id), _optional(given, "client_time", _time_text)
    ),
    "time": lambda kind, given: EdgeTime(kind, _optional(given, "id", _id)),
}

_V2: Final[dict[str, Reader]] = {
    "assets": _bare(Assets),
    "pairs": lambda kind, given: Pairs(kind, _optional(given, "market", _SIDE_OF_HOUSE)),
    "orderbook": lambda kind, given: Orderbook(
        kind, _member(given, "ticker_id", _ticker), _optional(given, "depth", _depth) or DEPTH_MAX
    ),
    "apr": _bare(Apr),
}

TYPES: Final = tuple(_QUERIES)
"""The queries that this venue answers."""
EDGE_TYPES: Final = tuple(_EDGE)
V2_ROUTES: Final = tuple(_V2)
UNSERVED: Final = frozenset({"validate_order", "cached_bbo_history"})
"""Queries of the original that no client was seen to need: 4001."""
