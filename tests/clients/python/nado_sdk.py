"""A day with the official Python SDK of the Nado dialect: pointed at a venue, and nothing else changed.

Runs in an environment of its own (`make setup`), with the base URL of a sandbox. Prints what each step returned, or why
it failed, as one JSON object.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import requests
from nado_protocol.client import NadoClient, NadoClientContextOpts, NadoClientMode, create_nado_client
from nado_protocol.contracts.types import NadoExecuteType, NadoTxType
from nado_protocol.engine_client.types.execute import (
    CancelAndPlaceParams,
    CancelOrdersParams,
    CancelProductOrdersParams,
    LinkSignerParams,
    MarketOrderParams,
    OrderParams,
    PlaceMarketOrderParams,
    PlaceOrderParams,
    PlaceOrdersParams,
    WithdrawCollateralParams,
)
from nado_protocol.engine_client.types.query import QueryMaxOrderSizeParams, QueryStatusParams
from nado_protocol.engine_client.types.stream import StreamAuthenticationParams
from nado_protocol.utils.bytes32 import hex_to_bytes32, subaccount_to_hex
from nado_protocol.utils.nonce import gen_order_nonce
from nado_protocol.utils.order import OrderType, build_appendix
from nado_protocol.utils.subaccount import SubaccountParams
from nado_protocol.ws.client import NadoSubscriptionClient, NadoWebSocketClient
from nado_protocol.ws.streams import BestBidOfferStream, BookDepthStream, FillStream, OrderUpdateStream, TradeStream

BASE_URL = sys.argv[1]
X18 = 10**18
WAIT_S = 20
FOR_EVER = 4_294_967_295

results: dict[str, Any] = {}


def step(name: str, do: Callable[[], Any]) -> Any:
    """Do one thing and remember what came of it."""
    try:
        value = do()
        results[name] = {"value": plain(value)}
    except Exception as error:
        results[name] = {"error": f"{type(error).__name__}: {error}"}
        return None
    return value


def plain(value: Any) -> Any:
    """What the SDK returned, as JSON."""
    if hasattr(value, "dict"):
        return plain(value.dict())
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return "0x" + value.hex() if isinstance(value, bytes) else value


def client_of(account: dict[str, str], key: str | None = None) -> NadoClient:
    """A client of the sandbox; only the addresses of the services differ from what its documentation shows."""
    urls = NadoClientContextOpts(
        engine_endpoint_url=f"{BASE_URL}/v1",
        indexer_endpoint_url=f"{BASE_URL}/archive",
        trigger_endpoint_url=f"{BASE_URL}/trigger",
    )
    return create_nado_client(NadoClientMode.TESTNET, key or account["privateKey"], urls)


def nonce() -> int:
    return int(gen_order_nonce())


accounts = requests.get(f"{BASE_URL}/sandbox", timeout=WAIT_S).json()["accounts"]
own, other, linked = accounts[6], accounts[7], accounts[8]
bot, maker = client_of(own), client_of(other)
own_subaccount = SubaccountParams(subaccount_owner=own["address"], subaccount_name="default")
other_subaccount = SubaccountParams(subaccount_owner=other["address"], subaccount_name="default")
own_hex, other_hex = subaccount_to_hex(own_subaccount), subaccount_to_hex(other_subaccount)
engine = bot.context.engine_client


def placement(
    price: int, amount: float, product_id: int = 2, kind: OrderType = OrderType.DEFAULT, **more: Any
) -> PlaceOrderParams:
    order = OrderParams(
        sender=more.pop("sender", own_subaccount),
        priceX18=price * X18,
        amount=int(amount * 1000) * X18 // 1000,
        expiration=FOR_EVER,
        nonce=nonce(),
        appendix=build_appendix(kind),
    )
    return PlaceOrderParams(product_id=product_id, order=order, **more)


def cancellation(digests: list[str], products: list[int]) -> CancelOrdersParams:
    return CancelOrdersParams(sender=own_subaccount, productIds=products, digests=digests, nonce=nonce())


def by_product(products: list[int]) -> CancelProductOrdersParams:
    return CancelProductOrdersParams(sender=own_subaccount, productIds=products, nonce=nonce())


def digest_of(name: str) -> str:
    return str(results[name].get("value", {}).get("data", {}).get("digest", "0x" + "00" * 32))


# ---- orders --------------------------------------------------------------------------------------------------------

step("symbols", engine.get_product_symbols)
step("status", engine.get_status)
step("nonces", lambda: engine.get_nonces(own["address"]))
step("account", lambda: engine.get_subaccount_info(own_hex))
post_only = OrderType.POST_ONLY
step("place", lambda: bot.market.place_order(placement(50_000, 0.1, kind=post_only, id=100)))
step("open", lambda: bot.market.get_subaccount_open_orders(2, own_hex))
step("order", lambda: engine.get_order(2, digest_of("place")))
step("cancel", lambda: bot.market.cancel_orders(cancellation([digest_of("place")], [2])))
step("cancel_again", lambda: bot.market.cancel_orders(cancellation([digest_of("place")], [2])))
step("cancel_nothing", lambda: bot.market.cancel_orders(cancellation([], [])))
step("place_btc", lambda: bot.market.place_order(placement(49_000, 0.1)))
step("place_eth", lambda: bot.market.place_order(placement(2_000, 1, product_id=4)))
step("open_both", lambda: bot.market.get_subaccount_multi_products_open_orders([2, 4], own_hex))
step("cancel_product", lambda: bot.market.cancel_product_orders(by_product([2])))
step("cancel_all", lambda: bot.market.cancel_product_orders(by_product([])))
step("place_old", lambda: bot.market.place_order(placement(48_000, 0.1)))
step(
    "replace",
    lambda: bot.market.cancel_and_place(
        CancelAndPlaceParams(
            cancel_orders=cancellation([digest_of("place_old")], [2]), place_order=placement(48_500, 0.1)
        )
    ),
)
step("open_replaced", lambda: bot.market.get_subaccount_open_orders(2, own_hex))
step(
    "place_several",
    lambda: engine.place_orders(PlaceOrdersParams(orders=[placement(47_000, 0.1), placement(47_001, 0.1)])),
)
step("open_several", lambda: bot.market.get_subaccount_open_orders(2, own_hex))
step("clear", lambda: bot.market.cancel_product_orders(by_product([])))

# ---- trading -------------------------------------------------------------------------------------------------------

step("maker_sells", lambda: maker.market.place_order(placement(60_000, -0.5, sender=other_subaccount)))
step("maker_buys", lambda: maker.market.place_order(placement(59_900, 0.5, sender=other_subaccount)))
market_order = MarketOrderParams(sender=own_subaccount, amount=X18 // 10, nonce=nonce())
step(
    "market_order",
    lambda: bot.market.place_market_order(PlaceMarketOrderParams(product_id=2, market_order=market_order)),
)
step("position", lambda: engine.get_subaccount_info(own_hex))
step("close_position", lambda: bot.market.close_position(own_subaccount, 2))
step("flat", lambda: engine.get_subaccount_info(own_hex))

# ---- a linked signer -----------------------------------------------------------------------------------------------

signer = linked["address"] + "00" * 12
step("link", lambda: bot.subaccount.link_signer(LinkSignerParams(sender=own_subaccount, signer=signer)))
step("linked", lambda: engine.get_linked_signer(own_hex))
step("link_again", lambda: bot.subaccount.link_signer(LinkSignerParams(sender=own_subaccount, signer=signer)))
hand = client_of(own, linked["privateKey"])
step("place_linked", lambda: hand.market.place_order(placement(46_000, 0.1)))
step("cancel_linked", lambda: hand.market.cancel_orders(cancellation([digest_of("place_linked")], [2])))

# ---- sockets -------------------------------------------------------------------------------------------------------


def signed_placement(price: int, **more: Any) -> PlaceOrderParams:
    params = placement(price, 0.1, **more)
    params.order = engine.prepare_execute_params(params.order, True)
    params.signature = engine._sign(NadoExecuteType.PLACE_ORDER, params.order.dict(), params.product_id)
    return params


def signed_cancellation(digest: str) -> CancelOrdersParams:
    params = CancelOrdersParams(sender=own_hex, productIds=[2], digests=[digest], nonce=nonce())
    params.signature = engine._sign(NadoExecuteType.CANCEL_ORDERS, params.dict())
    return params


with NadoWebSocketClient(f"{BASE_URL}/v1") as socket:
    step("ws_status", lambda: socket.query(QueryStatusParams()))
    step("ws_place", lambda: socket.execute(signed_placement(45_000, id=7)))
    step("ws_cancel", lambda: socket.execute(signed_cancellation(digest_of("ws_place"))))


def authentication() -> StreamAuthenticationParams:
    expiration = time.time_ns() // 1_000_000 + 60_000
    params = StreamAuthenticationParams(sender=own_hex, expiration=expiration)
    message = {"sender": hex_to_bytes32(own_hex), "expiration": expiration}
    chain_id, endpoint = engine.chain_id, engine.endpoint_addr
    params.signature = engine.sign(NadoTxType.AUTHENTICATE_STREAM, message, endpoint, chain_id, engine.signer)
    return params


def events(stream: NadoSubscriptionClient, count: int) -> list[Any]:
    return [stream.recv(timeout=WAIT_S) for _ in range(count)]


with NadoSubscriptionClient(f"{BASE_URL}/v1") as stream:
    orders = OrderUpdateStream(subaccount=own_hex)
    step("subscribe_early", lambda: stream.subscribe(orders))
    step("authenticate", lambda: stream.authenticate(authentication()))
    step("subscribe_orders", lambda: stream.subscribe(orders))
    step("list", stream.list_subscriptions)
    step("ping", stream.ping)
    step("time", stream.time)
    step("place_followed", lambda: bot.market.place_order(placement(44_000, 0.1, id=9)))
    step("event_placed", lambda: events(stream, 1))
    step("cancel_followed", lambda: bot.market.cancel_orders(cancellation([digest_of("place_followed")], [2])))
    step("event_cancelled", lambda: events(stream, 1))
    step("unsubscribe", lambda: stream.unsubscribe(orders))
    market = [TradeStream(product_id=2), BestBidOfferStream(product_id=2), BookDepthStream(product_id=2)]
    step("subscribe_market", lambda: stream.subscribe_multi([*market, FillStream(subaccount=own_hex)]))
    step("taker_order", lambda: bot.market.place_order(placement(60_000, 0.1, kind=OrderType.IOC)))
    step("event_market", lambda: events(stream, 4))

# ---- what else a bot asks ------------------------------------------------------------------------------------------

step("fee_rates", lambda: engine.get_fee_rates(own_hex))
size = QueryMaxOrderSizeParams(sender=own_hex, product_id=2, price_x18=str(60_000 * X18), direction="long")
step("max_order_size", lambda: engine.get_max_order_size(size))
step("max_withdrawable", lambda: engine.get_max_withdrawable(0, own_hex))
step("liquidity", lambda: engine.get_market_liquidity(2, 10))
step("price", lambda: engine.get_market_price(2))
step("prices", lambda: engine.get_market_prices([2, 4]))
step("products", engine.get_all_products)
step("edge_products", engine.get_edge_all_products)
step("health_groups", engine.get_health_groups)
step("insurance", engine.get_insurance)
step("isolated", lambda: engine.get_isolated_positions(own_hex))
step("pools", engine.get_nlp_pool_info)
step("assets", engine.get_assets)
step("pairs", engine.get_pairs)
step("orderbook", lambda: engine.get_orderbook("BTC-PERP_USDT0", 10))
withdrawal = WithdrawCollateralParams(sender=own_subaccount, productId=0, amount=10**6)
step("withdraw", lambda: bot.spot.withdraw(withdrawal))
step("maker_leaves", lambda: maker.context.engine_client.cancel_product_orders(
    CancelProductOrdersParams(sender=other_subaccount, productIds=[], nonce=nonce())
))  # fmt: skip

print(json.dumps(results, default=str))
