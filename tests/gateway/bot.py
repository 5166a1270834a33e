"""A bot of the Nado dialect that signs whatever a test wants signed, and asks over HTTP or over a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from overround.protocols.nado.digests import (
    OrderTerms,
    cancellation_digest,
    cancellation_products_digest,
    link_signer_digest,
    order_digest,
    stream_authentication_digest,
)
from overround.protocols.nado.nonces import make_nonce
from overround.protocols.nado.profile import Profile
from overround.protocols.nado.units import X18, hex_text, subaccount
from overround.signing.account import LocalAccount

Json = dict[str, Any]
DOMAIN = Profile().domain
FOR_EVER = 4_294_967_295
BTC, ETH_SPOT, ETH = 2, 3, 4
DEFAULT, IOC, FOK, POST_ONLY = 1, 513, 1025, 1537
REDUCE_ONLY = 2048
WAIT_S = 20
_randoms = count(1)


class Bot:
    """One account with one subaccount, maybe with another key to sign with."""

    def __init__(
        self, http: httpx.Client, account: LocalAccount, name: str = "default", key: LocalAccount | None = None
    ) -> None:
        self.http = http
        self.account = account
        self.key = key or account
        self.sender = subaccount(account.address, name)

    # ---- asking ---------------------------------------------------------------------------------------------------

    def now_ms(self) -> int:
        return int(self.http.get("/v1/time").json())

    def nonce(self, ahead_ms: int = 60_000) -> int:
        return make_nonce(self.now_ms() + ahead_ms, next(_randoms) % (1 << 20))

    def execute(self, **request: Any) -> Json:
        """The answer, whatever it is; it is HTTP 200 in any case."""
        return self.post("/v1/execute", request)

    def query(self, kind: str, **members: Any) -> Json:
        return self.post("/v1/query", {"type": kind, **members})

    def data(self, kind: str, **members: Any) -> Any:
        answer = self.query(kind, **members)
        assert answer["status"] == "success", answer
        assert answer["request_type"] == f"query_{kind}"
        return answer["data"]

    def post(self, path: str, body: Any) -> Json:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = self.http.post(path, content=content, headers={"Content-Type": "application/json"})
        assert response.status_code == 200, response.text
        answer: Json = response.json()
        return answer

    # ---- orders ---------------------------------------------------------------------------------------------------

    def order(self, price: float, amount: float, product_id: int = BTC, appendix: int = POST_ONLY, **more: Any) -> Json:
        """The body of `place_order`, signed; members given by name replace what is signed, others are added."""
        terms = OrderTerms(
            more.pop("sender", self.sender),
            more.pop("price_x18", int(price * 1000) * X18 // 1000),
            more.pop("amount_x18", int(amount * 100_000) * X18 // 100_000),
            more.pop("expiration", FOR_EVER),
            more["nonce"] if "nonce" in more else self.nonce(),
            appendix,
        )
        more.pop("nonce", None)
        digest = order_digest(DOMAIN, product_id, terms)
        body = {
            "sender": hex_text(terms.sender),
            "priceX18": str(terms.price_x18),
            "amount": str(terms.amount),
            "expiration": str(terms.expiration),
            "nonce": str(terms.nonce),
            "appendix": str(terms.appendix),
        }
        signature = hex_text(self.key.sign_digest(digest))
        return {"product_id": product_id, "order": body, "signature": signature, **more}

    def place(self, price: float, amount: float, product_id: int = BTC, appendix: int = POST_ONLY, **more: Any) -> str:
        """Place an order that is accepted; its digest."""
        answer = self.execute(place_order=self.order(price, amount, product_id, appendix, **more))
        assert answer["status"] == "success", answer
        return str(answer["data"]["digest"])

    def open(self, product_id: int = BTC) -> list[Json]:
        orders: list[Json] = self.data("subaccount_orders", sender=hex_text(self.sender), product_id=product_id)[
            "orders"
        ]
        return orders

    # ---- cancels --------------------------------------------------------------------------------------------------

    def cancellation(self, digests: list[str], products: list[int] | None = None, **more: Any) -> Json:
        """The body of `cancel_orders`, signed."""
        product_ids = [BTC] * len(digests) if products is None else products
        sender = more.pop("sender", self.sender)
        nonce = more["nonce"] if "nonce" in more else self.nonce()
        more.pop("nonce", None)
        digest = cancellation_digest(DOMAIN, sender, product_ids, [bytes.fromhex(one[2:]) for one in digests], nonce)
        tx = {"sender": hex_text(sender), "productIds": product_ids, "digests": digests, "nonce": str(nonce)}
        return {"tx": tx, "signature": hex_text(self.key.sign_digest(digest)), **more}

    def cancel(self, *digests: str, **more: Any) -> Json:
        return self.execute(cancel_orders=self.cancellation(list(digests), **more))

    def product_cancellation(self, products: list[int], **more: Any) -> Json:
        """The body of `cancel_product_orders`, signed."""
        nonce = more.pop("nonce", None) or self.nonce()
        digest = cancellation_products_digest(DOMAIN, self.sender, products, nonce)
        tx = {"sender": hex_text(self.sender), "productIds": products, "nonce": str(nonce)}
        return {"tx": tx, "signature": hex_text(self.key.sign_digest(digest)), **more}

    def cancel_products(self, *products: int, **more: Any) -> Json:
        return self.execute(cancel_product_orders=self.product_cancellation(list(products), **more))

    def clear(self) -> None:
        """Take everything off the books."""
        assert self.cancel_products()["status"] == "success"

    def replacement(self, digest: str, place: Json, **more: Any) -> Json:
        """The body of `cancel_and_place`."""
        cancel = self.cancellation([digest])
        return {"cancel_tx": cancel["tx"], "cancel_signature": cancel["signature"], "place_order": place, **more}

    # ---- the rest -------------------------------------------------------------------------------------------------

    def link(self, linked: bytes, nonce: int | None = None) -> Json:
        if nonce is None:
            nonce = int(self.data("nonces", address=hex_text(self.account.address))["tx_nonce"])
        digest = link_signer_digest(DOMAIN, self.sender, linked, nonce)
        tx = {"sender": hex_text(self.sender), "signer": hex_text(linked), "nonce": str(nonce)}
        return self.execute(link_signer={"tx": tx, "signature": hex_text(self.key.sign_digest(digest))})

    def authentication(self, ahead_ms: int = 50_000) -> Json:
        expiration = self.now_ms() + ahead_ms
        digest = stream_authentication_digest(DOMAIN, self.sender, expiration)
        tx = {"sender": hex_text(self.sender), "expiration": str(expiration)}
        return {"tx": tx, "signature": hex_text(self.key.sign_digest(digest))}

    @contextmanager
    def socket(self, path: str = "/v1/ws", **more: Any) -> Iterator[Socket]:
        """An action or subscription socket."""
        base = str(self.http.base_url).replace("http://", "ws://").rstrip("/")
        with connect(base + path, close_timeout=2, **more) as connection:
            yield Socket(connection)


class Socket:
    """JSON over a WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send(self, message: Any) -> None:
        self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def receive(self) -> Any:
        return json.loads(self.connection.recv(timeout=WAIT_S))

    def ask(self, message: Any) -> Any:
        self.send(message)
        return self.receive()

    def follow(self, **stream: Any) -> None:
        answer = self.ask({"method": "subscribe", "stream": stream, "id": 1})
        assert answer == {"result": None, "id": 1}, answer

    def authenticate(self, bot: Bot) -> None:
        answer = self.ask({"method": "authenticate", "id": 0, **bot.authentication()})
        assert answer == {"result": None, "id": 0}, answer
