"""A desk where fills happen, the records of what happened, and the slow, obvious history of them."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import Any, Final

import msgspec
from tests.engine.desk import ALICE, BOB, CAROL, ELSEWHERE, PERCENT, USDC, WSX, A, B, C, number
from tests.views.window import Window

from overround.engine.commands import ConfigureVenue, DecideFill, FillMarket, PlaceOrders, ReportMarket
from overround.engine.events import FillConfirmed, FillFailed, FillMatched, MarketReported
from overround.engine.fill import MatchedFill
from overround.engine.record import Record
from overround.engine.rules import BettingDelays, Rules, Token
from overround.engine.types import Address, FillHash, MarketHash, Outcome
from overround.history.reading import Reading, Wanted
from overround.views.trades import Trade, TradeState

PEOPLE: Final = (ALICE, BOB, CAROL)
FEE: Final = 5 * PERCENT


class Shop(Window):
    """Fills are matched at once and settled by hand, unless the rules say otherwise."""

    def __init__(self, **rules: Any) -> None:
        super().__init__()
        self._fills = count(1)
        given = {"settlement_delay_ms": None, "betting_delays": BettingDelays(pre_match_ms=0), **rules}
        before = self.views.rules
        assert before is not None
        self.rules: Rules = msgspec.structs.replace(before, **given)
        self.do(ConfigureVenue(rules=self.rules))
        for person in PEOPLE:
            for token in (USDC, WSX):
                self.fund(person, 10**9, token)

    def take(
        self,
        taker: Address = BOB,
        market: MarketHash = A,
        stake: int = 100,
        *,
        one: bool = False,
        token: Token = USDC,
    ) -> FillHash:
        """Take what there is, at any price."""
        fill_hash = FillHash(number(32, "fill", next(self._fills)))
        self.do(
            FillMarket(
                taker=taker,
                fill_hash=fill_hash,
                market_hash=market,
                base_token=token.address,
                is_taker_betting_outcome_one=one,
                stake=stake,
                desired_odds=99 * PERCENT,
                odds_slippage=99,
            )
        )
        self.tick()
        return fill_hash

    def deal(self, maker: Address = ALICE, taker: Address = BOB, market: MarketHash = A, **how: Any) -> FillHash:
        """An order and a fill of it."""
        one, token = how.pop("one", True), how.pop("token", USDC)
        size, odds = how.pop("size", 1000), how.pop("odds", 50)
        self.rest(maker, market, size, one=one, token=token, odds=odds)
        return self.take(taker, market, one=not one, token=token, **how)

    def settle(self, fill_hash: FillHash, *, confirmed: bool = True) -> None:
        self.do(DecideFill(fill_hash=fill_hash, confirmed=confirmed))

    def report(self, market: MarketHash = A, outcome: Outcome = Outcome.ONE) -> None:
        self.do(ReportMarket(market_hash=market, outcome=outcome))


def random_shop(seed: int, steps: int) -> Shop:
    """A day of chance: some fills of several orders, some that fail, reports before and after confirmations."""
    random = Random(seed)
    shop = Shop(fee=random.choice((0, FEE)))
    pending: list[FillHash] = []
    for _ in range(steps):
        market = random.choice((A, B, C, ELSEWHERE))
        token = random.choice((USDC, USDC, WSX))
        match random.randrange(8):
            case 0 | 1 | 2:
                orders = [
                    shop.order(
                        random.choice(PEOPLE),
                        market,
                        random.choice((100, 333, 1000)),
                        odds=random.choice((12.5, 33.125, 50, 87.5)),
                        one=random.random() < 0.5,
                        token=token,
                    )
                    for _ in range(random.choice((1, 2, 3)))
                ]
                shop.do(PlaceOrders(orders=tuple(orders)))
            case 3 | 4 | 5:
                stake = random.choice((1, 10, 99, 777, 5000))
                one = random.random() < 0.5
                pending.append(shop.take(random.choice(PEOPLE), market, stake, one=one, token=token))
            case 6 if pending:
                shop.settle(pending.pop(random.randrange(len(pending))), confirmed=random.random() < 0.8)
            case 7 if random.randrange(12) == 0:
                shop.report(market, random.choice(list(Outcome)))
        if random.random() < 0.3:
            shop.wait(random.choice((0.001, 1, 60)))
    return shop


# ---- the slow, obvious history -------------------------------------------------------------------------------------


def obvious_history(records: list[Record]) -> list[dict[str, Any]]:
    """Every trade as a dictionary, oldest first; written down as one would by hand."""
    rows: list[dict[str, Any]] = []
    fills: dict[FillHash, MatchedFill] = {}

    def settle(row: dict[str, Any], outcome: Outcome, time_ms: int) -> None:
        fill, leg = fills[row["fill"]], row["leg"]
        taker, maker, _ = fill.returns(leg, outcome)
        row |= {"state": "SETTLED", "at": time_ms, "outcome": outcome, "returned": maker if row["maker"] else taker}

    for record in records:
        for event in record.events:
            match event:
                case FillMatched(fill=fill):
                    fills[fill.fill_hash] = fill
                    for leg in fill.legs:
                        for is_maker in (False, True):
                            rows.append(
                                {
                                    "fill": fill.fill_hash,
                                    "order": leg.order_hash,
                                    "market": fill.market_hash,
                                    "token": fill.base_token,
                                    "bettor": leg.maker if is_maker else fill.taker,
                                    "maker": is_maker,
                                    "one": fill.is_taker_betting_outcome_one != is_maker,
                                    "stake": leg.maker_stake if is_maker else leg.taker_stake,
                                    "pot": leg.maker_stake + leg.taker_stake,
                                    "odds": leg.percentage_odds if is_maker else 10**20 - leg.percentage_odds,
                                    "matched": record.time_ms,
                                    "at": record.time_ms,
                                    "state": "PENDING",
                                    "outcome": None,
                                    "returned": None,
                                    "leg": leg,
                                }
                            )
                case FillConfirmed() | FillFailed():
                    for row in rows:
                        if row["fill"] == event.fill_hash:
                            row |= {"state": "CONFIRMED", "at": record.time_ms}
                            if isinstance(event, FillFailed):
                                row["state"] = "FAILED"
                            elif event.outcome is not None:
                                settle(row, event.outcome, record.time_ms)
                case MarketReported():
                    for row in rows:
                        if row["market"] == event.market_hash and row["state"] == "CONFIRMED":
                            settle(row, event.outcome, record.time_ms)
    return rows


def plainly(one: Trade) -> dict[str, Any]:
    """A trade in the words of the obvious history."""
    progress = one.progress
    return {
        "fill": one.fill_hash,
        "order": one.order_hash,
        "market": one.market_hash,
        "token": one.base_token,
        "bettor": one.bettor,
        "maker": one.is_maker,
        "one": one.is_betting_outcome_one,
        "stake": one.stake,
        "pot": one.pot,
        "odds": one.odds,
        "matched": one.matched_at_ms,
        "at": progress.at_ms,
        "state": progress.state.name,
        "outcome": progress.outcome,
        "returned": one.returned if progress.outcome is not None else None,
    }


def without_leg(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "leg"}


def all_trades(reading: Reading) -> list[Trade]:
    """Every trade, oldest first."""
    return reading.slice("trades", Wanted(), start=0, size=10**6, ascending=True)


def matches(row: dict[str, Any], wanted: Wanted) -> bool:
    """Whether a row of the obvious history is wanted."""
    return (
        wanted.bettor in (None, row["bettor"])
        and (wanted.markets is None or row["market"] in wanted.markets)
        and wanted.token in (None, row["token"])
        and TradeState[row["state"]] in wanted.states
        and wanted.is_maker in (None, row["maker"])
        and (wanted.from_ms is None or row["matched"] >= wanted.from_ms)
        and (wanted.before_ms is None or row["matched"] < wanted.before_ms)
    )
