"""Random commands, small in variety on purpose: names collide, balances run out, deadlines meet.

Every choice comes from the `random.Random` that is handed in, so that a seed tells all. Commands are what a protocol
would let through; everything else is left to chance.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from random import Random
from typing import Final, TypeVar

import msgspec

from overround.engine.commands import (
    AdjustClock,
    AnyCommand,
    CancelAll,
    CancelFixture,
    CancelOrders,
    ConfigureVenue,
    CreateFixture,
    CreateMarket,
    IssueApiKey,
    NewOrder,
    PlaceOrders,
    SetBalance,
    SetFixtureStatus,
    SetMarketStatus,
    UpdateFixture,
)
from overround.engine.rules import Rules, Token
from overround.engine.types import Address, FixtureId, FixtureStatus, MarketHash, OrderHash

Kind = Callable[[Random, int], AnyCommand]
_C = TypeVar("_C", CancelOrders, CancelFixture, CancelAll)

START_MS: Final = 1_790_000_000_000


def _bytes(size: int, *parts: object) -> bytes:
    return sha256(repr(parts).encode()).digest()[:size]


MAKERS: Final = tuple(Address(_bytes(20, "maker", number)) for number in range(4))
TOKENS: Final = tuple(
    Token(symbol, Address(_bytes(20, "token", symbol)), decimals, 10, 1)
    for symbol, decimals in (("USDC", 6), ("WSX", 18))
)
FIXTURES: Final = tuple(FixtureId(f"F{number}") for number in range(3))
MARKETS: Final = tuple(MarketHash(_bytes(32, "market", number)) for number in range(5))
STEPS_MS: Final = (*(0, 0, 0, 1, 250, 999, 1_000, 1_001, 2_000) * 3, 5_000, 5_000, 30_000, 599_999, 600_000)

_SIZES: Final = (1, 5, 10, 10, 20, 40, 50, 50, 60, 100, 101, 2**200)
_ODDS: Final = (1, 25 * 10**18, 50 * 10**18, 50 * 10**18 + 1, 10**20 - 1)
_LIFETIMES_S: Final = (1, 2, 5, 30, 31, 600, 601, 3_600, 3_600, 7_200)
_AGES_S: Final = (0, 0, 0, 0, 0, 1, 30, 30, 599, 600, 601, 3_600, -59, -60, -61)
_WINDOWS_S: Final = ((600, 60), (600, 60), (30, 0), (0, 0), (3_600, 60))
_STARTS_IN_S: Final = (-3_600, 0, 1, 5, 30, 600, 3_600, 3_600, 86_400)
_NO_HASHES: Final = ("0xabc...", "", "0x", "g" * 66, "0x" + "  " * 32, "0x" + "٣" * 64)


class Traffic:
    """Asks the venue for one thing after the other, and remembers what it asked for."""

    def __init__(self) -> None:
        self.posted: list[NewOrder] = []
        self.cancels: list[CancelOrders | CancelFixture | CancelAll] = []
        self._tokens = list(TOKENS)  # those that the venue supports
        self._starts_s: list[int] = []  # of matches; some orders expire in the very second in which one begins
        self._keys = 0
        self.trading: Final[tuple[Kind, ...]] = (
            *(self.place,) * 8,
            *(self.cancel_orders,) * 3,
            self.cancel_fixture,
            self.cancel_all,
            self.repeat_cancel,
            self.set_balance,
        )
        self.operating: Final[tuple[Kind, ...]] = (
            self.create_fixture,
            self.update_fixture,
            self.set_fixture_status,
            *(self.create_market,) * 2,
            self.set_market_status,
            *(self.set_balance,) * 2,
            self.issue_api_key,
            self.adjust_clock,
            self.configure,
        )

    def opening(self) -> list[AnyCommand]:
        """A world in which something can be traded: both tokens, three fixtures, five markets, money."""
        start_s = START_MS // 1000
        fixtures = [
            CreateFixture(
                fixture_id=fixture_id,
                sport_id=5,
                league_label="Premier",
                team_one_name="Home",
                team_two_name="Away",
                game_time_s=start_s + (600, 3_600, 86_400)[number],
                live_enabled=number != 0,
                status_feed=number == 2,
            )
            for number, fixture_id in enumerate(FIXTURES)
        ]
        self._starts_s += [fixture.game_time_s for fixture in fixtures]
        markets = [_market(market, FIXTURES[number % 3]) for number, market in enumerate(MARKETS[:4])]
        balances = [SetBalance(account=maker, token=TOKENS[0].address, amount=200) for maker in MAKERS[:3]]
        return [ConfigureVenue(rules=_rules(600, 60, 2)), *fixtures, *markets, *balances]

    def any(self, random: Random, now_ms: int) -> AnyCommand:
        """A command of any kind: mostly trading, as in life."""
        kinds = self.trading if random.random() < 0.8 else self.operating
        return random.choice(kinds)(random, now_ms)

    # ---- orders ---------------------------------------------------------------------------------------------------

    def place(self, random: Random, now_ms: int) -> PlaceOrders:
        """One to four orders; now and then one that was posted before."""
        orders = [self._order(random, now_ms) for _ in range(random.choice((1, 1, 2, 4)))]
        self.posted += orders
        return PlaceOrders(orders=tuple(orders))

    def _order(self, random: Random, now_ms: int) -> NewOrder:
        ahead_s = [second for second in self._starts_s if second * 1000 > now_ms]
        api_expiry = now_ms // 1000 + random.choice(_LIFETIMES_S)
        if ahead_s and random.randrange(8) == 0:
            api_expiry = random.choice(ahead_s)
        known = [order for order in self.posted if any(order.base_token == token.address for token in self._tokens)]
        if known and random.randrange(6) == 0:
            return msgspec.structs.replace(random.choice(known), api_expiry=api_expiry)
        maker, market = random.choice(MAKERS), random.choice((*MARKETS, *MARKETS[:4] * 2))
        token = self._tokens[-1] if random.randrange(4) == 0 else TOKENS[0]
        size, odds, is_one = random.choice(_SIZES), random.choice(_ODDS), random.random() < 0.5
        salt = len(self.posted).to_bytes(4, "big")
        return NewOrder(
            order_hash=OrderHash(_bytes(32, "order", maker, market, token.symbol, size, odds, is_one, salt)),
            market_hash=market,
            maker=maker,
            base_token=token.address,
            total_bet_size=size,
            percentage_odds=odds,
            salt=salt,
            is_maker_betting_outcome_one=is_one,
            signature=_bytes(32, salt) * 2 + b"\x1b",
            api_expiry=api_expiry,
        )

    # ---- cancels --------------------------------------------------------------------------------------------------

    def cancel_orders(self, random: Random, now_ms: int) -> CancelOrders:
        """Some hashes: the maker's own, other people's, spelt in any way, and things that are no hashes."""
        whose = random.choice((*MAKERS, None))
        names = tuple(self._name(random, whose) for _ in range(random.choice((1, 1, 2, 5))))
        maker, digest, timestamp_s = self._signed(random, now_ms, names, whose)
        return self._sent(CancelOrders(maker=maker, digest=digest, timestamp_s=timestamp_s, order_hashes=names))

    def cancel_fixture(self, random: Random, now_ms: int) -> CancelFixture:
        """One fixture, which may not exist."""
        fixture_id = random.choice((*FIXTURES * 2, FixtureId("nowhere")))
        maker, digest, timestamp_s = self._signed(random, now_ms, fixture_id)
        return self._sent(CancelFixture(maker=maker, digest=digest, timestamp_s=timestamp_s, fixture_id=fixture_id))

    def cancel_all(self, random: Random, now_ms: int) -> CancelAll:
        """Everything."""
        maker, digest, timestamp_s = self._signed(random, now_ms, None)
        return self._sent(CancelAll(maker=maker, digest=digest, timestamp_s=timestamp_s))

    def repeat_cancel(self, random: Random, now_ms: int) -> CancelOrders | CancelFixture | CancelAll:
        """The same words again, from the same maker or from another one who signed them as well."""
        if not self.cancels:
            return self.cancel_all(random, now_ms)
        maker = random.choice((*MAKERS, None, None, None))
        again = random.choice(self.cancels)
        return again if maker is None else msgspec.structs.replace(again, maker=maker)

    def _name(self, random: Random, whose: Address | None) -> str:
        orders = [order for order in self.posted if whose in (None, order.maker)][-20:]
        if not orders or random.randrange(8) == 0:
            return random.choice(_NO_HASHES)
        digits = random.choice(orders).order_hash.hex()
        return random.choice(("0x" + digits, "0x" + digits, "0x" + digits.upper(), "0X" + digits, digits, digits[:-2]))

    def _signed(
        self, random: Random, now_ms: int, said: object, whose: Address | None = None
    ) -> tuple[Address, bytes, int]:
        """The digest commits to what is said, when, and a salt, but not to who says it."""
        timestamp_s = now_ms // 1000 - random.choice(_AGES_S)
        return whose or random.choice(MAKERS), _bytes(32, said, timestamp_s, random.randrange(2)), timestamp_s

    def _sent(self, cancel: _C) -> _C:
        self.cancels.append(cancel)
        return cancel

    # ---- the operator ---------------------------------------------------------------------------------------------

    def create_fixture(self, random: Random, now_ms: int) -> CreateFixture:
        """A fixture with an id of its own or one that the engine gives."""
        return CreateFixture(
            fixture_id=random.choice((*FIXTURES, None, None, FixtureId("L1000005"))),
            sport_id=random.choice((1, 5)),
            league_label=random.choice(("Premier", "Second")),
            league_id=random.choice((None, None, 1, 7)),
            team_one_name=random.choice(("Home", "Here")),
            team_two_name=random.choice(("Away", "There", "Home")),
            game_time_s=self._start(random, now_ms),
            live_enabled=random.random() < 0.5,
            status_feed=random.random() < 0.3,
        )

    def _start(self, random: Random, now_ms: int) -> int:
        self._starts_s.append(now_ms // 1000 + random.choice(_STARTS_IN_S))
        return self._starts_s[-1]

    def update_fixture(self, random: Random, now_ms: int) -> UpdateFixture:
        """Move its start, open or close it for betting in play, hand it to a status feed or to the clock."""
        return UpdateFixture(
            fixture_id=random.choice((*FIXTURES, FixtureId("nowhere"))),
            game_time_s=self._start(random, now_ms) if random.random() < 0.8 else None,
            live_enabled=random.choice((None, True, False)),
            status_feed=random.choice((None, None, True, False)),
        )

    def set_fixture_status(self, random: Random, now_ms: int) -> SetFixtureStatus:
        """Any status."""
        usual = (FixtureStatus.NOT_STARTED, FixtureStatus.ABOUT_TO_START, FixtureStatus.IN_PROGRESS)
        return SetFixtureStatus(
            fixture_id=random.choice((*FIXTURES, FixtureId("nowhere"))),
            status=random.choice((*usual * 4, *FixtureStatus)),
        )

    def create_market(self, random: Random, now_ms: int) -> CreateMarket:
        """A market, with or without a line."""
        fixture_id = random.choice((*FIXTURES, FixtureId("nowhere")))
        market = _market(random.choice(MARKETS), fixture_id, random.choice((None, "-1.5", "2.5")))
        return msgspec.structs.replace(market, main_line=random.choice((None, True, False)))

    def set_market_status(self, random: Random, now_ms: int) -> SetMarketStatus:
        """Open or close one."""
        unknown = MarketHash(bytes(32))
        return SetMarketStatus(market_hash=random.choice((*MARKETS, unknown)), active=random.random() < 0.7)

    def set_balance(self, random: Random, now_ms: int) -> SetBalance:
        """Money comes and goes, in tokens that the venue may not know."""
        token = random.choice((TOKENS[0], TOKENS[0], TOKENS[1])).address
        amount = random.choice((0, 49, 50, 99, 100, 101, 200, 1_000, 2**256 - 1))
        return SetBalance(account=random.choice(MAKERS), token=token, amount=amount)

    def issue_api_key(self, random: Random, now_ms: int) -> IssueApiKey:
        """A key that nobody had before."""
        self._keys += 1
        return IssueApiKey(account=random.choice(MAKERS), key_digest=_bytes(32, "key", self._keys))

    def adjust_clock(self, random: Random, now_ms: int) -> AdjustClock:
        """What the engine keeps of the sandbox's clock; the time of the commands is given with them."""
        return AdjustClock(
            offset_ms=random.choice((0, 0, 1_000)), frozen_at_ms=random.choice((None, START_MS, START_MS + 1))
        )

    def configure(self, random: Random, now_ms: int) -> ConfigureVenue:
        """Other rules: the window of the cancels widens, narrows and goes; a token is taken up or given up."""
        past_s, future_s = random.choice(_WINDOWS_S)
        self._tokens = list(TOKENS[: random.choice((1, 2, 2))])
        return ConfigureVenue(rules=_rules(past_s, future_s, len(self._tokens)))


def _rules(past_s: int, future_s: int, tokens: int) -> Rules:
    return Rules(
        chain_id=4162,
        executor=Address(_bytes(20, "executor")),
        tokens=TOKENS[:tokens],
        odds_ladder_step=0,
        cancel_timestamp_past_max_s=past_s,
        cancel_timestamp_future_max_s=future_s,
    )


def _market(market_hash: MarketHash, fixture_id: FixtureId, line: str | None = None) -> CreateMarket:
    return CreateMarket(
        market_hash=market_hash,
        fixture_id=fixture_id,
        type=52 if line is None else 3,
        outcome_one_name="Home",
        outcome_two_name="Away",
        line=line,
        has_line=line is not None,
    )
