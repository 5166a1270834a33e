"""A gateway without a venue: it decodes, verifies and answers, and remembers nothing but what was asked.

For clients that are to be tried against the translation alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from tests.protocols.nado.test_checks import MARKETS, nobody
from tests.protocols.nado.test_encode import PRODUCTS, SEED_ORDER
from tests.protocols.nado.vectors import DOMAIN

from overround.protocols.nado import encode, queries
from overround.protocols.nado.checks import check_product, check_signature, check_time
from overround.protocols.nado.decode import decode_execute
from overround.protocols.nado.errors import GatewayError, failure
from overround.protocols.nado.facts import Account, Balance, Book, OpenOrder, Placed, Quote
from overround.protocols.nado.requests import (
    CancelAndPlace,
    CancelOrders,
    CancelProductOrders,
    Execute,
    PlaceOrder,
    PlaceOrders,
)
from overround.protocols.nado.units import X18


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def order_of(sender: bytes, product_id: int = 2) -> OpenOrder:
    return msgspec.structs.replace(SEED_ORDER, sender=sender, product_id=product_id)


class PaperGateway:
    """What was asked, in order; and answers to it."""

    def __init__(self) -> None:
        self.asked: list[Execute | queries.Query] = []

    def answer(self, path: str, body: bytes) -> bytes:
        try:
            match path:
                case "/v1/execute":
                    return self._execute(decode_execute(body, DOMAIN))
                case "/v1/query":
                    return self._query(queries.decode_query(body))
                case "/v1/time":
                    return encode.time(now_ms())
                case _:
                    return b"null"
        except GatewayError as error:
            return failure(error)

    def _execute(self, request: Execute) -> bytes:
        for one in request.orders if isinstance(request, PlaceOrders) else (request,):
            check_product(one, MARKETS)
            check_time(one, now_ms())
            check_signature(one, nobody)
        self.asked.append(request)
        match request:
            case PlaceOrder():
                return encode.executed(request, encode.placed(request.digest))
            case CancelAndPlace():
                return encode.executed(request, encode.placed(request.place.digest))
            case PlaceOrders():
                results = [Placed(order.digest) for order in request.orders]
                return encode.executed(request, encode.placed_orders(results))
            case CancelOrders():
                cancelled = [order_of(request.sender, product_id) for product_id in request.product_ids]
                return encode.executed(request, encode.cancelled_orders(cancelled))
            case CancelProductOrders():
                return encode.executed(request, encode.cancelled_orders([order_of(request.sender)]))
            case _:
                return encode.executed(request)

    def _query(self, query: queries.Query) -> bytes:
        self.asked.append(query)
        return encode.answered(query, self._data(query))

    def _data(self, query: queries.Query) -> Any:
        match query:
            case queries.Status():
                return "active"
            case queries.Contracts():
                return encode.contracts(DOMAIN)
            case queries.Nonces():
                return encode.nonces(7, now_ms())
            case queries.AllProducts():
                return encode.all_products(PRODUCTS)
            case queries.Symbols():
                return encode.symbols(PRODUCTS, query)
            case queries.Order():
                return encode.order(order_of(bytes(32)))
            case queries.SubaccountOrders():
                return encode.subaccount_orders(query.sender, query.product_id, [order_of(query.sender)])
            case queries.Orders():
                by_product = [(one, [order_of(query.sender, one)]) for one in query.product_ids]
                return encode.product_orders(query.sender, by_product)
            case queries.LinkedSigner():
                return encode.linked_signer(None)
            case queries.SubaccountInfo():
                account = Account(query.subaccount, True, {0: Balance(1000 * X18)})
                return encode.subaccount_info(account, PRODUCTS)
            case queries.FeeRates():
                return encode.fee_rates(PRODUCTS)
            case queries.MarketLiquidity():
                return encode.market_liquidity(Book(2, [(60_000 * X18, X18)], [], 1), query.depth)
            case queries.MarketPrices():
                return encode.market_prices(Quote(one) for one in query.product_ids or ())
            case queries.MaxOrderSize():
                return encode.max_order_size(X18)
        raise AssertionError(query)


@contextmanager
def serving(gateway: PaperGateway) -> Iterator[str]:
    """Serve it on a free port of this machine; gives the base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            answer = gateway.answer(self.path, body)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
