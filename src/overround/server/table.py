"""Every route of the venue, in one table."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from overround.protocols.operator import wire as operator_wire
from overround.protocols.sx import wire as sx_wire
from overround.server.documentation import DocumentationRoutes
from overround.server.operations import METRICS_TYPE, OperationsRoutes
from overround.server.operator import OperatorRoutes
from overround.server.routes import Parameter, Route
from overround.server.sx import SxRoutes
from overround.server.sx_fills import SxFillRoutes
from overround.server.sx_trades import TradeRoutes
from overround.server.sx_user import SxUserRoutes

TEXT: Final = {"type": "string"}
INTEGER: Final = {"type": "integer"}
BOOLEAN: Final = {"type": "boolean"}
TEXTS: Final = {"type": "array", "items": TEXT}
INTEGERS: Final = {"type": "array", "items": INTEGER}
# A text is looked at, and whatever is none is ignored.
ANYTHING: Final = {
    "anyOf": [{"type": kind} for kind in ("string", "number", "integer", "boolean", "null", "array", "object")]
}

_ADDRESS: Final = {"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"}
_HASH: Final = {"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"}
_AMOUNT: Final = {"type": "string", "pattern": "^[0-9]{1,78}$"}
_NEW_ORDER: Final = {
    "type": "object",
    "required": [
        "marketHash", "maker", "baseToken", "totalBetSize", "percentageOdds", "expiry", "apiExpiry",
        "executor", "salt", "isMakerBettingOutcomeOne", "signature",
    ],
    "properties": {
        "marketHash": _HASH,
        "maker": _ADDRESS,
        "baseToken": _ADDRESS,
        "totalBetSize": _AMOUNT,
        "percentageOdds": _AMOUNT,
        "expiry": INTEGER,
        "apiExpiry": INTEGER,
        "executor": _ADDRESS,
        "salt": TEXT,
        "isMakerBettingOutcomeOne": BOOLEAN,
        "signature": TEXT,
    },
}  # fmt: skip
_FILL_BODY: Final = {
    "type": "object",
    "required": [
        "baseToken", "isTakerBettingOutcomeOne", "stakeWei", "desiredOdds", "oddsSlippage", "fillSalt",
        "taker", "takerSig",
    ],
    "properties": {
        "market": ANYTHING,
        "marketHash": {"anyOf": [_HASH, {"type": "null"}]},
        "baseToken": _ADDRESS,
        "isTakerBettingOutcomeOne": BOOLEAN,
        "stakeWei": _AMOUNT,
        "desiredOdds": _AMOUNT,
        "oddsSlippage": INTEGER,
        "fillSalt": TEXT,
        "taker": _ADDRESS,
        "takerSig": TEXT,
        "action": ANYTHING,
        "betting": ANYTHING,
        "stake": ANYTHING,
        "worstOdds": ANYTHING,
        "worstReturning": ANYTHING,
    },
}  # fmt: skip
_PLACE_BODY: Final = {
    "type": "object",
    "required": ["orders"],
    "properties": {"orders": {"type": "array", "minItems": 1, "maxItems": 1000, "items": _NEW_ORDER}},
}


def _query(name: str, schema: dict[str, Any], description: str = "", *, required: bool = False) -> Parameter:
    return Parameter(name, schema, description, required)


def _path(name: str, description: str) -> Parameter:
    return Parameter(name, TEXT, description, required=True, place="path")


def _body(wire: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON schema of a wire struct, references resolved: each body stands alone."""
    (schema,), components = msgspec.json.schema_components([wire])
    resolved: dict[str, Any] = _resolved(schema, components)
    return resolved


