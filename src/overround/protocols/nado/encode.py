"""Facts to answers (`spec/nado.md` 6 to 9). Numbers wider than a product id leave as decimal text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import UNSET

from overround.protocols import strict_json
from overround.protocols.nado import appendix, queries, wire
from overround.protocols.nado.digests import Domain
from overround.protocols.nado.facts import (
    Account,
    Balance,
    Book,
    Health,
    Level,
    OpenOrder,
    Placed,
    Product,
    ProductKind,
    Quote,
)
from overround.protocols.nado.nonces import suggested_nonce
from overround.protocols.nado.profile import QUOTE_SYMBOL
from overround.protocols.nado.requests import CancelOrders, Execute, id_of, request_type_of, signature_echo
from overround.protocols.nado.units import INT128_MAX, X18, hex_text, human

ZERO_ADDRESS: Final = bytes(20)
NO_DATA: Final = UNSET


# ---- envelopes -----------------------------------------------------------------------------------------------------


def executed(request: Execute, data: Any = NO_DATA) -> bytes:
    """The answer to an execute (6.1). Without data there is no such member: an empty one breaks an SDK."""
    number = id_of(request)
    return strict_json.encode(
        wire.ExecuteSuccess(
            status="success",
            signature=signature_echo(request),
            data=data,
            id=UNSET if number is None else number,
            request_type=request_type_of(request),
        )
    )


def orders_cancelled(request: CancelOrders, orders: Iterable[OpenOrder]) -> bytes:
    """The answer to `cancel_orders`: `executed` in one step, for the one answer that has to be quick."""
    number = request.id
    return strict_json.encode(
        wire.ExecuteSuccess(
            "success",
            request.signature.echo,
            wire.CancelledOrders([order(one) for one in orders]),
            UNSET if number is None else number,
            "execute_cancel_orders",
        )
    )


def answered(query: queries.Query, data: Any) -> bytes:
    """The answer to a query (6.2)."""
    return strict_json.encode(wire.QuerySuccess("success", data, "query_" + query.type))


# ---- data of executes (7) ------------------------------------------------------------------------------------------


def placed(digest: bytes) -> dict[str, Any]:
    """`place_order` and `cancel_and_place`."""
    return {"digest": hex_text(digest)}


def placed_orders(results: Iterable[Placed], *, as_object: bool = False) -> Any:
    """`place_orders`: a bare array, or the object that one SDK wants (O6)."""
    entries = [wire.PlacedEntry(None if one.digest is None else hex_text(one.digest), one.error) for one in results]
    return {"place_orders": entries} if as_object else entries


def cancelled_orders(orders: Iterable[OpenOrder]) -> dict[str, Any]:
    """`cancel_orders` and `cancel_product_orders`: as they were at the moment of cancellation."""
    return {"cancelled_orders": [order(one) for one in orders]}


def order(one: OpenOrder) -> wire.Order:
    """An order object, the same everywhere (7.1)."""
    return wire.Order(
        one.product_id,
        "0x" + one.sender.hex(),
        str(one.price_x18),
        str(one.amount),
        str(one.expiration),
        appendix.order_type_text(one.appendix),
        str(one.nonce),
        str(one.appendix),
        str(one.unfilled_amount),
        "0x" + one.digest.hex(),
        one.placed_at_s,
        UNSET if one.id is None else one.id,
    )


# ---- data of queries (8) -------------------------------------------------------------------------------------------


def contracts(domain: Domain) -> dict[str, Any]:
    """`contracts`: what signatures commit to; the chain id is text."""
    return {"chain_id": str(domain.chain_id), "endpoint_addr": hex_text(domain.endpoint)}


def nonces(tx_nonce: int, now_ms: int) -> dict[str, Any]:
    """`nonces`"""
    return {"tx_nonce": str(tx_nonce), "order_nonce": str(suggested_nonce(now_ms))}


def subaccount_orders(sender: bytes, product_id: int, orders: Iterable[OpenOrder]) -> dict[str, Any]:
    """`subaccount_orders`"""
    return {"sender": hex_text(sender), "product_id": product_id, "orders": [order(one) for one in orders]}


def product_orders(sender: bytes, by_product: Iterable[tuple[int, Iterable[OpenOrder]]]) -> dict[str, Any]:
    """`orders`: an entry for every product that was asked for, in that order."""
    entries = [
        {"product_id": product_id, "orders": [order(one) for one in orders]} for product_id, orders in by_product
    ]
    return {"sender": hex_text(sender), "product_orders": entries}


def wallet_orders(address: bytes, orders: Iterable[OpenOrder]) -> dict[str, Any]:
    """`wallet_orders`: of every subaccount; each order says of which."""
    return {"address": hex_text(address), "orders": [order(one) for one in orders]}


def linked_signer(signer: bytes | None) -> dict[str, Any]:
    """`linked_signer`: zeros when there is none."""
    return {"linked_signer": hex_text(signer or ZERO_ADDRESS)}


def market_price(quote: Quote) -> dict[str, Any]:
    """`market_price`: zero where nobody bids, the greatest number where nobody asks."""
    return {
        "product_id": quote.product_id,
        "bid_x18": str(quote.bid[0] if quote.bid else 0),
        "ask_x18": str(quote.ask[0] if quote.ask else INT128_MAX),
    }


def market_prices(quotes: Iterable[Quote]) -> dict[str, Any]:
    """`market_prices`"""
    return {"market_prices": [market_price(quote) for quote in quotes]}


def market_liquidity(book: Book, depth: int) -> dict[str, Any]:
    """`market_liquidity`"""
    return {
        "bids": levels(book.bids[:depth]),
        "asks": levels(book.asks[:depth]),
        "product_id": book.product_id,
        "timestamp": str(book.timestamp_ns),
    }


def levels(given: Sequence[Level]) -> list[tuple[str, str]]:
    """Prices and quantities as text."""
    return [(str(price), str(quantity)) for price, quantity in given]


def symbol(product: Product) -> wire.Symbol:
    """A symbol object (8.1), of `symbols` and of `GET /symbols`."""
    return wire.Symbol(
        type=product.kind.value,
        product_id=product.product_id,
        symbol=product.symbol,
        price_increment_x18=str(product.price_increment_x18),
        size_increment=str(product.size_increment),
        min_size=str(product.min_size),
        maker_fee_rate_x18=str(product.maker_fee_x18),
        taker_fee_rate_x18=str(product.taker_fee_x18),
        long_weight_initial_x18=str(product.long_weight_initial_x18),
        long_weight_maintenance_x18=str(product.long_weight_maintenance_x18),
        max_open_interest_x18=None,
        trading_status=product.trading_status.value,
        isolated_only=False,
    )


def symbols(products: Iterable[Product], query: queries.Symbols) -> dict[str, Any]:
    """`symbols`: those that were asked for, by name."""
    wanted = [
        product
        for product in products
        if (query.product_ids is None or product.product_id in query.product_ids)
        and (query.product_type is None or product.kind.value == query.product_type)
    ]
    return {"symbols": {product.symbol: symbol(product) for product in wanted}}


def symbols_list(products: Iterable[Product]) -> bytes:
    """`GET /symbols` (9.1): a bare array, no envelope."""
    return strict_json.encode([symbol(product) for product in products])


def all_products(products: Sequence[Product]) -> dict[str, Any]:
    """`all_products`"""
    return {
        "spot_products": [product_object(one) for one in products if one.kind is ProductKind.SPOT],
        "perp_products": [product_object(one) for one in products if one.kind is ProductKind.PERP],
    }


def edge_all_products(domain: Domain, products: Sequence[Product]) -> dict[str, Any]:
    """`edge_all_products`: the same, by chain id."""
    return {"edge_all_products": {str(domain.chain_id): all_products(products)}}


def product_object(product: Product) -> dict[str, Any]:
    """A spot or perp product (8.1). Interest and funding do not exist here and are zero."""
    spelt: dict[str, Any] = {
        "product_id": product.product_id,
        "oracle_price_x18": str(product.oracle_price_x18),
        "risk": {
            "long_weight_initial_x18": str(product.long_weight_initial_x18),
            "short_weight_initial_x18": str(product.short_weight_initial_x18),
            "long_weight_maintenance_x18": str(product.long_weight_maintenance_x18),
            "short_weight_maintenance_x18": str(product.short_weight_maintenance_x18),
            "price_x18": str(product.oracle_price_x18),
        },
    }
    if product.kind is ProductKind.SPOT:
        spelt["config"] = {
            "token": hex_text(product.token),
            "interest_inflection_util_x18": "0",
            "interest_floor_x18": "0",
            "interest_small_cap_x18": "0",
            "interest_large_cap_x18": "0",
            "withdraw_fee_x18": "0",
            "min_deposit_rate_x18": "0",
        }
        spelt["state"] = {
            "cumulative_deposits_multiplier_x18": str(X18),
            "cumulative_borrows_multiplier_x18": str(X18),
            "total_deposits_normalized": "0",
            "total_borrows_normalized": "0",
        }
    else:
        spelt["state"] = {
            "cumulative_funding_long_x18": "0",
            "cumulative_funding_short_x18": "0",
            "available_settle": "0",
            "open_interest": str(product.open_interest),
        }
    spelt["book_info"] = {
        "size_increment": str(product.size_increment),
        "price_increment_x18": str(product.price_increment_x18),
        "min_size": str(product.min_size),
        "collected_fees": str(product.collected_fees),
    }
    return spelt


def subaccount_info(account: Account, products: Sequence[Product], before: Account | None = None) -> dict[str, Any]:
    """`subaccount_info` (8.2): every product is listed, held or not. `before` is the `pre_state` of a what-if."""
    listed = all_products(products)
    spots = [one for one in products if one.kind is ProductKind.SPOT]
    perps = [one for one in products if one.kind is ProductKind.PERP]
    data: dict[str, Any] = {
        "subaccount": hex_text(account.subaccount),
        "exists": account.exists,
        **_state(account, spots, perps),
        "spot_count": len(spots),
        "perp_count": len(perps),
        **listed,
    }
    if before is not None:
        data["pre_state"] = _state(before, spots, perps)
    return data


def _state(account: Account, spots: Sequence[Product], perps: Sequence[Product]) -> dict[str, Any]:
    ids = [one.product_id for one in (*spots, *perps)]
    none = Balance()
    return {
        "healths": [_health(one) for one in account.healths],
        "health_contributions": [
            [str(value) for value in account.contributions.get(product_id, (0, 0, 0))]
            for product_id in range(max(ids, default=-1) + 1)
        ],
        "spot_balances": [
            {
                "product_id": one.product_id,
                "balance": {"amount": str(account.balances.get(one.product_id, none).amount)},
            }
            for one in spots
        ],
        "perp_balances": [_perp_balance(one.product_id, account.balances.get(one.product_id, none)) for one in perps],
    }


def _perp_balance(product_id: int, balance: Balance) -> dict[str, Any]:
    return {
        "product_id": product_id,
        "balance": {
            "amount": str(balance.amount),
            "v_quote_balance": str(balance.v_quote),
            "last_cumulative_funding_x18": "0",
        },
    }


def _health(one: Health) -> dict[str, str]:
    return {
        "assets": str(one.assets),
        "liabilities": str(one.liabilities),
        "health": str(one.assets - one.liabilities),
    }


def fee_rates(products: Sequence[Product]) -> dict[str, Any]:
    """`fee_rates` (8.3): arrays by product id."""
    by_id = {product.product_id: product for product in products}
    ids = range(max(by_id, default=-1) + 1)
    return {
        "taker_fee_rates_x18": [str(by_id[one].taker_fee_x18 if one in by_id else 0) for one in ids],
        "maker_fee_rates_x18": [str(by_id[one].maker_fee_x18 if one in by_id else 0) for one in ids],
        "liquidation_sequencer_fee": "0",
        "health_check_sequencer_fee": "0",
        "taker_sequencer_fee": "0",
        "withdraw_sequencer_fees": ["0" for _ in ids],
        "fee_tier": 0,
    }


def max_order_size(amount: int) -> dict[str, Any]:
    """`max_order_size`"""
    return {"max_order_size": str(amount)}


def max_withdrawable(amount: int) -> dict[str, Any]:
    """`max_withdrawable`"""
    return {"max_withdrawable": str(amount)}


def health_groups(groups: Iterable[tuple[int, int]]) -> dict[str, Any]:
    """`health_groups`: a spot product and its perp."""
    return {"health_groups": [list(group) for group in groups]}


ISOLATED_POSITIONS: Final[dict[str, Any]] = {"isolated_positions": []}
INSURANCE: Final[dict[str, Any]] = {"insurance": "0"}
NLP_POOL_INFO: Final[dict[str, Any]] = {"nlp_pools": []}
MAX_NLP_MINTABLE: Final[dict[str, Any]] = {"max_base_amount": "0", "max_quote_amount": "0"}  # an SDK reads both
MAX_NLP_BURNABLE: Final[dict[str, Any]] = {"max_nlp_amount": "0"}
_NLP_PRODUCT_ID: Final = 11
_NO_NLP: Final[dict[str, Any]] = {"product_id": _NLP_PRODUCT_ID, "balance": {"amount": "0"}}
NLP_LOCKED_BALANCES: Final[dict[str, Any]] = {
    "balance_locked": _NO_NLP,
    "balance_unlocked": _NO_NLP,
    "locked_balances": [],
}
"""What a venue without isolated margin, insurance and pools has to say (N5)."""


# ---- the edge (9.3) ------------------------------------------------------------------------------------------------


def edge_pong(ping: queries.EdgePing, now_ms: int) -> bytes:
    """`ping` at the edge: in an envelope, as the subscription socket's."""
    data: dict[str, Any] = {"method": "pong", "server_time": str(now_ms)}
    if ping.client_time is not None:
        data["client_time"] = ping.client_time
    if ping.id is not None:
        data["id"] = ping.id
    return answered(ping, data)


