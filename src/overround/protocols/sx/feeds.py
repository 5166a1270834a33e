"""What a record says on the SX channels (`spec/sx.md` 6.5, 6.6, 7.2).

A publication is what one command did to one channel: an array of updates, split in order where it is long, always
the same way, so that offsets can be counted again from the journal (design rules 5 and 6). Distinct transitions are
never merged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from overround.engine.commands import UpdateFixture
from overround.engine.events import (
    FixtureChanged,
    FixtureCreated,
    LiveScoreSet,
    MainLineChanged,
    MarketChanged,
    MarketCreated,
)
from overround.engine.order import OrderState
from overround.engine.record import Record
from overround.protocols import strict_json
from overround.protocols.sx import encode, wire
from overround.protocols.sx.profile import EXPIRY
from overround.protocols.sx.units import hash_text, unpack_salt
from overround.signing.address import checksum_address
from overround.views.catalogue import Catalogue
from overround.views.changes import BestOddsChange, OrderChange

UPDATES_MAX: Final = 100  # updates in one publication (6.10)
UPDATES_BYTES_MAX: Final = 192 * 1024  # and their size: hubs and clients take 256 KiB and more

BEST_ODDS: Final = "best_odds:global"
MARKETS: Final = "markets:global"
MAIN_LINE: Final = "main_line:global"
FIXTURES: Final = "fixtures:global"
LIVE_SCORES: Final = "fixtures:live_scores"

_STATUS: Final = {OrderState.OPEN: "ACTIVE", OrderState.FILLED: "FILLED"}  # everything else is INACTIVE (7.1)


class Publication(NamedTuple):
    """JSON for one channel."""

    channel: str
    data: bytes


def maker_channel(maker: bytes) -> str:
    """Every change of one maker's orders."""
    return f"active_orders:{checksum_address(maker)}"


def market_channel(market_hash: bytes) -> str:
    """Every change of one market's orders."""
    return f"order_book:market_{hash_text(market_hash)}"


def event_channel(fixture_id: str) -> str:
    """Every change of the orders of all markets of one event."""
    return f"order_book:event_{fixture_id}"


def publications(
    record: Record, orders: list[OrderChange], prices: list[BestOddsChange], catalogue: Catalogue
) -> Iterator[Publication]:
    """Everything that a record publishes, in a fixed order. `catalogue` must already show the record."""
    if orders:
        yield from _order_publications(orders, catalogue)
    yield from _arrays(BEST_ODDS, [strict_json.encode(_best_odds(one, catalogue)) for one in prices])
    yield from _world_publications(record, catalogue)


def _order_publications(orders: list[OrderChange], catalogue: Catalogue) -> Iterator[Publication]:
    channels: dict[str, list[bytes]] = {}
    for change in orders:
        terms = change.terms
        fixture_id = catalogue.markets[terms.market_hash].fixture_id
        update = strict_json.encode(order_update(change, fixture_id))
        for channel in (
            maker_channel(terms.maker),
            market_channel(terms.market_hash),
            event_channel(fixture_id),
        ):
            channels.setdefault(channel, []).append(update)
    for channel, updates in channels.items():
        yield from _arrays(channel, updates)


def _arrays(channel: str, elements: list[bytes]) -> Iterator[Publication]:
    """All of the elements, in order, in as many publications as their bounds ask for."""
    start = size = 0
    for end, element in enumerate(elements):
        if end - start == UPDATES_MAX or (end > start and size + len(element) > UPDATES_BYTES_MAX):
            yield Publication(channel, b"[%b]" % b",".join(elements[start:end]))
            start, size = end, 0
        size += len(element) + 1
    if elements:
        yield Publication(channel, b"[%b]" % b",".join(elements[start:]))


def order_update(change: OrderChange, fixture_id: str) -> wire.OrderUpdate:
    """One element of an order channel (6.6.1)."""
    terms = change.terms
    return wire.OrderUpdate(
        orderHash=hash_text(terms.order_hash),
        marketHash=hash_text(terms.market_hash),
        status=_STATUS.get(change.state, "INACTIVE"),
        fillAmount=str(change.fill_amount),
        pendingFillAmount=str(change.pending_fill_amount),
        maker=checksum_address(terms.maker),
        totalBetSize=str(terms.total_bet_size),
        percentageOdds=str(terms.percentage_odds),
        expiry=EXPIRY,
        apiExpiry=terms.api_expiry,
        salt=unpack_salt(terms.salt),
        isMakerBettingOutcomeOne=terms.is_maker_betting_outcome_one,
        signature=hash_text(terms.signature),
        updateTime=str(change.update_time_ms),
        sportXeventId=fixture_id,
        baseToken=checksum_address(terms.base_token),
    )


def _best_odds(change: BestOddsChange, catalogue: Catalogue) -> wire.BestOddsUpdate:
    side = change.side
    fixture = catalogue.fixtures[catalogue.markets[side.market_hash].fixture_id]
    return wire.BestOddsUpdate(
        baseToken=checksum_address(side.base_token),
        marketHash=hash_text(side.market_hash),
        isMakerBettingOutcomeOne=side.is_maker_betting_outcome_one,
        percentageOdds=None if change.percentage_odds is None else str(change.percentage_odds),
        updatedAt=change.updated_at_ms,
        sportId=fixture.sport_id,
        leagueId=fixture.league_id,
    )


def _world_publications(record: Record, catalogue: Catalogue) -> Iterator[Publication]:
    markets = [event.market for event in record.events if isinstance(event, MarketCreated | MarketChanged)]
    if isinstance(record.command, UpdateFixture):  # its markets show the start and whether bets go on in play
        markets += catalogue.markets_of(record.command.fixture_id)
    of, scores = catalogue.fixtures, catalogue.live_scores
    yield from _arrays(
        MARKETS,
        [strict_json.encode(encode.market(one, of[one.fixture_id], scores.get(one.fixture_id))) for one in markets],
    )
    for event in record.events:
        if isinstance(event, MainLineChanged):
            line = {
                "marketHash": hash_text(event.market_hash),
                "marketType": event.type,
                "sportXEventId": event.fixture_id,
            }
            yield Publication(MAIN_LINE, strict_json.encode(line))
        elif isinstance(event, FixtureCreated | FixtureChanged):
            yield Publication(FIXTURES, strict_json.encode(encode.fixture(event.fixture)))
        elif isinstance(event, LiveScoreSet):
            score = encode.live_score(event.score, of[event.score.fixture_id])
            yield Publication(LIVE_SCORES, strict_json.encode(score))
