"""The venue in the words of the Nado dialect: commands to the sequencer, views to answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from overround.engine.continuous.product import Product as VenueProduct
from overround.engine.continuous.rejections import Refusal
from overround.engine.continuous.types import ProductId, SubaccountId
from overround.engine.record import Record
from overround.engine.types import Address
from overround.protocols.nado import encode, queries, showing
from overround.protocols.nado.checks import Market, SingleExecute
from overround.protocols.nado.commands import cancel_command, check_decision, command_of, placements, submission_of
from overround.protocols.nado.errors import Code, GatewayError
from overround.protocols.nado.facts import Book, OpenOrder, Placed, Product, Quote
from overround.protocols.nado.profile import Profile
from overround.protocols.nado.requests import CancelAndPlace, CancelOrders, LinkSigner, PlaceOrder
from overround.runtime.venue import Venue
from overround.views.continuous import Continuous

HEALTHY: Final = "active"
IN_MAINTENANCE: Final = "failed"  # the only other word that one SDK understands


class VenueDesk:
    """One venue."""

    def __init__(self, venue: Venue, profile: Profile) -> None:
        self._venue = venue
        self._views: Continuous = venue.views.continuous
        self.domain = profile.domain
        self.builders = profile.builders
        self.markets: Mapping[int, Market] = _Markets(self._views)

    def now_ms(self) -> int:
        """The venue's clock."""
        return self._venue.clock.now_ms()

    def linked_signer_of(self, subaccount: bytes) -> bytes | None:
        """The address of the signer that is linked to a subaccount."""
        return self._views.linked.get(SubaccountId(subaccount))

    def is_known(self, digest: bytes) -> bool:
        """Whether this very message was obeyed before."""
        return self._views.is_used(digest)

    # ---- executes -------------------------------------------------------------------------------------------------

    async def execute(self, request: SingleExecute, signer: bytes, command_id: str) -> Any:
        """Do it; gives the `data` of the answer. Raises `GatewayError`."""
        decision = await self._venue.submit(command_of(request, signer), command_id)
        record: Record = check_decision(decision)
        if isinstance(request, PlaceOrder):
            return encode.placed(request.digest)
        if isinstance(request, CancelAndPlace):
            return encode.placed(request.place.digest)
        if isinstance(request, LinkSigner):
            return encode.NO_DATA
        return encode.cancelled_orders(map(showing.open_order, self._views.take_cancelled(record)))

    def cancel(self, request: CancelOrders, signer: bytes, command_id: str, tell: Callable[[Any], object]) -> None:
        """Cancel orders; `tell` is called with the decision once it is durable. Raises `InboxFull`."""
        self._venue.submit_for(cancel_command(request, signer), command_id, tell)

    def cancelled(self, decision: Record | Refusal) -> Iterable[OpenOrder]:
        """The orders that a cancel took off, as they were; to be asked once. Raises `GatewayError`."""
        record = decision if type(decision) is Record else check_decision(decision)
        return map(showing.open_order, self._views.take_cancelled(record))

    async def place(
        self, orders: list[tuple[PlaceOrder, bytes]], stop_on_failure: bool, command_id: str
    ) -> list[Placed]:
        """Place the orders of a batch, each with its signer; an entry for each that was looked at."""
        decision = await self._venue.submit(submission_of(orders, stop_on_failure=stop_on_failure), command_id)
        if not isinstance(decision, Record):
            check_decision(decision)
            raise AssertionError("a refusal was raised")
        return placements(decision)

    # ---- queries --------------------------------------------------------------------------------------------------

    def query(self, query: queries.Query) -> bytes:
        """The answer, with its envelope. Raises `GatewayError`."""
        if isinstance(query, queries.EdgePing):
            return encode.edge_pong(query, self.now_ms())
        if isinstance(query, queries.EdgeTime):
            return encode.edge_time(query, self.now_ms())
        try:
            return encode.answered(query, _ANSWERS[type(query)](self, query))
        except GatewayError as error:
            raise error.about("query_" + query.type) from None

    def symbols(self) -> bytes:
        """`GET /symbols`."""
        return encode.symbols_list(self.products())

    def v2(self, query: queries.Query) -> bytes:
        """The answer to a read of v2, which has no envelope. Raises `GatewayError`."""
        match query:
            case queries.Assets():
                return encode.assets(self.products())
            case queries.Pairs():
                return encode.pairs(self.products(), query)
            case queries.Orderbook():
                product = next((one for one in self.products() if encode.ticker_id(one) == query.ticker_id), None)
                if product is None or not product.has_book:
                    raise GatewayError(Code.MARKET_NOT_FOUND, f"there is no market {query.ticker_id!a}")
                return encode.orderbook(product, self.book(product.product_id, query.depth), query.depth, self.now_ms())
            case _:
                return encode.apr(self.products())

    # ---- facts ----------------------------------------------------------------------------------------------------

    def products(self) -> list[Product]:
        """Every product as it is now."""
        return showing.products(self._views)

    def book(self, product_id: int, depth: int) -> Book:
        """A book's best levels."""
        return showing.book(self._views.books[ProductId(product_id)], depth)

    def quote(self, product_id: int) -> Quote:
        """The top of a book."""
        return showing.quote(self._views.books[ProductId(product_id)])

    def quotes(self) -> dict[int, Quote]:
        """The tops of all books."""
        return showing.quotes(self._views)

    def _orders(self, sender: bytes, product_id: int) -> list[OpenOrder]:
        return [showing.open_order(row) for row in self._views.orders_of(SubaccountId(sender), ProductId(product_id))]

    def _known(self, product_id: int, *, with_book: bool = False) -> ProductId:
        found = ProductId(product_id)
        if found not in self._views.products:
            raise GatewayError(Code.INVALID_PRODUCT_ID, f"there is no product {product_id}")
        if with_book and found not in self._views.books:
            raise GatewayError(Code.MARKET_NOT_FOUND, f"product {product_id} has no market")
        return found

    # ---- one query each -------------------------------------------------------------------------------------------

    def _status(self, query: queries.Status) -> Any:
        del query
        return IN_MAINTENANCE if self._views.maintenance else HEALTHY

    def _contracts(self, query: queries.Contracts) -> Any:
        del query
        return encode.contracts(self.domain)

    def _nonces(self, query: queries.Nonces) -> Any:
        return encode.nonces(self._views.tx_nonces.get(Address(query.address), 0), self.now_ms())

    def _order(self, query: queries.Order) -> Any:
        row = self._views.orders.get(query.digest)  # type: ignore[call-overload]
        if row is None or row.terms.product_id != query.product_id:
            text = f"{Code.ORDER_NOT_FOUND.text}: 0x{query.digest.hex()}"
            raise GatewayError(Code.ORDER_NOT_FOUND, text)
        return encode.order(showing.open_order(row))

    def _subaccount_orders(self, query: queries.SubaccountOrders) -> Any:
        product_id = self._known(query.product_id)
        return encode.subaccount_orders(query.sender, product_id, self._orders(query.sender, product_id))

    def _product_orders(self, query: queries.Orders) -> Any:
        return encode.product_orders(
            query.sender, [(one, self._orders(query.sender, self._known(one))) for one in query.product_ids]
        )

    def _wallet_orders(self, query: queries.WalletOrders) -> Any:
        rows = self._views.orders_of_wallet(Address(query.address))
        return encode.wallet_orders(query.address, map(showing.open_order, rows))

    def _linked_signer(self, query: queries.LinkedSigner) -> Any:
        return encode.linked_signer(self.linked_signer_of(query.subaccount))

    def _market_price(self, query: queries.MarketPrice) -> Any:
        return encode.market_price(self.quote(self._known(query.product_id, with_book=True)))

    def _market_prices(self, query: queries.MarketPrices) -> Any:
        if query.product_ids is None:
            return encode.market_prices(self.quotes().values())
        return encode.market_prices([self.quote(self._known(one, with_book=True)) for one in query.product_ids])

    def _market_liquidity(self, query: queries.MarketLiquidity) -> Any:
        product_id = self._known(query.product_id, with_book=True)
        return encode.market_liquidity(self.book(product_id, query.depth), query.depth)

    def _symbols(self, query: queries.Symbols) -> Any:
        return encode.symbols(self.products(), query)

    def _all_products(self, query: queries.AllProducts) -> Any:
        del query
        return encode.all_products(self.products())

    def _edge_all_products(self, query: queries.EdgeAllProducts) -> Any:
        del query
        return encode.edge_all_products(self.domain, self.products())

    def _subaccount_info(self, query: queries.SubaccountInfo) -> Any:
        before = showing.account(self._views, query.subaccount)
        if query.txns is None:
            return encode.subaccount_info(before, self.products())
        after = showing.account(self._views, query.subaccount, query.txns)
        return encode.subaccount_info(after, self.products(), before if query.pre_state else None)

    def _fee_rates(self, query: queries.FeeRates) -> Any:
        del query
        return encode.fee_rates(self.products())

    def _max_order_size(self, query: queries.MaxOrderSize) -> Any:
        size = showing.max_order_size(
            self._views,
            query.sender,
            self._known(query.product_id, with_book=True),
            query.price_x18,
            is_buy=query.direction == "long",
            reduce_only=bool(query.reduce_only),
        )
        return encode.max_order_size(size)

    def _max_withdrawable(self, query: queries.MaxWithdrawable) -> Any:
        product_id = self._known(query.product_id)
        return encode.max_withdrawable(showing.max_withdrawable(self._views, query.sender, product_id))

    def _health_groups(self, query: queries.HealthGroups) -> Any:
        del query
        return encode.health_groups(showing.health_groups(self._views))