def edge_time(query: queries.EdgeTime, now_ms: int) -> bytes:
    """`time` at the edge: flat, beside the status, where a widely used client looks for it."""
    body: dict[str, Any] = {"status": "success", "server_time": str(now_ms)}
    if query.id is not None:
        body["id"] = query.id
    return strict_json.encode({**body, "request_type": "query_time"})


# ---- v2 and plain routes (9.2, 9.4): no envelopes ------------------------------------------------------------------


def ticker_id(product: Product) -> str:
    """As v2 names a market."""
    return f"{product.symbol}_{QUOTE_SYMBOL}"


def assets(products: Iterable[Product]) -> bytes:
    """`GET /v2/assets`: products without a market have no ticker and no fees."""
    return strict_json.encode(
        [
            {
                "product_id": one.product_id,
                "ticker_id": ticker_id(one) if one.has_book else None,
                "market_type": one.kind.value if one.has_book else None,
                "name": one.name,
                "symbol": one.symbol,
                "maker_fee": human(one.maker_fee_x18) if one.has_book else None,
                "taker_fee": human(one.taker_fee_x18) if one.has_book else None,
                "can_withdraw": False,
                "can_deposit": False,
            }
            for one in products
        ]
    )


def pairs(products: Iterable[Product], query: queries.Pairs) -> bytes:
    """`GET /v2/pairs`"""
    return strict_json.encode(
        [
            {"product_id": one.product_id, "ticker_id": ticker_id(one), "base": one.symbol, "quote": QUOTE_SYMBOL}
            for one in products
            if one.has_book and (query.market is None or one.kind.value == query.market)
        ]
    )


def orderbook(product: Product, book: Book, depth: int, now_ms: int) -> bytes:
    """`GET /v2/orderbook`: the one place where prices leave as JSON floats."""
    return strict_json.encode(
        {
            "product_id": product.product_id,
            "ticker_id": ticker_id(product),
            "bids": [(human(price), human(quantity)) for price, quantity in book.bids[:depth]],
            "asks": [(human(price), human(quantity)) for price, quantity in book.asks[:depth]],
            "timestamp": now_ms,
        }
    )


def apr(products: Iterable[Product]) -> bytes:
    """`GET /v2/apr`: nothing bears interest here."""
    return strict_json.encode(
        [
            {
                "name": one.name,
                "symbol": one.symbol,
                "product_id": one.product_id,
                "deposit_apr": 0.0,
                "borrow_apr": 0.0,
                "tvl": 0.0,
            }
            for one in products
            if one.kind is ProductKind.SPOT
        ]
    )


def time(now_ms: int) -> bytes:
    """`GET /time`: a bare number."""
    return strict_json.encode(now_ms)
