"""Questions to the history. Each filter is looked up in an index, so that a page costs the same among millions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from heapq import merge
from itertools import islice
from typing import Final, Literal

import msgspec

from overround.engine.types import Address, FillHash, MarketHash, OrderHash, Outcome
from overround.history.database import kind_of
from overround.views.trades import Progress, Trade, TradeState

Table = Literal["trades", "bets"]  # one row for each order and side; one for each bettor of a fill
NUMBER_MAX: Final = 2**63 - 1
_ROWS_AT_ONCE: Final = 500

_SELECT: Final = """
SELECT t.number, f.fill_hash, {order_hash}, m.market_hash, k.address, t.bettor, t.kind, t.outcome_one, t.odds, t.stake,
  t.pot, t.payout, f.matched_at_ms, t.decided_at_ms, s.time_ms, s.outcome, s.digest
FROM {table} t JOIN fills f ON f.number = t.fill JOIN markets m ON m.number = t.market JOIN tokens k
  ON k.number = t.token LEFT JOIN settlements s ON s.number = t.settlement
WHERE t.number IN ({marks})
"""


class Wanted(msgspec.Struct, frozen=True):
    """Which trades; None: any. An empty collection matches nothing."""

    bettor: Address | None = None
    markets: frozenset[MarketHash] | None = None
    token: Address | None = None
    states: frozenset[TradeState] = frozenset(TradeState)
    is_maker: bool | None = None
    from_ms: int | None = None  # matched at or after
    before_ms: int | None = None  # matched before


class Reading:
    """One look at the history: everything is as of one moment. Close it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("BEGIN")
        self._open = ExitStack()
        self._open.callback(connection.execute, "ROLLBACK")

    def close(self) -> None:
        """Let go of the moment."""
        self._open.close()

    def page(self, table: Table, wanted: Wanted, *, size: int, below: int | None = None) -> list[tuple[int, Trade]]:
        """The newest trades, or the newest before row `below`; each with the number of its row."""
        return self._rows(table, islice(self._numbers(table, wanted, below=below), size))

    def slice(self, table: Table, wanted: Wanted, *, start: int, size: int, ascending: bool) -> list[Trade]:
        """`size` trades after the first `start`, by the time of the match."""
        numbers = islice(self._numbers(table, wanted, ascending=ascending), start, start + size)
        return [trade for _, trade in self._rows(table, numbers)]

    def count(self, table: Table, wanted: Wanted) -> int:
        """How many there are."""
        return sum(self._one(f"SELECT count(*) {where}", values) for where, values in self._searches(table, wanted))

    def number_of(self, trade_id: bytes) -> int | None:
        """The row of a trade; None if there is no such trade."""
        row = self._connection.execute("SELECT number FROM trades WHERE id = ?", (trade_id,)).fetchone()
        return None if row is None else int(row[0])

    def of_orders(self, order_hashes: Iterable[OrderHash], *, size_max: int) -> list[Trade] | None:
        """Both sides of every fill of these orders, newest first; None if there are more than `size_max`."""
        numbers: list[int] = []
        for order_hash in order_hashes:
            query = "SELECT number FROM trades WHERE order_hash = ? LIMIT ?"
            numbers += (number for (number,) in self._connection.execute(query, (order_hash, size_max + 1)))
            if len(numbers) > size_max:
                return None
        return [trade for _, trade in self._rows("trades", sorted(numbers, reverse=True))]

    # ---- searching ------------------------------------------------------------------------------------------------

    def _numbers(
        self, table: Table, wanted: Wanted, *, below: int | None = None, ascending: bool = False
    ) -> Iterator[int]:
        """Row numbers in order, out of as many ordered searches as there are combinations of equal columns."""
        order = "ASC" if ascending else "DESC"
        found = []
        for where, values in self._searches(table, wanted, below):
            rows = self._connection.execute(f"SELECT number {where} ORDER BY number {order}", values)
            found.append(self._open.enter_context(closing(rows)))
        return (number for (number,) in merge(*found, reverse=not ascending))

    def _searches(
        self, table: Table, wanted: Wanted, below: int | None = None
    ) -> Iterator[tuple[str, tuple[object, ...]]]:
        first, last = self._range(table, wanted, below)
        kinds = [
            kind_of(state, is_maker=is_maker)
            for state in wanted.states
            for is_maker in (False, True)
            if wanted.is_maker in (None, is_maker)
        ]
        index = {
            (False, False): "all",
            (True, False): "bettor",
            (False, True): "market",
            (True, True): "both",
        }[wanted.bettor is not None, wanted.markets is not None]
        bettor, bettors = ("bettor = ? AND ", (wanted.bettor,)) if wanted.bettor is not None else ("", ())
        markets = self._known("markets", "market_hash", wanted.markets)
        tokens = self._known("tokens", "address", None if wanted.token is None else [wanted.token])
        for market in (None,) if wanted.markets is None else markets:
            in_market, named = ("market = ? AND ", (market,)) if market is not None else ("", ())
            for token in tokens:
                for kind in kinds:
                    where = f"{bettor}{in_market}token = ? AND kind = ? AND number BETWEEN ? AND ?"
                    values = (*bettors, *named, token, kind, first, last)
                    yield f"FROM {table} INDEXED BY {table}_{index} WHERE {where}", values

    def _range(self, table: Table, wanted: Wanted, below: int | None) -> tuple[int, int]:
        """First and last row in question: rows are in the order of time."""
        first, last = 1, NUMBER_MAX if below is None else below - 1
        if wanted.from_ms is not None:
            first = self._first_from(table, wanted.from_ms)
        if wanted.before_ms is not None:
            last = min(last, self._first_from(table, wanted.before_ms) - 1)
        return first, last

    def _first_from(self, table: Table, time_ms: int) -> int:
        column = "first_trade" if table == "trades" else "first_bet"
        query = f"SELECT {column} FROM fills WHERE matched_at_ms >= ? ORDER BY matched_at_ms, first_trade LIMIT 1"
        row = self._connection.execute(query, (time_ms,)).fetchone()
        return NUMBER_MAX if row is None else int(row[0])

    def _known(self, table: str, column: str, names: Iterable[bytes] | None) -> list[int]:
        if names is None:
            return [number for (number,) in self._connection.execute(f"SELECT number FROM {table}")]
        query = f"SELECT number FROM {table} WHERE {column} = ?"
        rows = (self._connection.execute(query, (name,)).fetchone() for name in names)
        return [row[0] for row in rows if row is not None]

    def _one(self, query: str, values: Sequence[object]) -> int:
        (value,) = self._connection.execute(query, values).fetchone()
        return int(value)

    # ---- rows -----------------------------------------------------------------------------------------------------

    def _rows(self, table: Table, numbers: Iterable[int]) -> list[tuple[int, Trade]]:
        """The rows of these numbers, in this order."""
        wanted = list(numbers)
        found: dict[int, Trade] = {}
        order_hash = "t.order_hash" if table == "trades" else "NULL"
        for start in range(0, len(wanted), _ROWS_AT_ONCE):
            some = wanted[start : start + _ROWS_AT_ONCE]
            query = _SELECT.format(table=table, order_hash=order_hash, marks=", ".join("?" * len(some)))
            found.update((row[0], _trade(row)) for row in self._connection.execute(query, some))
        return [(number, found[number]) for number in wanted]


