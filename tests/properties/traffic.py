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

from overround.engine.catalogue import LiveScore, Period
from overround.engine.commands import (
    AdjustClock,
    Approve,
    CancelAll,
    CancelFixture,
    CancelOrders,
    ConfigureVenue,
    CreateFixture,
    CreateMarket,
    DecideFill,
    FillMarket,
    FillOrders,
    GrantGrace,
    IssueApiKey,
    NewOrder,
    PingHeartbeat,
    PlaceOrders,
    ReportMarket,
    ResumeVenue,
    SetBalance,
    SetFixtureStatus,
    SetLiveScore,
    SetMarketStatus,
    SetRestriction,
    StopHeartbeat,
    UpdateFixture,
    VenueCommand,
)
from overround.engine.rules import BettingDelays, Restrictions, Rules, Token
from overround.engine.types import (
    ODDS_ONE,
    Address,
    FillHash,
    FixtureId,
    FixtureStatus,
    MarketHash,
    OrderHash,
    Outcome,
)

Kind = Callable[[Random, int], VenueCommand]
_C = TypeVar("_C", CancelOrders, CancelFixture, CancelAll)

START_MS: Final = 1_790_000_000_000


def _bytes(size: int, *parts: object) -> bytes:
    return sha256(repr(parts).encode()).digest()[:size]


MAKERS: Final = tuple(Address(_bytes(20, "maker", number)) for number in range(4))
TOKENS: Final = tuple(
    Token(symbol, Address(_bytes(20, "token", symbol)), decimals, 10, 3)
    for symbol, decimals in (("USDC", 6), ("WSX", 18))
)
FIXTURES: Final = tuple(FixtureId(f"F{number}") for number in range(3))
MARKETS: Final = tuple(MarketHash(_bytes(32, "market", number)) for number in range(6))
_SMALL_STEPS_MS: Final = (0, 0, 0, 0, 1, 1, 250, 499, 500, 999, 1_000, 2_000)
STEPS_MS: Final = (*_SMALL_STEPS_MS * 8, 5_000, 5_000, 5_000, 30_000, 599_999, 600_000)

_SIZES: Final = (1, 3, 5, *(10, 10, 20, 30, 40, 50, 60) * 3, 100, 101, 200, 2**200)
_ODDS: Final = (1, 25 * 10**18, 50 * 10**18, 50 * 10**18, 50 * 10**18 + 1, 60 * 10**18, 75 * 10**18, 10**20 - 1)
_LIFETIMES_S: Final = (1, 2, 5, 30, 31, 600, 601, *(3_600, 7_200) * 5)
_AGES_S: Final = (0, 0, 0, 0, 0, 1, 30, 30, 599, 600, 601, 3_600, -59, -60, -61)
_WINDOWS_S: Final = ((600, 60), (600, 60), (30, 0), (0, 0), (3_600, 60))
_STARTS_IN_S: Final = (-3_600, 0, 1, 5, 30, 600, 3_600, 3_600, 86_400)
_STAKES: Final = (1, 1, 2, 3, 5, 10, 20, 30, 50, 100, 150, 2**199)
_DESIRED: Final = (1, 25 * 10**18, 40 * 10**18, 50 * 10**18, 60 * 10**18, 75 * 10**18, 75 * 10**18, 10**20 - 1)
_SLIPPAGES: Final = (0, 0, 0, 1, 10, 20, 50, 100)
_TIGHT_SIZES: Final = (1, 2, 5, 10, 10, 20, 40, 50, 50)
_TIGHT_ODDS: Final = (50 * 10**18, 60 * 10**18, 75 * 10**18, 75 * 10**18)
_TIGHT_BALANCES: Final = (50, 60, 80, 90, 95, 97, 98, 99, 100, 100, 101, 102, 110, 200)
_NO_HASHES: Final = ("0xabc...", "", "0x", "g" * 66, "0x" + "  " * 32, "0x" + "٣" * 64)


