"""What a request costs of its budget (`spec/nado.md` 12). The budgets are kept elsewhere."""

from __future__ import annotations

from typing import Final

from overround.protocols.nado import queries
from overround.protocols.nado.requests import (
    CancelAndPlace,
    CancelOrders,
    CancelProductOrders,
    Execute,
    LinkSigner,
    PlaceOrder,
    PlaceOrders,
)

WITHOUT_SPOT_LEVERAGE: Final = 20
ALL_PRODUCTS: Final = 50
EACH_PRODUCT: Final = 5
LINK_SIGNER: Final = 30


def of_execute(request: Execute) -> int:
    """Charged to the wallet."""
    match request:
        case PlaceOrder():
            return WITHOUT_SPOT_LEVERAGE if request.spot_leverage is False else 1
        case PlaceOrders():
            return sum(of_execute(order) for order in request.orders)
        case CancelOrders():
            return of_cancel(request)
        case CancelProductOrders():
            return EACH_PRODUCT * len(request.product_ids) if request.product_ids else ALL_PRODUCTS
        case CancelAndPlace():
            return of_execute(request.cancel) + of_execute(request.place)
        case LinkSigner():
            return LINK_SIGNER


def of_cancel(request: CancelOrders) -> int:
    """As many as it names, and one if it names none."""
    return len(request.digests) or 1


_QUERIES: Final[dict[type[queries.Query], int]] = {
    queries.Status: 1,
    queries.Contracts: 1,
    queries.MarketLiquidity: 1,
    queries.MarketPrice: 1,
    queries.Order: 1,
    queries.Orderbook: 1,
    queries.EdgePing: 1,
    queries.EdgeTime: 1,
    queries.Nonces: 2,
    queries.Symbols: 2,
    queries.HealthGroups: 2,
    queries.Insurance: 2,
    queries.FeeRates: 2,
    queries.Assets: 2,
    queries.Pairs: 2,
    queries.Apr: 2,
    queries.SubaccountOrders: 2,
    queries.AllProducts: 5,
    queries.EdgeAllProducts: 5,
    queries.MaxOrderSize: 5,
    queries.MaxWithdrawable: 5,
    queries.LinkedSigner: 5,
    queries.WalletOrders: 10,
    queries.IsolatedPositions: 10,
    queries.MaxNlpMintable: 20,
    queries.MaxNlpBurnable: 20,
    queries.NlpPoolInfo: 20,
    queries.NlpLockedBalances: 20,
}


def of_query(query: queries.Query) -> int:
    """Charged to the client's address."""
    match query:
        case queries.MarketPrices():
            return max(1, len(query.product_ids or ()))
        case queries.Orders():
            return max(1, 2 * len(query.product_ids))
        case queries.SubaccountInfo():
            return 2 if query.txns is None else 15 if query.pre_state else 10
        case _:
            return _QUERIES[type(query)]
