"""The SX routes of trades: queries to the history, trades to bytes (`spec/sx.md` 5.14)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from overround.config import SxConfig
from overround.engine.types import Address, MarketHash, OrderHash
from overround.history.reading import Reading, Wanted
from overround.protocols.query import Query
from overround.protocols.sx import encode
from overround.protocols.sx.errors import bad_request
from overround.protocols.sx.trades import NO_AFFILIATE, Labels, consolidated, trade
from overround.protocols.sx.units import address_filter, parse_hash
from overround.runtime.venue import Venue
from overround.server.http import Request, Response
from overround.views.trades import Trade, TradeState

PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 300
MARKET_HASHES_MAX: Final = 100
ORDER_HASHES_MAX: Final = 1_000
TRADES_OF_ORDERS_MAX: Final = 5_000  # there are no pages in `GET /trades/orders`
PER_PAGE_MAX: Final = 1_000  # of consolidated trades
REFUNDS_PER_PAGE_MAX: Final = 500
OFFSET_MAX: Final = 100_000  # consolidated trades before the page that is asked for
SORTED_MAX: Final = 20_000  # consolidated trades that are sorted by something else than their time
EVENT_MARKETS_MAX: Final = 1_000  # looked at for one event
SECONDS_MAX: Final = 10**12  # later than any trade

_KEY: Final = re.compile(r"[0-9a-fA-F]{24}", re.ASCII)
_SETTLED: Final = frozenset({TradeState.SETTLED})
_STATES: Final = {
    "PENDING": frozenset({TradeState.PENDING}),
    "SUCCESS": frozenset({TradeState.CONFIRMED, TradeState.SETTLED}),
    "FAILED": frozenset({TradeState.FAILED}),
}
_BET_TIME: Final = "betTime"
_SORTS: Final[dict[str, Callable[[Trade], Any]]] = {
    "totalStake": lambda one: one.stake,
    "weightedAverageOdds": lambda one: one.odds,
    "netReturn": lambda one: one.pot,
    "settleNetReturnValue": lambda one: one.returned if one.progress.outcome is not None else -1,
}
_GAME_TIME: Final = "gameTime"
_T = TypeVar("_T")


class TradeRoutes:
    """Handlers of one venue."""

    def __init__(self, venue: Venue, config: SxConfig) -> None:
        self._venue = venue
        self._views = venue.views
        self._config = config

    async def get_trades(self, request: Request) -> Response:
        """`GET /trades`: newest first"""
        query = request.query
        wanted = self._wanted(query)
        size = query.integer("pageSize")
        if size is not None and size < 1:
            raise bad_request("pageSize must be at least 1")
        size = min(size or PAGE_DEFAULT, PAGE_MAX)
        key = query.text("paginationKey")
        if key is not None and not _KEY.fullmatch(key):
            raise bad_request("paginationKey is unknown")
        labels = self._labels()

        def answer(reading: Reading) -> bytes:
            below = None if key is None else reading.number_of(bytes.fromhex(key))
            if key is not None and below is None:
                raise bad_request("paginationKey is unknown")
            found = [one for _, one in reading.page("trades", wanted, size=size + 1, below=below)]
            rows = [trade(one, labels) for one in found[:size]]
            data: dict[str, Any] = {"trades": rows, "pageSize": size, "count": len(rows)}
            if len(found) > size:
                data["nextKey"] = rows[-1]._id
            return encode.success(data)

        return await self._answer(answer)

    async def get_trades_of_orders(self, request: Request) -> Response:
        """`GET /trades/orders`: both sides of every fill of some orders"""
        texts = request.query.texts("orderHashes")
        if not texts:
            raise bad_request("orderHashes is required")
        if len(texts) > ORDER_HASHES_MAX:
            raise bad_request(f"orderHashes must contain at most {ORDER_HASHES_MAX} elements")
        hashes = [OrderHash(one) for one in dict.fromkeys(map(parse_hash, texts)) if one is not None]
        labels = self._labels()

        def answer(reading: Reading) -> bytes:
            found = reading.of_orders(hashes, size_max=TRADES_OF_ORDERS_MAX)
            if found is None:
                raise bad_request(f"more than {TRADES_OF_ORDERS_MAX} trades match: name fewer orders, or use /trades")
            return encode.success({"trades": [trade(one, labels, iso_time=True) for one in found]})

        return await self._answer(answer)

    async def get_consolidated(self, request: Request) -> Response:
        """`GET /trades/consolidated`: one for each bettor of a fill"""
        query = request.query
        wanted = self._consolidated(query)
        start, size = _slice(query, PER_PAGE_MAX)
        if start > OFFSET_MAX:
            raise bad_request(f"page * perPage must be at most {OFFSET_MAX}: use more filters")
        sort_by, ascending = query.text("sortBy") or _BET_TIME, query.boolean("sortAsc") or False
        key = self._sort_key(sort_by)
        labels = self._labels()

        def answer(reading: Reading) -> bytes:
            count = reading.count("bets", wanted)
            if key is None:
                rows = reading.slice("bets", wanted, start=start, size=size, ascending=ascending)
            elif count > SORTED_MAX:
                raise bad_request(f"{count} trades match, too many to sort by {sort_by}: use more filters")
            else:
                rows = reading.slice("bets", wanted, start=0, size=count, ascending=ascending)
                rows.sort(key=key, reverse=not ascending)
                rows = rows[start : start + size]
            return encode.success({"trades": [consolidated(one, labels) for one in rows], "count": count})

        return await self._answer(answer)

    def _sort_key(self, sort_by: str) -> Callable[[Trade], Any] | None:
        """None: by the time of the match, as the rows are found."""
        if sort_by == _BET_TIME:
            return None
        if sort_by == _GAME_TIME:
            of = self._views.catalogue
            return lambda one: of.fixtures[of.markets[one.market_hash].fixture_id].game_time_s
        if sort_by not in _SORTS:
            raise bad_request(f"sortBy must be one of {', '.join(sorted((_BET_TIME, _GAME_TIME, *_SORTS)))}")
        return _SORTS[sort_by]

    async def get_refunds(self, request: Request) -> Response:
        """`GET /trades/portfolio/refunds`: there are none without the capital-efficiency feature"""
        query = request.query
        if not query.text("bettor"):
            raise bad_request("bettor is required")
        query.boolean("maker")
        query.boolean("sortAsc")
        _slice(query, REFUNDS_PER_PAGE_MAX)
        return Response(encode.success({"results": [], "count": 0}))

    # ---- filters --------------------------------------------------------------------------------------------------

    def _wanted(self, query: Query) -> Wanted:
        bettor, hashes, event = query.text("bettor"), query.texts("marketHashes"), _event(query)
        start_s, end_s = query.integer("startDate"), query.integer("endDate")
        if not (bettor or hashes or event) and start_s is None:
            raise bad_request("one of bettor, marketHashes, sportXeventId, startDate is required")
        if hashes and len(hashes) > MARKET_HASHES_MAX:
            raise bad_request(f"marketHashes must contain at most {MARKET_HASHES_MAX} elements")
        affiliate, token = query.text("affiliate"), query.text("baseToken")
        states = _states(query)
        if affiliate and affiliate != NO_AFFILIATE:
            states = frozenset()
        return Wanted(
            bettor=self._address(bettor),
            markets=self._markets(hashes, event),
            token=self._address(token),
            states=states,
            is_maker=query.boolean("maker"),
            from_ms=None if start_s is None else _millis(start_s),
            before_ms=None if end_s is None else _millis(end_s + 1),
        )

    def _consolidated(self, query: Query) -> Wanted:
        return Wanted(
            bettor=self._address(query.text("bettor")),
            markets=self._markets(None, _event(query)),
            states=_states(query),
            is_maker=query.boolean("maker"),
        )

    def _markets(self, hashes: list[str] | None, event: str | None) -> frozenset[MarketHash] | None:
        if not hashes and not event:
            return None
        named = {MarketHash(found) for one in hashes or () if (found := parse_hash(one)) is not None}
        if event:
            of_event = {market.market_hash for market in self._views.catalogue.markets_of(event)}
            named = named & of_event if hashes else of_event
        if len(named) > EVENT_MARKETS_MAX:
            raise bad_request(f"the event has more than {EVENT_MARKETS_MAX} markets: name some in marketHashes")
        return frozenset(named)

    def _address(self, text: str | None) -> Address | None:
        """Whom a filter names; nobody is somebody who has no trades."""
        return (address_filter(text, is_lenient=self._config.lenient_addresses) or _NOBODY) if text else None

    # ---- answers --------------------------------------------------------------------------------------------------

    def _labels(self) -> Labels:
        assert self._views.rules is not None
        return Labels(self._views.rules, self._views.catalogue)

    async def _answer(self, question: Callable[[Reading], bytes]) -> Response:
        """Once the history shows what the views show: who was answered finds his own trade. Raises HistoryBehind."""
        return Response(await self._venue.history.read(self._views.seq, question))


_NOBODY: Final = Address(b"")  # equal to no address


def _millis(seconds: int) -> int:
    return min(max(seconds, 0), SECONDS_MAX) * 1000


def _event(query: Query) -> str | None:
    return query.text("sportXeventId", "sportXEventId", "eventId")


def _states(query: Query) -> frozenset[TradeState]:
    states = frozenset(TradeState)
    status, settled = query.text("tradeStatus"), query.boolean("settled")
    if status is not None:
        if status not in _STATES:
            raise bad_request("tradeStatus must be PENDING, SUCCESS or FAILED")
        states = _STATES[status]
    if settled is not None:
        states = states & _SETTLED if settled else states - _SETTLED
    return states


def _slice(query: Query, per_page_max: int) -> tuple[int, int]:
    page, per_page = query.integer("page") or 0, query.integer("perPage")
    per_page = min(PAGE_DEFAULT, per_page_max) if per_page is None else per_page
    if page < 0:
        raise bad_request("page must not be negative")
    if not 1 <= per_page <= per_page_max:
        raise bad_request(f"perPage must be between 1 and {per_page_max}")
    return page * per_page, per_page