class Traffic:
    """Asks the venue for one thing after the other, and remembers what it asked for."""

    def __init__(self, *, crowded: bool = False) -> None:
        """A crowded market has two makers, two books and hardly enough money, and an operator who settles by hand:
        what needs several orders of one maker in one fill happens there."""
        self.crowded = crowded
        self.posted: list[NewOrder] = []
        self.cancels: list[CancelOrders | CancelFixture | CancelAll] = []
        self._tokens = list(TOKENS)  # those that the venue supports
        self._starts_s: list[int] = []  # of matches; some orders expire in the very second in which one begins
        self._keys = 0
        self._fills: list[FillMarket | FillOrders] = []
        self._nonces: dict[tuple[Address, Address], int] = {}  # permits that were signed so far
        self.trading: tuple[Kind, ...] = (
            *(self.place,) * 14,
            *(self.fill_market,) * 12,
            *(self.fill_orders,) * 5,
            *(self.cancel_orders,) * 4,
            self.cancel_fixture,
            self.cancel_all,
            self.repeat_cancel,
            *(self.set_balance,) * 5,
            *(self.decide_fill,) * 5,
            self.ping_heartbeat,
            self.approve,
        )
        if crowded:
            self.trading = (
                *(self.place,) * 8,
                *(self.fill_market,) * 7,
                self.fill_orders,
                *(self.cancel_orders,) * 2,
                *(self.set_balance,) * 4,
                *(self.decide_fill,) * 4,
            )
        self.operating: Final[tuple[Kind, ...]] = (
            self.create_fixture,
            self.update_fixture,
            self.set_fixture_status,
            *(self.create_market,) * 3,
            self.set_market_status,
            *(self.set_balance,) * 4,
            self.issue_api_key,
            self.adjust_clock,
            *(self.configure,) * 3,
            self.report_market,
            self.set_live_score,
            self.set_restriction,
            self.stop_heartbeat,
            self.approve,
            *(self.decide_fill,) * 2,
            self.resume_venue,
            self.grant_grace,
        )

    def opening(self) -> list[VenueCommand]:
        """A world in which something can be traded: both tokens, three fixtures, five markets, money."""
        start_s = START_MS // 1000
        fixtures = [
            CreateFixture(
                fixture_id=fixture_id,
                sport_id=5,
                league_label="Premier",
                team_one_name="Home",
                team_two_name="Away",
                game_time_s=start_s + (3_600, 60, 86_400)[number],
                live_enabled=number != 0,
                status_feed=number == 2,
            )
            for number, fixture_id in enumerate(FIXTURES)
        ]
        self._starts_s += [fixture.game_time_s for fixture in fixtures]
        markets = [_market(market, FIXTURES[number % 3]) for number, market in enumerate(MARKETS[:5])]
        balances = [
            SetBalance(account=maker, token=token.address, amount=200) for maker in MAKERS[:3] for token in TOKENS
        ]
        if self.crowded:
            balances.append(SetBalance(account=MAKERS[2], token=TOKENS[0].address, amount=10**6))
        rules = msgspec.structs.replace(RULES, settlement_delay_ms=None) if self.crowded else RULES
        return [ConfigureVenue(rules=rules), *fixtures, *markets, *balances]

    def any(self, random: Random, now_ms: int) -> VenueCommand:
        """A command of any kind: mostly trading, as in life."""
        kinds = self.trading if random.random() < (0.96 if self.crowded else 0.85) else self.operating
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
        if known and random.randrange(10) == 0:
            return msgspec.structs.replace(random.choice(known), api_expiry=api_expiry)
        maker, market = random.choice(MAKERS), random.choice((*MARKETS, *MARKETS[:2] * 6))
        token = self._tokens[-1] if random.randrange(4) == 0 else TOKENS[0]
        size, odds, is_one = random.choice(_SIZES), random.choice(_ODDS), random.random() < 0.5
        if self.crowded:
            maker, market, token = random.choice(MAKERS[:2]), random.choice(MARKETS[:2]), TOKENS[0]
            size, odds, is_one = random.choice(_TIGHT_SIZES), random.choice(_TIGHT_ODDS), random.random() < 0.9
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

    # ---- fills ----------------------------------------------------------------------------------------------------

    def fill_market(self, random: Random, now_ms: int) -> FillMarket:
        """Whatever a market has, mostly one on which something was posted lately; now and then the same fill again."""
        again = [one for one in self._fills if isinstance(one, FillMarket)]
        if again and random.randrange(12) == 0:
            return random.choice(again)
        market, token, is_one = random.choice(MARKETS), TOKENS[0].address, random.random() < 0.5
        desired = random.choice(_DESIRED)
        if self.posted and random.random() < 0.9:
            order = random.choice(self.posted[-16:])
            market, token, is_one = order.market_hash, order.base_token, not order.is_maker_betting_outcome_one
            just = ODDS_ONE - order.percentage_odds
            desired = random.choice((desired, just, just, min(just + 10**18, ODDS_ONE - 1), max(just - 1, 1)))
        fill = FillMarket(
            taker=MAKERS[2] if self.crowded else random.choice(MAKERS),
            fill_hash=self._fill_hash(),
            market_hash=market,
            base_token=token,
            is_taker_betting_outcome_one=is_one,
            stake=random.choice(_STAKES),
            desired_odds=desired,
            odds_slippage=random.choice(_SLIPPAGES),
        )
        self._fills.append(fill)
        return fill

    def fill_orders(self, random: Random, now_ms: int) -> FillOrders:
        """Some orders by name, or none that anybody knows."""
        first = random.choice(self.posted[-8:]) if self.posted else None
        alike = [one for one in self.posted[-16:] if first and _place_of(one) == _place_of(first)]
        pool = alike if alike and random.random() < 0.8 else self.posted[-10:]
        orders = random.sample(pool, min(len(pool), random.choice((1, 1, 2, 3))))
        names = list(dict.fromkeys(order.order_hash for order in orders)) or [OrderHash(bytes(32))]
        sizes = {order.order_hash: order.total_bet_size for order in orders}
        amounts = [random.choice((1, 3, 5, 10, sizes.get(name, 1), sizes.get(name, 2) // 2)) for name in names]
        fill = FillOrders(
            taker=random.choice(MAKERS),
            fill_hash=self._fill_hash(),
            order_hashes=tuple(names),
            maker_amounts=tuple(amounts),
        )
        self._fills.append(fill)
        return fill

    def decide_fill(self, random: Random, now_ms: int) -> DecideFill:
        """By hand: a late one, whatever has become of it, or an unknown one."""
        known = [one.fill_hash for one in self._fills[-6:]] or [FillHash(bytes(32))]
        return DecideFill(fill_hash=random.choice(known), confirmed=random.random() < 0.5)

    def _fill_hash(self) -> FillHash:
        return FillHash(_bytes(32, "fill", len(self._fills)))

    # ---- heartbeats and approvals ---------------------------------------------------------------------------------

    def ping_heartbeat(self, random: Random, now_ms: int) -> PingHeartbeat:
        """Short intervals, so that they are missed."""
        return PingHeartbeat(account=random.choice(MAKERS), interval_s=random.choice((1, 5, 30, 600, 3_600)))

    def stop_heartbeat(self, random: Random, now_ms: int) -> StopHeartbeat:
        """Armed or not."""
        return StopHeartbeat(account=random.choice(MAKERS))

    def approve(self, random: Random, now_ms: int) -> Approve:
        """A permit, mostly with the right number."""
        owner, token = random.choice(MAKERS), random.choice((TOKENS[0], TOKENS[0], TOKENS[1])).address
        nonce = self._nonces.get((owner, token), 0) + random.choice((0, 0, 0, 0, 1, -1))
        value = random.choice((0, 50, 100, 200, 2**256 - 1))
        self._nonces[owner, token] = max(nonce, 0) + 1
        return Approve(
            owner=owner,
            token=token,
            value=value,
            nonce=max(nonce, 0),
            deadline_s=now_ms // 1000 + random.choice((-1, 0, 60, 3_600)),
            digest=_bytes(32, "permit", owner, token, value, nonce),
        )

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
            status=random.choice((*usual * 3, *usual[:2] * 6, *FixtureStatus)),
        )

    def create_market(self, random: Random, now_ms: int) -> CreateMarket:
        """A market, with or without a line."""
        fixture_id = random.choice((*FIXTURES, FixtureId("nowhere")))
        market = _market(random.choice(MARKETS), fixture_id, random.choice((None, "-1.5", "2.5")))
        return msgspec.structs.replace(market, main_line=random.choice((None, True, False)))

    def set_market_status(self, random: Random, now_ms: int) -> SetMarketStatus:
        """Open or close one."""
        unknown = MarketHash(bytes(32))
        return SetMarketStatus(market_hash=random.choice((*MARKETS, unknown)), active=random.random() < 0.8)

    def set_balance(self, random: Random, now_ms: int) -> SetBalance:
        """Money comes and goes, in tokens that the venue may not know."""
        token = random.choice((TOKENS[0], TOKENS[0], TOKENS[1])).address
        amount = random.choice((0, 49, 50, 60, 80, *(99, 100, 101, 150, 200, 300) * 2, 1_000, 2**256 - 1))
        if self.crowded:
            account = random.choice(MAKERS[:2])
            return SetBalance(account=account, token=TOKENS[0].address, amount=random.choice(_TIGHT_BALANCES))
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

    def report_market(self, random: Random, now_ms: int) -> ReportMarket:
        """An outcome, for good."""
        return ReportMarket(market_hash=random.choice(MARKETS), outcome=random.choice((*Outcome,)))

    def set_live_score(self, random: Random, now_ms: int) -> SetLiveScore:
        """Somebody scored."""
        home, away = random.randrange(5), random.randrange(5)
        score = LiveScore(
            fixture_id=random.choice((*FIXTURES, FixtureId("nowhere"))),
            current_period="2nd Half",
            period_time="-1",
            team_one_score=home,
            team_two_score=away,
            periods=(Period("1st Half", True, str(home), "0"),),
        )
        return SetLiveScore(score=score)

    def set_restriction(self, random: Random, now_ms: int) -> SetRestriction:
        """Mostly lifted, so that somebody is left who posts."""
        return SetRestriction(account=random.choice(MAKERS), restricted=random.random() < 0.3)

    def resume_venue(self, random: Random, now_ms: int) -> ResumeVenue:
        """The venue was stopped for so long."""
        return ResumeVenue(grace_ms=random.choice((0, 500, 5_000)))

    def grant_grace(self, random: Random, now_ms: int) -> GrantGrace:
        """The venue stalled for so long."""
        return GrantGrace(grace_ms=random.choice((0, 1_500, 5_000)))

    def configure(self, random: Random, now_ms: int) -> ConfigureVenue:
        """Other rules, drawn anew one by one; a token is taken up or given up."""
        past_s, future_s = random.choice(_WINDOWS_S)
        self._tokens = list(TOKENS[: random.choice((1, 2, 2))])
        return ConfigureVenue(
            rules=Rules(
                chain_id=4162,
                executor=RULES.executor,
                tokens=tuple(self._tokens),
                odds_ladder_step=0,
                cancel_timestamp_past_max_s=past_s,
                cancel_timestamp_future_max_s=future_s,
                settlement_delay_ms=random.choice((0, 500, 2_000, None, None, None)),
                betting_delays=random.choice((BettingDelays(), _NO_DELAYS, _NO_DELAYS, _DELAYS)),
                fills_in_flight_max=random.choice((1, 3, 10, 10)),
                fee=random.choice((0, 0, ODDS_ONE // 20, ODDS_ONE // 3, ODDS_ONE)),
                suspends=random.random() < 0.75,
                restrictions=random.choice((_STRICT, _STRICT, Restrictions(), Restrictions(dips_max=0))),
                approval_required=random.random() < 0.1,
            )
        )


_NO_DELAYS: Final = BettingDelays(pre_match_ms=0, in_play_ms=0)
_DELAYS: Final = BettingDelays(500, 3_000, in_play_by_sport=((5, 2_000),), in_play_by_league=(("Second", 1_000),))
_STRICT: Final = Restrictions(dips_max=2, window_ms=60_000, merge_ms=1_000, duration_ms=5_000)

RULES: Final = Rules(
    chain_id=4162,
    executor=Address(_bytes(20, "executor")),
    tokens=TOKENS,
    odds_ladder_step=0,
    cancel_timestamp_past_max_s=600,
    cancel_timestamp_future_max_s=60,
    restrictions=_STRICT,
)


def _place_of(order: NewOrder) -> tuple[object, ...]:
    return order.market_hash, order.base_token, order.is_maker_betting_outcome_one


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
