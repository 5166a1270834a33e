"""Rows follow from records: compared with a history that is written down by hand, for days of chance."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import pytest
from tests.engine.desk import ALICE, BOB, CAROL, USDC, WSX, A, B, C
from tests.history.shop import (
    PEOPLE,
    Shop,
    all_trades,
    matches,
    obvious_history,
    plainly,
    random_shop,
    without_leg,
)

from overround.engine.fill import average_odds
from overround.engine.record import Record
from overround.engine.types import Outcome
from overround.history.database import HistoryDatabase, NotThisHistory
from overround.history.reading import Reading, Wanted
from overround.views.trades import TradeState

SEEDS = range(8)


def written(path: Path, records: list[Record], *, batch: int = 7) -> HistoryDatabase:
    database = HistoryDatabase(path, "journal")
    for start in range(0, len(records), batch):
        some = records[start : start + batch]
        database.apply(some, some[-1].seq)
    return database


@contextmanager
def reading_of(database: HistoryDatabase) -> Iterator[Reading]:
    with closing(Reading(database.connection)) as reading:
        yield reading


@pytest.mark.row("TRD-05", "TRD-06")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_history_is_what_one_would_write_down_by_hand(tmp_path: Path, seed: int) -> None:
    shop = random_shop(seed, 250)
    expected = [without_leg(row) for row in obvious_history(shop.records)]
    assert len(expected) > 20
    with closing(written(tmp_path / "h.db", shop.records)) as database, reading_of(database) as reading:
        assert [plainly(one) for one in all_trades(reading)] == expected
        assert len({one.id for one in all_trades(reading)}) == len(expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_records_that_are_told_again_change_nothing(tmp_path: Path, seed: int) -> None:
    shop, random = random_shop(seed, 120), Random(seed)
    with closing(HistoryDatabase(tmp_path / "h.db", "journal")) as database:
        told = 0
        while told < len(shop.records):  # as after crashes: some of it again, then more
            start = random.randrange(told + 1)
            end = min(len(shop.records), told + random.randrange(1, 20))
            database.apply(shop.records[start:end], shop.records[end - 1].seq)
            told = end
        with reading_of(database) as reading:
            expected = [without_leg(row) for row in obvious_history(shop.records)]
            assert [plainly(one) for one in all_trades(reading)] == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_every_filter_finds_what_a_look_at_every_row_finds(tmp_path: Path, seed: int) -> None:
    shop, random = random_shop(seed, 250), Random(seed)
    rows = [without_leg(row) for row in obvious_history(shop.records)]
    times = [row["matched"] for row in rows]
    with closing(written(tmp_path / "h.db", shop.records)) as database, reading_of(database) as reading:
        for _ in range(150):
            wanted = Wanted(
                bettor=random.choice((None, *PEOPLE)),
                markets=random.choice((None, frozenset({A}), frozenset({A, B, C}), frozenset())),
                token=random.choice((None, None, USDC.address, WSX.address, ALICE)),
                states=frozenset(random.sample(list(TradeState), random.randrange(5)) or TradeState),
                is_maker=random.choice((None, True, False)),
                from_ms=random.choice((None, *random.sample(times, 2))),
                before_ms=random.choice((None, *random.sample(times, 2))),
            )
            expected = [row for row in rows if matches(row, wanted)]
            size, found, below = random.choice((1, 3, 1000)), [], None
            while page := reading.page("trades", wanted, size=size, below=below):
                found += [plainly(one) for _, one in page]
                below = page[-1][0]
            assert found == expected[::-1]
            assert reading.count("trades", wanted) == len(expected)
            start = random.randrange(5)
            some = reading.slice("trades", wanted, start=start, size=4, ascending=True)
            assert [plainly(one) for one in some] == expected[start : start + 4]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_consolidated_trade_adds_up_what_a_bettor_has_in_a_fill(tmp_path: Path, seed: int) -> None:
    shop = random_shop(seed, 250)
    parts = defaultdict(list)
    for row in obvious_history(shop.records):
        parts[row["fill"], row["bettor"]].append(row)
    with closing(written(tmp_path / "h.db", shop.records)) as database, reading_of(database) as reading:
        bets = reading.slice("bets", Wanted(), start=0, size=10**6, ascending=True)
    assert len(bets) == len(parts)
    for bet in bets:
        rows = parts[bet.fill_hash, bet.bettor]
        assert bet.stake == sum(row["stake"] for row in rows)
        assert bet.pot == sum(row["pot"] for row in rows)
        assert bet.odds == average_odds(bet.stake, bet.pot)
        assert {(row["state"], row["at"], row["maker"], row["one"]) for row in rows} == {
            (bet.progress.state.name, bet.progress.at_ms, bet.is_maker, bet.is_betting_outcome_one)
        }
        if bet.progress.outcome is not None:
            assert bet.returned == sum(row["returned"] for row in rows)


@pytest.mark.row("TRD-06")
@pytest.mark.parametrize("seed", range(20, 28))
def test_what_settled_trades_returned_is_what_the_wallets_were_paid(tmp_path: Path, seed: int) -> None:
    shop = random_shop(seed, 300)
    with closing(written(tmp_path / "h.db", shop.records)) as database, reading_of(database) as reading:
        trades = all_trades(reading)
    state = shop.engine.state
    for person in PEOPLE:
        for token in (USDC, WSX):
            his = [one for one in trades if (one.bettor, one.base_token) == (person, token.address)]
            confirmed = [one for one in his if one.progress.state in (TradeState.CONFIRMED, TradeState.SETTLED)]
            settled = [one for one in his if one.progress.state is TradeState.SETTLED]
            wallet = 10**9 - sum(one.stake for one in confirmed) + sum(one.returned for one in settled)
            assert state.accounts[person].balances[token.address] == wallet
    for token in (USDC, WSX):
        settled = [
            one for one in trades if one.progress.state is TradeState.SETTLED and one.base_token == token.address
        ]
        paid = sum(one.returned for one in settled) + state.fees.get(token.address, 0)
        assert paid == sum(one.stake for one in settled)


def test_a_fill_that_is_confirmed_after_the_report_is_settled_with_it(tmp_path: Path) -> None:
    shop = Shop()
    early, late, failed = shop.deal(), shop.deal(), shop.deal(CAROL)
    shop.settle(early)
    shop.wait(1)
    shop.report(A, Outcome.TWO)
    reported_ms = shop.now_ms
    shop.wait(1)
    shop.settle(late)
    shop.settle(failed, confirmed=False)
    with closing(written(tmp_path / "h.db", shop.records)) as database, reading_of(database) as reading:
        found = {(one.fill_hash, one.is_maker): one for one in all_trades(reading)}
    one, other = found[early, False], found[late, False]
    assert (one.progress.state, one.progress.at_ms) == (TradeState.SETTLED, reported_ms)
    assert (other.progress.state, other.progress.at_ms) == (TradeState.SETTLED, reported_ms + 1000)
    assert one.progress.settlement != other.progress.settlement
    assert (other.bettor, other.returned, found[late, True].returned) == (BOB, other.pot, 0)
    assert found[failed, True].progress.state is TradeState.FAILED


def test_amounts_wider_than_64_bits_are_kept_to_the_last_unit(tmp_path: Path) -> None:
    shop = Shop()
    shop.fund(ALICE, 2**200)
    shop.fund(BOB, 2**200)
    shop.deal(size=2**180 + 1, stake=2**150 + 1)
    with closing(written(tmp_path / "h.db", shop.records)) as database, reading_of(database) as reading:
        assert [one.stake for one in all_trades(reading)] == [2**150 + 1, 2**150 + 1]


def test_a_file_of_another_journal_or_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    HistoryDatabase(path, "journal").close()
    HistoryDatabase(path, "journal").close()
    with pytest.raises(NotThisHistory):
        HistoryDatabase(path, "another")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE meta SET value = '0' WHERE name = 'schema'")
        connection.commit()
    with pytest.raises(NotThisHistory):
        HistoryDatabase(path, "journal")


def test_every_search_goes_straight_to_its_rows(tmp_path: Path) -> None:
    """However many rows there are: every condition is a column of the index, and nothing is sorted."""
    shop = random_shop(1, 100)
    with closing(written(tmp_path / "h.db", shop.records)) as database, reading_of(database) as reading:
        for wanted in (
            Wanted(from_ms=1),
            Wanted(bettor=ALICE, states=frozenset({TradeState.SETTLED})),
            Wanted(markets=frozenset({A, B}), is_maker=True),
            Wanted(bettor=BOB, markets=frozenset({A}), token=USDC.address),
        ):
            for where, values in reading._searches("trades", wanted):
                query = f"EXPLAIN QUERY PLAN SELECT number {where} ORDER BY number DESC"
                plan = [row[3] for row in database.connection.execute(query, values)]
                assert len(plan) == 1, plan
                assert "SEARCH" in plan[0], plan
                assert "COVERING INDEX" in plan[0], plan
                assert "token=? AND kind=? AND number>? AND number<?" in plan[0], plan
