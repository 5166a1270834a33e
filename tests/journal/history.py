"""A small true history: records that an engine decided, so that journals of them can be recovered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Final

from overround.engine.commands import (
    CancelAll,
    CancelOrders,
    ConfigureVenue,
    CreateFixture,
    CreateMarket,
    IssueApiKey,
    NewOrder,
    PlaceOrders,
    SetBalance,
    VenueCommand,
)
from overround.engine.engine import Engine
from overround.engine.record import Record
from overround.engine.rejections import Rejection
from overround.engine.rules import Rules, Token
from overround.engine.types import Address, FixtureId, MarketHash, OrderHash
from overround.protocols.sx.units import hash_text

START_MS: Final = 1_790_000_000_000
FAR_S: Final = 4_000_000_000  # later than any clock that a test runs on
TOKEN: Final = Address(b"T" * 20)
MARKET: Final = MarketHash(b"M" * 32)
MAKERS: Final = tuple(Address(bytes([65 + number]) * 20) for number in range(3))
RULES: Final = Rules(
    chain_id=4162,
    executor=Address(b"X" * 20),
    tokens=(Token(symbol="USDC", address=TOKEN, decimals=6, maker_minimum=1, taker_minimum=1),),
    odds_ladder_step=0,
    cancel_timestamp_past_max_s=600,
    cancel_timestamp_future_max_s=60,
)


def world() -> list[VenueCommand]:
    """What an operator does first."""
    return [
        ConfigureVenue(rules=RULES),
        CreateFixture(
            fixture_id=FixtureId("F1"),
            sport_id=5,
            league_label="League",
            team_one_name="One",
            team_two_name="Two",
            game_time_s=FAR_S,
        ),
        CreateMarket(
            market_hash=MARKET, fixture_id=FixtureId("F1"), type=52, outcome_one_name="One", outcome_two_name="Two"
        ),
        *(SetBalance(account=maker, token=TOKEN, amount=10**30) for maker in MAKERS),
        IssueApiKey(account=MAKERS[0], key_digest=b"K" * 32),
    ]


def order(number: int, *, maker: Address = MAKERS[0], api_expiry: int = START_MS // 1000 + 3600) -> NewOrder:
    """An order of its own hash."""
    return NewOrder(
        order_hash=OrderHash(hashlib.sha256(b"order %d" % number).digest()),
        market_hash=MARKET,
        maker=maker,
        base_token=TOKEN,
        total_bet_size=10**7 + number,
        percentage_odds=50 * 10**18,
        salt=b"d" + number.to_bytes(8, "big"),
        is_maker_betting_outcome_one=number % 2 == 0,
        signature=b"S" * 65,
        api_expiry=api_expiry,
    )


def commands() -> Iterator[VenueCommand]:
    """The world, then a few orders and a cancel, again and again."""
    yield from world()
    for number, maker in enumerate(cycle(MAKERS), start=1):
        digest = hashlib.sha256(b"cancel %d" % number).digest()
        if number % 7 == 0:
            yield CancelAll(maker=maker, digest=digest, timestamp_s=START_MS // 1000)
        elif number % 5 == 0:
            names = (hash_text(order(number - 3).order_hash), "0xabc...")
            yield CancelOrders(maker=maker, digest=digest, timestamp_s=START_MS // 1000, order_hashes=names)
        else:
            yield PlaceOrders(orders=(order(number, maker=maker),))


def records(length: int) -> list[Record]:
    """The first records of the history."""
    engine = Engine()
    found = []
    for seq, command in enumerate(islice(commands(), length), start=1):
        events = engine.execute(command, START_MS + seq)
        assert not isinstance(events, Rejection)
        found.append(Record(seq, START_MS + seq, 1, f"id-{seq}", command, events))
    return found