def _resolved(schema: Any, components: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_resolved(one, components) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found = dict(components[schema["$ref"].rpartition("/")[2]])
        found.pop("title", None)
        return _resolved(found, components)
    return {key: _resolved(one, components) for key, one in schema.items()}


def sx_routes(sx: SxRoutes) -> list[Route]:
    """The SX dialect (`spec/sx.md` 5)."""
    sport = _query("sportId", INTEGER)
    league = _query("leagueId", INTEGER, required=True)
    event = _query("sportXeventId", TEXT, "event id; also spelt sportXEventId")
    hashes = _query("marketHashes", TEXTS, "comma list of at most 1000")
    cancel = "A signed cancel of {}. Needs no API key."
    return [
        Route("GET", "/metadata", sx.get_metadata, "Constants that orders must name", "reference"),
        Route("GET", "/sports", sx.get_sports, "Sports", "reference"),
        Route("GET", "/leagues", sx.get_leagues, "Leagues", "reference", parameters=(sport,)),
        Route(
            "GET", "/leagues/active", sx.get_active_leagues, "Leagues with active markets", "reference",
            parameters=(sport,),
        ),
        Route(
            "GET", "/leagues/teams/{leagueId}", sx.get_teams_of_league, "Teams of a league", "reference",
            parameters=(_path("leagueId", "league id"),),
        ),
        Route("GET", "/teams", sx.get_teams, "Teams of a league", "reference", parameters=(league,)),
        Route(
            "GET", "/fixture/active", sx.get_active_fixtures, "Fixtures of a league", "reference",
            parameters=(league,),
        ),
        Route(
            "GET", "/fixture/status", sx.get_fixture_statuses, "Status of fixtures", "reference",
            parameters=(_query("sportXEventIds", TEXTS, "comma list", required=True),),
        ),
        Route(
            "GET", "/live-scores", sx.get_live_scores, "Scores of fixtures", "reference",
            parameters=(_query("sportXEventIds", TEXTS, "comma list of at most 50", required=True),),
        ),
        Route(
            "GET", "/markets/active", sx.get_active_markets, "Active markets, paged", "reference",
            parameters=(
                _query("onlyMainLine", BOOLEAN),
                _query("eventId", TEXT),
                _query("leagueId", INTEGER),
                _query("sportIds", INTEGERS),
                _query("liveOnly", BOOLEAN, "fixtures in play"),
                _query("betGroup", TEXT, "not together with type"),
                _query("type", INTEGERS, "not together with betGroup"),
                _query("paginationKey", TEXT, "nextKey of the page before"),
                _query("pageSize", INTEGER, "default 50, at most 100"),
            ),
        ),
        Route(
            "GET", "/markets/find", sx.find_markets, "Markets by hash, in any state", "reference",
            parameters=(_query("marketHashes", TEXTS, "comma list of at most 30", required=True),),
        ),
        Route("GET", "/markets/popular", sx.get_popular_markets, "Ten popular markets", "reference"),
        Route(
            "GET", "/orders", sx.get_orders, "Orders that can be filled right now", "orders",
            parameters=(
                hashes,
                _query("maker", TEXT, "checksummed address"),
                event,
                _query("orderHashes", TEXTS, "comma list of at most 1000"),
                _query("baseToken", TEXT, "checksummed address"),
                _query("page", INTEGER, "from 0"),
                _query("perPage", INTEGER, "1 to 1000"),
                _query("sortBy", TEXT, "created_at, updated_at, fill_amount, total_bet_size, ..."),
                _query("sortAsc", BOOLEAN, "default true"),
            ),
        ),
        Route(
            "GET", "/orders/odds/best", sx.get_best_odds, "Best odds of markets", "orders",
            parameters=(
                _query("baseToken", TEXT, "checksummed address", required=True),
                hashes,
                _query("leagueIds", INTEGERS, "instead of marketHashes"),
            ),
        ),
        Route(
            "POST", "/orders/new", sx.place_orders, "Post signed orders", "orders", auth="signature",
            body=_PLACE_BODY, statuses=(200, 400, 403),
        ),
        Route(
            "POST", "/orders/cancel/v2", sx.cancel_orders, cancel.format("orders by hash"), "orders",
            auth="signature", body=_body(sx_wire.CancelOrdersBody),
        ),
        Route(
            "POST", "/orders/cancel/event", sx.cancel_event, cancel.format("all orders on an event"), "orders",
            auth="signature", body=_body(sx_wire.CancelEventBody),
        ),
        Route(
            "POST", "/orders/cancel/all", sx.cancel_all, cancel.format("everything"), "orders",
            auth="signature", body=_body(sx_wire.CancelBody),
        ),
        Route(
            "GET", "/user/realtime-token/api-key", sx.get_realtime_token, "A token for the feeds", "user",
            auth="key", statuses=(200, 401),
        ),
    ]  # fmt: skip


def fill_routes(fills: SxFillRoutes) -> list[Route]:
    """The SX dialect's takers (`spec/sx.md` 5.11 to 5.13)."""
    return [
        Route(
            "POST", "/orders/fill/v2", fills.fill, "Fill the best orders of a market; answered after the betting delay",
            "orders", auth="taker", body=_FILL_BODY, statuses=(200, 400, 503),
        ),
        Route(
            "POST", "/orders/fill", fills.fill_orders, "The legacy form: fill these orders, all or nothing", "orders",
            auth="taker", body=_body(sx_wire.FillOrdersBody), statuses=(200, 400, 503),
        ),
        Route(
            "POST", "/orders/approve", fills.approve, "An allowance, by permit", "orders", auth="owner",
            body=_body(sx_wire.ApproveBody),
        ),
    ]  # fmt: skip


def sx_user_routes(user: SxUserRoutes) -> list[Route]:
    """What an account does with its API key (`spec/sx.md` 5.16, 7.6)."""

    def route(method: Any, path: str, handler: Any, summary: str, *statuses: int, **more: Any) -> Route:
        return Route(method, path, handler, summary, "user", auth="key", statuses=(200, *statuses, 401), **more)

    return [
        route(
            "POST", "/user/heartbeat", user.ping_heartbeat, "Cancel all my orders unless I call again in time", 400,
            body=_body(sx_wire.HeartbeatBody),
        ),
        route(
            "POST", "/user/heartbeat/cancel", user.cancel_heartbeat,
            "Stop the heartbeat; orders stay. Needs no body",
        ),
        route("GET", "/user/heartbeat", user.get_heartbeat, "The heartbeat, and when it fired last"),
        route("GET", "/user/exposure", user.get_exposure, "What open orders may cost, market by market"),
        route(
            "POST", "/heartbeat", user.legacy_heartbeat, "The heartbeat in its older form", 400, 403,
            body=_body(sx_wire.LegacyHeartbeatBody),
        ),
    ]  # fmt: skip


def trade_routes(trades: TradeRoutes) -> list[Route]:
    """Trades of the past (`spec/sx.md` 5.14)."""
    bettor = _query("bettor", TEXT, "checksummed address")
    maker = _query("maker", BOOLEAN, "true: only trades of makers, false: only of takers")
    settled = _query("settled", BOOLEAN, "paid by the outcome of its market")
    status = _query("tradeStatus", {"type": "string", "enum": ["PENDING", "SUCCESS", "FAILED"]})
    event = _query("sportXeventId", TEXT, "event id; also spelt sportXEventId")
    page, ascending = _query("page", INTEGER, "from 0"), _query("sortAsc", BOOLEAN, "default false")

    def route(path: str, handler: Any, summary: str, *parameters: Parameter) -> Route:
        return Route("GET", path, handler, summary, "trades", parameters=parameters, statuses=(200, 400, 503))

    return [
        route(
            "/trades", trades.get_trades,
            "Trades, newest first; one of bettor, marketHashes, sportXeventId, startDate is required",
            bettor, _query("marketHashes", TEXTS, "comma list of at most 100"), event,
            _query("startDate", INTEGER, "matched at or after this unix second"),
            _query("endDate", INTEGER, "matched in this unix second or before"),
            settled, status, maker, _query("baseToken", TEXT, "checksummed address"),
            _query("affiliate", TEXT, "the zero address; nobody has another one"),
            _query("pageSize", INTEGER, "default 100, at most 300"),
            _query("paginationKey", TEXT, "nextKey of the page before"),
        ),
        route(
            "/trades/orders", trades.get_trades_of_orders, "Both sides of every fill of some orders",
            _query("orderHashes", TEXTS, "comma list of at most 1000", required=True),
        ),
        route(
            "/trades/consolidated", trades.get_consolidated, "Trades, one for each bettor of a fill",
            bettor, event, settled, status, maker, page, _query("perPage", INTEGER, "1 to 1000, default 100"),
            _query("sortBy", TEXT, "betTime, gameTime, netReturn, settleNetReturnValue, totalStake, ..."), ascending,
        ),
        route(
            "/trades/portfolio/refunds", trades.get_refunds, "Capital-efficiency refunds: none",
            _query("bettor", TEXT, "checksummed address", required=True), page,
            _query("perPage", INTEGER, "1 to 500, default 100"), ascending,
        ),
    ]  # fmt: skip


def operator_routes(operator: OperatorRoutes, *, with_clock: bool) -> list[Route]:
    """The operator's routes; the clock moves in a sandbox only."""
    checked = (200, 400, 401, 404, 409)
    fixture, market = _path("id", "sportXeventId"), _path("hash", "market hash")
    product = _path("productId", "product id")
    account, fill = _path("address", "account address"), _path("fillHash", "fill hash")

    def route(method: Any, path: str, handler: Any, summary: str, **more: Any) -> Route:
        return Route(method, path, handler, summary, "operator", auth="operator", statuses=checked, **more)

    routes = [
        route(
            "POST", "/admin/fixtures", operator.create_fixture, "Create a fixture",
            body=_body(operator_wire.FixtureBody),
        ),
        route(
            "PATCH", "/admin/fixtures/{id}", operator.update_fixture, "Change a fixture",
            parameters=(fixture,), body=_body(operator_wire.FixtureChangeBody),
        ),
        route(
            "POST", "/admin/fixtures/{id}/status", operator.set_fixture_status, "Set a fixture's status",
            parameters=(fixture,), body=_body(operator_wire.FixtureStatusBody),
        ),
        route(
            "POST", "/admin/markets", operator.create_market, "Create a market",
            body=_body(operator_wire.MarketBody),
        ),
        route(
            "POST", "/admin/markets/{hash}/status", operator.set_market_status, "Open or close a market",
            parameters=(market,), body=_body(operator_wire.MarketStatusBody),
        ),
        route(
            "POST", "/admin/markets/{hash}/settle", operator.report_market, "Report a market's outcome, once",
            parameters=(market,), body=_body(operator_wire.SettleBody),
        ),
        route(
            "PUT", "/admin/fixtures/{id}/live-score", operator.set_live_score, "Set a fixture's score",
            parameters=(fixture,), body=_body(operator_wire.LiveScoreBody),
        ),
        route(
            "POST", "/admin/fills/{fillHash}/confirm", operator.confirm_fill, "Confirm a pending fill",
            parameters=(fill,),
        ),
        route(
            "POST", "/admin/fills/{fillHash}/fail", operator.fail_fill, "Fail a pending fill", parameters=(fill,)
        ),
        route(
            "PUT", "/admin/balances/{address}/{token}", operator.set_balance, "Set a wallet balance",
            parameters=(account, _path("token", "token address")), body=_body(operator_wire.BalanceBody),
        ),
        route(
            "GET", "/admin/accounts/{address}", operator.get_account, "What is known of an account",
            parameters=(account,),
        ),
        route(
            "POST", "/admin/accounts/{address}/restriction", operator.set_restriction,
            "Keep an account from posting, or let it post again",
            parameters=(account,), body=_body(operator_wire.RestrictionBody),
        ),
        route(
            "POST", "/admin/api-keys", operator.issue_api_key, "Issue an API key; the one before stops working",
            body=_body(operator_wire.ApiKeyBody),
        ),
        route(
            "PUT", "/admin/nado/balances/{subaccount}/{productId}", operator.set_collateral,
            "Set a subaccount's collateral",
            parameters=(_path("subaccount", "subaccount, 32 bytes"), product),
            body=_body(operator_wire.CollateralBody),
        ),
        route(
            "POST", "/admin/nado/products/{id}", operator.update_product, "Set a product's price, status or fees",
            parameters=(_path("id", "product id"),), body=_body(operator_wire.ProductBody),
        ),
        route(
            "POST", "/admin/nado/status", operator.set_maintenance, "Refuse orders of the gateway, or take them again",
            body=_body(operator_wire.MaintenanceBody),
        ),
        route("GET", "/admin/digest", operator.get_digest, "The digest of the state"),
    ]  # fmt: skip
    if with_clock:
        routes.append(
            route(
                "POST", "/admin/clock", operator.adjust_clock, "Freeze, move and resume the sandbox's clock",
                body=_body(operator_wire.ClockBody),
            )
        )  # fmt: skip
    return routes


def operations_routes(
    operations: OperationsRoutes, documentation: DocumentationRoutes, *, with_sandbox: bool
) -> list[Route]:
    """Health, metrics, documentation."""
    routes = [
        Route("GET", "/", operations.get_index, "What this is", "operations", statuses=(200,)),
        Route("GET", "/healthz", operations.get_health, "The process is alive", "operations", statuses=(200,)),
        Route("GET", "/readyz", operations.get_readiness, "Commands are decided", "operations", statuses=(200,)),
        Route(
            "GET", "/metrics", operations.get_metrics, "Counters for Prometheus", "operations",
            statuses=(200,), content_type=METRICS_TYPE.decode(),
        ),
        Route(
            "GET", "/openapi.json", documentation.get_openapi, "This document", "operations", statuses=(200,)
        ),
        Route(
            "GET", "/docs", documentation.get_page, "This document, to read", "operations", statuses=(200,),
            content_type="text/html; charset=utf-8",
        ),
    ]  # fmt: skip
    if with_sandbox:
        routes.append(
            Route("GET", "/sandbox", operations.get_sandbox, "The sandbox's world", "sandbox", statuses=(200,))
        )
    return routes
