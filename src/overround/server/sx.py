"""The SX routes: bytes to `protocols.sx`, commands to the venue, views to bytes (`spec/sx.md` 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import attrgetter
from typing import Any, Final

from overround.config import SxConfig
from overround.engine.commands import PlaceOrders
from overround.engine.record import Record
from overround.engine.rejections import Rejection
from overround.engine.rules import Rules
from overround.engine.types import Address, FixtureId
from overround.protocols import strict_json
from overround.protocols.query import Query
from overround.protocols.sx import decode, encode, feeds, wire
from overround.protocols.sx.decode import SignedCancel, SignedOrder
from overround.protocols.sx.errors import CANCEL_CODES, PLACE_CODES, WireError, bad_request
from overround.protocols.sx.profile import Profile
from overround.protocols.sx.reference import SPORTS
from overround.protocols.sx.units import address_filter, hash_text, parse_hash
from overround.runtime.sequencer import Decision, InboxFull
from overround.runtime.venue import Venue
from overround.server.auth import require_key
from overround.server.eager import Wait
from overround.server.http import Headers, Request, Response
from overround.server.lanes import Sender, Standing
from overround.server.limits import Limits
from overround.server.tokens import ConnectionTokens
from overround.server.verifier import Verifier
from overround.signing.address import checksum_address
from overround.views.best_odds import SideKey
from overround.views.orders import OrderRow

INLINE_BODY_BYTES_MAX: Final = 6 * 1024  # about 8 orders; more are verified in a thread (spec/decisions.md C4)
BATCHES_WAITING_MAX: Final = 32  # larger requests that wait for this thread
ROWS_PER_SLICE: Final = 250  # rows encoded before other requests get a turn (C3)
MARKET_HASHES_MAX: Final = 1_000
ORDER_HASHES_MAX: Final = 1_000
PER_PAGE_MAX: Final = 1_000
FIND_HASHES_MAX: Final = 30
MARKETS_PAGE_DEFAULT: Final = 50
MARKETS_PAGE_MAX: Final = 100
POPULAR_MAX: Final = 10
LIVE_SCORES_MAX: Final = 50

_ACTIVE_STATUSES: Final = frozenset({1, 2, 6, 7, 8, 9})  # what `GET /fixture/active` lists (5.4)

_SORT_KEYS: Final[dict[str, Callable[[OrderRow], Any]]] = {
    "created_at": attrgetter("number"),
    "updated_at": attrgetter("update_time_ms", "number"),
    "fill_amount": attrgetter("fill_amount", "number"),
    "total_bet_size": attrgetter("terms.total_bet_size", "number"),
    "percentage_odds": attrgetter("terms.percentage_odds", "number"),
    "api_expiry": attrgetter("terms.api_expiry", "number"),
}


class SxRoutes:
    """Handlers of one venue."""

    def __init__(
        self,
        venue: Venue,
        profile: Profile,
        config: SxConfig,
        tokens: ConnectionTokens,
        limits: Limits,
        verifier: Verifier,
    ) -> None:
        self._venue = venue
        self._views = venue.views
        self._profile = profile
        self._config = config
        self._tokens = tokens
        self._limits = limits
        self._verifier = verifier
        self._batch_thread = ThreadPoolExecutor(1, "verifier")
        self._batches_waiting = 0

    @property
    def _rules(self) -> Rules:
        rules = self._views.rules
        assert rules is not None, "the first command of every journal sets the rules"
        return rules

    # ---- orders ---------------------------------------------------------------------------------------------------

    async def place_orders(self, request: Request) -> Response:
        """`POST /orders/new`"""
        orders = await self._verified_orders(request.body)
        command = PlaceOrders(orders=tuple(order.terms for order in orders))
        record = await self._venue.submit(command, request.request_id)
        if isinstance(record, Rejection):
            raise WireError(PLACE_CODES[record], status=403)
        return _success(encode.placed(record))

    async def cancel_orders(self, request: Request) -> Response:
        """`POST /orders/cancel/v2`"""
        return await self._cancel(decode.cancel_orders(request.body, self._rules.chain_id), request)

    async def cancel_event(self, request: Request) -> Response:
        """`POST /orders/cancel/event`"""
        return await self._cancel(decode.cancel_event(request.body, self._rules.chain_id), request)

    async def cancel_all(self, request: Request) -> Response:
        """`POST /orders/cancel/all`"""
        return await self._cancel(decode.cancel_all(request.body, self._rules.chain_id), request)

    async def _cancel(self, cancel: SignedCancel, request: Request) -> Response:
        """Window and replay first, for they are cheap; the engine looks again, with authority (C5)."""
        command = cancel.command
        if not self._rules.accepts_cancel_time(command.timestamp_s, self._venue.clock.now_ms()):
            raise WireError(CANCEL_CODES[Rejection.TIMESTAMP_OUTSIDE_WINDOW], detail=self._clock_hint(command))
        if command.replay_key in self._views.requests:
            raise WireError(CANCEL_CODES[Rejection.ALREADY_PROCESSED])
        if not await self._is_signed(cancel, request.sender):
            raise decode.cancel_mismatch(cancel)
        self._limits.signed(request, command.maker)
        decision: Wait[Decision] = Wait()
        self._venue.submit_for(command, request.request_id, decision.resume)
        outcome = await decision
        if isinstance(outcome, Rejection):
            raise WireError(CANCEL_CODES[outcome])
        assert isinstance(outcome, Record)
        return _success(encode.cancelled(outcome))

    async def _is_signed(self, cancel: SignedCancel, sender: Sender) -> bool:
        """Whether the maker signed it. Who is not trusted yet has waited for his turn: it is found out on the spot."""
        if sender.standing is not Standing.PROVEN or cancel.signature.raw is None:
            return cancel.recovers_maker()
        return await self._verifier.recovered(cancel.command.digest, cancel.signature.raw) == cancel.command.maker

    def _clock_hint(self, command: Any) -> str:
        now_s = self._venue.clock.now_ms() // 1000
        return f"the timestamp {command.timestamp_s} is {command.timestamp_s - now_s} s off the venue's clock ({now_s})"

    async def _verified_orders(self, body: bytes) -> list[SignedOrder]:
        """Read and verify them, many of them in a thread; in one, for all that these do the loop has to wait for.

        Raises WireError, InboxFull.
        """
        verify = partial(_verified_orders, body, self._rules, self._venue.clock.now_ms())
        if len(body) <= INLINE_BODY_BYTES_MAX:
            return verify()
        if self._batches_waiting >= BATCHES_WAITING_MAX:
            raise InboxFull
        self._batches_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._batch_thread, verify)
        finally:
            self._batches_waiting -= 1

    async def get_orders(self, request: Request) -> Response:
        """`GET /orders`"""
        query = request.query
        rows = list(self._filtered(query))
        position = self._position(query)
        sort_by = query.text("sortBy") or "created_at"
        key = _SORT_KEYS.get(sort_by)
        if key is None:
            raise bad_request(f"sortBy must be one of {', '.join(sorted(_SORT_KEYS))}")
        ascending = query.boolean("sortAsc")
        rows.sort(key=key, reverse=ascending is False)
        page, per_page = query.integer("page"), query.integer("perPage")
        if page is not None or per_page is not None:
            rows = _page(rows, page or 0, PER_PAGE_MAX if per_page is None else per_page)
        elif len(rows) > self._config.orders_rows_max:
            raise bad_request(
                f"{len(rows)} orders match, more than {self._config.orders_rows_max}: use page and perPage"
            )
        return Response(await self._encode_rows(rows), headers=position)

    def _filtered(self, query: Query) -> Iterator[OrderRow]:
        """The rows that every given filter matches."""
        market_hashes = query.texts("marketHashes")
        maker = query.text("maker")
        event = query.text("sportXeventId", "sportXEventId")
        order_hashes = query.texts("orderHashes")
        token = query.text("baseToken")
        if not (market_hashes or maker or event or order_hashes):
            raise bad_request("one of marketHashes, maker, sportXeventId, orderHashes is required")
        if market_hashes and event:
            raise WireError("BOTH_SPORTXEVENTID_MARKETHASHES_PRESENT")
        _check_market_count(market_hashes)
        if order_hashes and len(order_hashes) > ORDER_HASHES_MAX:
            raise bad_request(f"orderHashes must contain at most {ORDER_HASHES_MAX} elements")
        wanted_maker = self._address(maker)
        wanted_token = self._address(token)
        if (maker and wanted_maker is None) or (token and wanted_token is None):
            return
        markets = self._wanted_markets(market_hashes, event)
        hashes = {parse_hash(one) for one in order_hashes} if order_hashes else None
        for row in self._candidates(hashes, wanted_maker, markets):
            terms = row.terms
            if (
                (wanted_maker is None or terms.maker == wanted_maker)
                and (markets is None or terms.market_hash in markets)
                and (wanted_token is None or terms.base_token == wanted_token)
            ):
                yield row

    def _position(self, query: Query) -> Headers:
        """Where the matching channel stands, for a list that is the whole state of one: subscribe from there."""
        filters = ("marketHashes", "maker", "sportXeventId", "sportXEventId", "orderHashes", "baseToken")
        given = [name for name in (*filters, "page", "perPage") if query.texts(name)]
        if self._venue.feed is None or len(given) != 1:
            return []
        values = query.texts(given[0]) or []
        channel = self._channel(given[0], values[0]) if len(values) == 1 else None
        position = self._venue.feed.publisher.position(channel) if channel else None
        if channel is None or position is None:
            return []
        return [(b"x-overround-position", f"{channel} {position.epoch} {position.offset}".encode())]

    def _channel(self, filter_name: str, value: str) -> str | None:
        """The channel that carries what a filter selects."""
        if filter_name == "maker":
            maker = self._address(value)
            return None if maker is None else feeds.maker_channel(maker)
        if filter_name == "marketHashes":
            market_hash = parse_hash(value)
            return feeds.market_channel(market_hash) if market_hash in self._views.catalogue.markets else None
        if filter_name in ("sportXeventId", "sportXEventId"):
            return feeds.event_channel(value) if value in self._views.catalogue.fixtures else None
        return None

    def _candidates(
        self, hashes: set[bytes | None] | None, maker: Address | None, markets: dict[bytes, None] | None
    ) -> Iterator[OrderRow]:
        """Rows of the narrowest index that a filter names."""
        orders = self._views.orders
        if hashes is not None:
            by_hash: dict[Any, OrderRow] = orders.by_hash
            return (row for one in hashes if (row := by_hash.get(one)) is not None)
        if maker is not None:
            return orders.of_maker(maker)
        assert markets is not None
        return (row for one in markets for row in orders.of_market(one))  # type: ignore[arg-type]

    def _wanted_markets(self, hashes: list[str] | None, event: str | None) -> dict[bytes, None] | None:
        if event:
            return {market.market_hash: None for market in self._views.catalogue.markets_of(event)}
        if hashes:
            return {parsed: None for one in hashes if (parsed := parse_hash(one)) is not None}
        return None

    def _address(self, text: str | None) -> Address | None:
        return address_filter(text, is_lenient=self._config.lenient_addresses) if text else None

    async def _encode_rows(self, rows: list[OrderRow]) -> bytes:
        """Encode in slices, so that a long list keeps nobody waiting; rows never change, so it is one snapshot."""
        executor = checksum_address(self._rules.executor)
        markets = self._views.catalogue.markets
        parts = []
        for start in range(0, len(rows), ROWS_PER_SLICE):
            if start:
                await asyncio.sleep(0)
            parts += [
                strict_json.encode(encode.order_row(row, markets[row.terms.market_hash].fixture_id, executor))
                for row in rows[start : start + ROWS_PER_SLICE]
            ]
        return b'{"status":"success","data":[' + b",".join(parts) + b"]}"

    async def get_best_odds(self, request: Request) -> Response:
        """`GET /orders/odds/best`"""
        query = request.query
        token = query.text("baseToken")
        hashes, leagues = query.texts("marketHashes"), query.integers("leagueIds")
        if not token:
            raise bad_request("baseToken is required")
        if bool(hashes) == bool(leagues):
            raise bad_request("exactly one of marketHashes, leagueIds is required")
        _check_market_count(hashes)
        wanted_token = self._address(token)
        rows = [] if wanted_token is None else list(self._best_odds(wanted_token, hashes, leagues))
        return _success({"bestOdds": rows})

    def _best_odds(
        self, token: Address, hashes: list[str] | None, leagues: list[int] | None
    ) -> Iterator[wire.BestOddsRow]:
        catalogue = self._views.catalogue
        wanted: Iterable[Any]
        if hashes:
            wanted = dict.fromkeys(map(parse_hash, hashes))
        else:
            ids = set(leagues or ())
            wanted = [
                market.market_hash
                for market in catalogue.markets.values()
                if catalogue.fixtures[market.fixture_id].league_id in ids
            ]
        for market_hash in wanted:
            one, two = (
                encode.best_odds_side(self._views.best_odds.get(SideKey(market_hash, token, is_one)))
                for is_one in (True, False)
            )
            if one.percentageOdds is not None or two.percentageOdds is not None:
                yield wire.BestOddsRow(hash_text(market_hash), checksum_address(token), one, two)

    # ---- reference data -------------------------------------------------------------------------------------------

    async def get_metadata(self, request: Request) -> Response:
        """`GET /metadata`"""
        del request
        return _success(encode.metadata(self._profile, self._rules, total_volume=self._views.volumes.total))

    async def get_sports(self, request: Request) -> Response:
        """`GET /sports`"""
        del request
        return _success([{"sportId": sport_id, "label": label} for sport_id, label in SPORTS.items()])

    async def get_leagues(self, request: Request) -> Response:
        """`GET /leagues`"""
        sport_id = request.query.integer("sportId")
        events = self._events_by_type()
        return _success(
            [
                wire.League(one.league_id, one.label, one.sport_id, one.league_id in events)
                for one in self._views.catalogue.leagues.values()
                if sport_id in (None, one.sport_id)
            ]
        )

    async def get_active_leagues(self, request: Request) -> Response:
        """`GET /leagues/active`"""
        sport_id = request.query.integer("sportId")
        events = self._events_by_type()
        return _success(
            [
                wire.ActiveLeague(
                    one.league_id, one.label, one.sport_id, active=True, eventsByType=events[one.league_id]
                )
                for one in self._views.catalogue.leagues.values()
                if one.league_id in events and sport_id in (None, one.sport_id)
            ]
        )

    def _events_by_type(self) -> dict[int, dict[str, int]]:
        """League -> bet group -> number of distinct events with active markets."""
        catalogue = self._views.catalogue
        seen: dict[int, dict[str, set[str]]] = {}
        for market in catalogue.markets.values():
            if market.active:
                league_id = catalogue.fixtures[market.fixture_id].league_id
                groups = seen.setdefault(league_id, {})
                groups.setdefault(encode.bet_group(market.type), set()).add(market.fixture_id)
        return {league: {name: len(ids) for name, ids in groups.items()} for league, groups in seen.items()}

    async def get_teams_of_league(self, request: Request) -> Response:
        """`GET /leagues/teams/{leagueId}`"""
        text = request.path_params["leagueId"]
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise bad_request("leagueId must be an integer")
        return self._teams(int(text))

    async def get_teams(self, request: Request) -> Response:
        """`GET /teams`"""
        league_id = request.query.integer("leagueId")
        if league_id is None:
            raise bad_request("leagueId is required")
        return self._teams(league_id)

    def _teams(self, league_id: int) -> Response:
        teams = self._views.catalogue.teams.values()
        rows = [{"id": team.team_id, "name": team.name} for team in teams if team.league_id == league_id]
        return _success({"teams": rows})

    async def get_active_fixtures(self, request: Request) -> Response:
        """`GET /fixture/active`"""
        league_id = request.query.integer("leagueId")
        if league_id is None:
            raise bad_request("leagueId is required")
        return _success(
            [
                encode.fixture(one)
                for one in self._views.catalogue.fixtures.values()
                if one.league_id == league_id and one.status.value in _ACTIVE_STATUSES
            ]
        )

    async def get_fixture_statuses(self, request: Request) -> Response:
        """`GET /fixture/status`"""
        events = request.query.texts("sportXEventIds", "sportXeventIds")
        if not events:
            raise bad_request("sportXEventIds is required")
        fixtures: dict[Any, Any] = self._views.catalogue.fixtures
        return _success({one: fixtures[one].status.value for one in events if one in fixtures})

    async def get_live_scores(self, request: Request) -> Response:
        """`GET /live-scores`: of those events that have one."""
        events = request.query.texts("sportXEventIds", "sportXeventIds")
        if not events:
            raise bad_request("sportXEventIds is required")
        if len(events) > LIVE_SCORES_MAX:
            raise bad_request(f"sportXEventIds must contain at most {LIVE_SCORES_MAX} elements")
        catalogue = self._views.catalogue
        scores: dict[Any, Any] = catalogue.live_scores
        return _success(
            [
                encode.live_score_row(scores[one], catalogue.fixtures[FixtureId(one)])
                for one in dict.fromkeys(events)
                if one in scores
            ]
        )

    async def get_active_markets(self, request: Request) -> Response:
        """`GET /markets/active`"""
        query = request.query
        size = query.integer("pageSize")
        if size is not None and size < 1:
            raise bad_request("pageSize must be at least 1")
        size = min(size or MARKETS_PAGE_DEFAULT, MARKETS_PAGE_MAX)
        found = self._after(list(self._active_markets(query)), query.text("paginationKey"))
        page = found[:size]
        data: dict[str, Any] = {"markets": [self._market(one) for one in page]}
        if len(found) > size:
            data["nextKey"] = hash_text(page[-1].market_hash)
        return _success(data)

    def _active_markets(self, query: Query) -> Iterator[Any]:
        event = query.text("eventId", "sportXeventId", "sportXEventId")
        league_id = query.integer("leagueId")
        sport_ids = query.integers("sportIds", "sportId")
        types, group = query.integers("type"), query.text("betGroup")
        only_main_line, live_only = query.boolean("onlyMainLine"), query.boolean("liveOnly")
        if types and group:
            raise bad_request("type and betGroup are mutually exclusive")
        now_ms = self._venue.clock.now_ms()
        catalogue = self._views.catalogue
        for market in catalogue.markets_of(event) if event else catalogue.markets.values():
            fixture = catalogue.fixtures[market.fixture_id]
            if (
                market.active
                and league_id in (None, fixture.league_id)
                and (not sport_ids or fixture.sport_id in sport_ids)
                and (not types or market.type in types)
                and (not group or encode.bet_group(market.type) == group)
                and (not only_main_line or market.main_line or not market.has_line)
                and (not live_only or fixture.is_in_play(now_ms))
            ):
                yield market

    def _after(self, markets: list[Any], key: str | None) -> list[Any]:
        """What follows the row that ended the page before, in the order of creation, wherever that row is now."""
        if key is None:
            return markets
        order = list(self._views.catalogue.markets)
        last = parse_hash(key)
        if last is None or last not in self._views.catalogue.markets:
            raise bad_request("paginationKey is unknown")
        place = {market_hash: number for number, market_hash in enumerate(order)}
        return [one for one in markets if place[one.market_hash] > place[last]]  # type: ignore[index]

    async def find_markets(self, request: Request) -> Response:
        """`GET /markets/find`"""
        texts = request.query.texts("marketHashes") or []
        hashes = [parse_hash(one) for one in texts]
        if not 1 <= len(hashes) <= FIND_HASHES_MAX or None in hashes:
            raise WireError("BAD_MARKET_HASHES")
        markets: dict[Any, Any] = self._views.catalogue.markets
        return _success([self._market(markets[one]) for one in dict.fromkeys(hashes) if one in markets])

    async def get_popular_markets(self, request: Request) -> Response:
        """`GET /markets/popular`: by matched volume, then by start."""
        del request
        catalogue = self._views.catalogue
        active = [market for market in catalogue.markets.values() if market.active]
        volumes, decimals = self._views.volumes.of_market, {one.address: one.decimals for one in self._rules.tokens}

        def place(market: Any) -> tuple[int, int]:
            matched = encode.nominal(volumes.get(market.market_hash, {}), decimals)
            return -matched, catalogue.fixtures[market.fixture_id].game_time_s

        active.sort(key=place)
        return _success([self._market(one) for one in active[:POPULAR_MAX]])

    def _market(self, market: Any) -> wire.Market:
        catalogue = self._views.catalogue
        return encode.market(
            market, catalogue.fixtures[market.fixture_id], catalogue.live_scores.get(market.fixture_id)
        )

    # ---- user -----------------------------------------------------------------------------------------------------

    async def get_realtime_token(self, request: Request) -> Response:
        """`GET /user/realtime-token/api-key`: the token stands at top level (5.15)."""
        account = require_key(request, self._views.accounts)
        token = self._tokens.issue(account)
        return Response(strict_json.encode({"token": token}))


def _verified_orders(body: bytes, rules: Rules, now_ms: int) -> list[SignedOrder]:
    orders = decode.place_orders(body, rules, now_ms)
    forged = decode.first_forged(orders)
    if forged is not None:
        raise decode.order_mismatch(forged)
    return orders


def _success(data: Any) -> Response:
    return Response(encode.success(data))


def _page(rows: list[OrderRow], page: int, per_page: int) -> list[OrderRow]:
    if page < 0:
        raise bad_request("page must not be negative")
    if not 1 <= per_page <= PER_PAGE_MAX:
        raise bad_request(f"perPage must be between 1 and {PER_PAGE_MAX}")
    return rows[page * per_page : (page + 1) * per_page]


def _check_market_count(market_hashes: list[str] | None) -> None:
    if market_hashes and len(market_hashes) > MARKET_HASHES_MAX:
        raise WireError("RATE_LIMIT_ORDER_REQUEST_MARKET_COUNT")