class _Markets(Mapping[int, Market]):
    """What every product demands of an order, made anew only when the operator changes it."""

    def __init__(self, views: Continuous) -> None:
        self._products: Any = views.products
        self._made: dict[int, tuple[VenueProduct, Market]] = {}

    def __getitem__(self, product_id: int) -> Market:
        product = self._products[product_id]
        made = self._made.get(product_id)
        if made is None or made[0] is not product:
            made = self._made[product_id] = (product, showing.market(product))
        return made[1]

    def __contains__(self, product_id: object) -> bool:
        return product_id in self._products

    def __iter__(self) -> Iterator[int]:
        return iter(self._products)

    def __len__(self) -> int:
        return len(self._products)


def _constant(data: Any) -> Callable[[VenueDesk, Any], Any]:
    return lambda _desk, _query: data


_ANSWERS: Final[dict[type[queries.Query], Callable[[VenueDesk, Any], Any]]] = {
    queries.Status: VenueDesk._status,
    queries.Contracts: VenueDesk._contracts,
    queries.Nonces: VenueDesk._nonces,
    queries.Order: VenueDesk._order,
    queries.SubaccountOrders: VenueDesk._subaccount_orders,
    queries.Orders: VenueDesk._product_orders,
    queries.WalletOrders: VenueDesk._wallet_orders,
    queries.LinkedSigner: VenueDesk._linked_signer,
    queries.MarketPrice: VenueDesk._market_price,
    queries.MarketPrices: VenueDesk._market_prices,
    queries.MarketLiquidity: VenueDesk._market_liquidity,
    queries.Symbols: VenueDesk._symbols,
    queries.AllProducts: VenueDesk._all_products,
    queries.EdgeAllProducts: VenueDesk._edge_all_products,
    queries.SubaccountInfo: VenueDesk._subaccount_info,
    queries.IsolatedPositions: _constant(encode.ISOLATED_POSITIONS),
    queries.FeeRates: VenueDesk._fee_rates,
    queries.MaxOrderSize: VenueDesk._max_order_size,
    queries.MaxWithdrawable: VenueDesk._max_withdrawable,
    queries.MaxNlpMintable: _constant(encode.MAX_NLP_MINTABLE),
    queries.MaxNlpBurnable: _constant(encode.MAX_NLP_BURNABLE),
    queries.HealthGroups: VenueDesk._health_groups,
    queries.Insurance: _constant(encode.INSURANCE),
    queries.NlpPoolInfo: _constant(encode.NLP_POOL_INFO),
    queries.NlpLockedBalances: _constant(encode.NLP_LOCKED_BALANCES),
}