def _trade(row: tuple[object, ...]) -> Trade:
    (_, fill_hash, order_hash, market_hash, token, bettor, kind, is_one, odds, stake, pot, payout, *times) = row
    matched_at_ms, decided_at_ms, settled_at_ms, outcome, digest = times
    assert isinstance(kind, int)
    state = TradeState(kind // 2)
    progress = (
        Progress(state, settled_at_ms, Outcome(outcome), digest)  # type: ignore[arg-type]
        if state is TradeState.SETTLED
        else Progress(state, decided_at_ms)  # type: ignore[arg-type]
    )
    return Trade(
        fill_hash=FillHash(fill_hash),  # type: ignore[arg-type]
        order_hash=None if order_hash is None else OrderHash(order_hash),  # type: ignore[arg-type]
        market_hash=MarketHash(market_hash),  # type: ignore[arg-type]
        base_token=Address(token),  # type: ignore[arg-type]
        bettor=Address(bettor),  # type: ignore[arg-type]
        is_maker=bool(kind % 2),
        is_betting_outcome_one=bool(is_one),
        odds=int(odds),  # type: ignore[call-overload]
        stake=int(stake),  # type: ignore[call-overload]
        pot=int(pot),  # type: ignore[call-overload]
        payout=int(payout),  # type: ignore[call-overload]
        matched_at_ms=matched_at_ms,  # type: ignore[arg-type]
        progress=progress,
    )
