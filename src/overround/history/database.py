"""The tables of the history: one SQLite file, folded from the journal's records, one transaction for each batch.

Rows follow from the record that wrote them and from nothing else. The cursor, the seq of the last record that is in,
is committed together with the rows, so that a crash loses nothing and nothing is counted twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from overround.engine.events import FillConfirmed, FillFailed, FillMatched, MarketReported
from overround.engine.fill import MatchedFill
from overround.engine.record import Record
from overround.engine.types import Address, FillHash, MarketHash, Outcome
from overround.views.trades import Progress, Trade, TradeState, consolidated_of, settlement_digest, trades_of

FILE_NAME: Final = "history.db"
FILES: Final = (f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", FILE_NAME)
SCHEMA_VERSION: Final = 1  # raised when rows are written differently: the file is made anew
CONFIRM: Final = 2  # what is added to `kind`: it is twice the state, and one more for a maker
FAIL: Final = 4
SETTLE: Final = 4
CACHE_KB: Final = 64 * 1024  # the indexes of hashes are written all over: with 2 MB it took twice as long
_COUNTED: Final = ("fills", "trades", "bets")

# Amounts and odds are decimal text: they may be wider than 64 bits. `kind` is part of every index, so that filters by
# side, status and settlement are looked up and not searched for.
_TRADE_COLUMNS: Final = """
  number INTEGER PRIMARY KEY,  -- in the order of the matches
  fill INTEGER NOT NULL,
  market INTEGER NOT NULL,
  token INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  bettor BLOB NOT NULL,
  outcome_one INTEGER NOT NULL,
  odds TEXT NOT NULL,
  stake TEXT NOT NULL,
  pot TEXT NOT NULL,
  payout TEXT NOT NULL,
  decided_at_ms INTEGER NOT NULL,
  settlement INTEGER
"""
_SCHEMA: Final = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (number INTEGER PRIMARY KEY, address BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE markets (number INTEGER PRIMARY KEY, market_hash BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE settlements (
  seq INTEGER NOT NULL, market INTEGER NOT NULL, time_ms INTEGER NOT NULL, outcome INTEGER NOT NULL,
  digest BLOB NOT NULL, number INTEGER PRIMARY KEY
) STRICT;
CREATE TABLE fills (
  number INTEGER PRIMARY KEY, fill_hash BLOB NOT NULL UNIQUE, matched_at_ms INTEGER NOT NULL,
  first_trade INTEGER NOT NULL, last_trade INTEGER NOT NULL, first_bet INTEGER NOT NULL, last_bet INTEGER NOT NULL
) STRICT;
CREATE INDEX fills_time ON fills (matched_at_ms, first_trade);
CREATE TABLE trades ({_TRADE_COLUMNS}, id BLOB NOT NULL UNIQUE, order_hash BLOB NOT NULL) STRICT;
CREATE INDEX trades_order ON trades (order_hash);
CREATE TABLE bets ({_TRADE_COLUMNS}) STRICT;
""" + "".join(
    f"CREATE INDEX {table}_{name} ON {table} ({columns}token, kind, number);\n"
    for table in ("trades", "bets")
    for name, columns in (
        ("all", ""),
        ("bettor", "bettor, "),
        ("market", "market, "),
        ("both", "bettor, market, "),
    )
)
_INSERT_TRADE: Final = f"INSERT INTO trades VALUES ({', '.join('?' * 15)})"
_INSERT_BET: Final = f"INSERT INTO bets VALUES ({', '.join('?' * 13)})"
_CONCERNS: Final = frozenset({FillMatched, FillConfirmed, FillFailed, MarketReported})


def concerns(record: Record) -> bool:
    """Whether a record says anything that the history keeps."""
    return not _CONCERNS.isdisjoint(map(type, record.events))


class HistoryDatabase:
    """Written by one thread. Raises sqlite3.Error; after that it must be opened anew."""

    def __init__(self, path: Path, identity: str) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(identity)
            self._numbers = {table: self._last(table) for table in ("trades", "bets", "tokens", "markets")}
        except BaseException:
            self.connection.close()
            raise
        self._tokens: dict[bytes, int] = {}
        self._markets: dict[bytes, int] = {}

    @property
    def cursor(self) -> int:
        """The seq of the last record that is in."""
        return self._one("SELECT value FROM meta WHERE name = 'cursor'")

    def apply(self, records: Iterable[Record], cursor: int) -> None:
        """Fold in what is new in these records: everything up to `cursor` is in then."""
        self.connection.execute("BEGIN IMMEDIATE")
        known = self.cursor
        for record in records:
            if record.seq > known:
                self._apply(record)
        self.connection.execute("UPDATE meta SET value = ? WHERE name = 'cursor'", (str(max(known, cursor)),))
        self.connection.execute("COMMIT")

    def counts(self) -> dict[str, int | None]:
        """Rows by table."""
        return {table: self._one(f"SELECT count(*) FROM {table}") for table in _COUNTED}

    def close(self) -> None:
        """Close the file; SQLite folds its write-ahead log into it."""
        self.connection.close()

    def _prepare(self, identity: str) -> None:
        execute = self.connection.execute
        execute("PRAGMA journal_mode = WAL")
        # What a power cut takes away is read from the journal again: no commit waits for the disk.
        execute("PRAGMA synchronous = NORMAL")
        execute(f"PRAGMA cache_size = -{CACHE_KB}")
        (tables,) = execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not tables:
            self.connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
            rows = (("schema", str(SCHEMA_VERSION)), ("identity", identity), ("cursor", "0"))
            execute("BEGIN")
            self.connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
            execute("COMMIT")
        meta = dict(execute("SELECT name, value FROM meta").fetchall())
        if (meta.get("schema"), meta.get("identity")) != (str(SCHEMA_VERSION), identity):
            raise NotThisHistory

    def _last(self, table: str) -> int:
        return self._one(f"SELECT coalesce(max(number), 0) FROM {table}")

    def _one(self, query: str) -> int:
        (value,) = self.connection.execute(query).fetchone()
        return int(value)

    # ---- one record -----------------------------------------------------------------------------------------------

    def _apply(self, record: Record) -> None:
        for event in record.events:
            match event:
                case FillMatched():
                    self._match(event.fill)
                case FillConfirmed():
                    self._decide(event.fill_hash, CONFIRM, record.time_ms)
                    if event.outcome is not None:  # the market was reported before (D2)
                        self._settle_fill(event.fill_hash, event.outcome, record)
                case FillFailed():
                    self._decide(event.fill_hash, FAIL, record.time_ms)
                case MarketReported():
                    self._settle_market(event.market_hash, event.outcome, record)

    def _match(self, fill: MatchedFill) -> None:
        progress = Progress(TradeState.PENDING, fill.matched_at_ms)
        trades = [(*self._row("trades", fill, one), one.id, one.order_hash) for one in trades_of(fill, progress)]
        bets = [self._row("bets", fill, one) for one in consolidated_of(fill, progress)]
        self.connection.executemany(_INSERT_TRADE, trades)
        self.connection.executemany(_INSERT_BET, bets)
        self.connection.execute(
            "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                fill.number, fill.fill_hash, fill.matched_at_ms,
                trades[0][0], trades[-1][0], bets[0][0], bets[-1][0],
            ),
        )  # fmt: skip

    def _row(self, table: str, fill: MatchedFill, one: Trade) -> tuple[object, ...]:
        self._numbers[table] += 1
        return (
            self._numbers[table],
            fill.number,
            self._number(self._markets, "markets", "market_hash", fill.market_hash),
            self._number(self._tokens, "tokens", "address", fill.base_token),
            kind_of(one.progress.state, is_maker=one.is_maker),
            one.bettor,
            one.is_betting_outcome_one,
            str(one.odds),
            str(one.stake),
            str(one.pot),
            str(one.payout),
            fill.matched_at_ms,
            None,
        )

    def _number(self, known: dict[bytes, int], table: str, column: str, name: Address | MarketHash) -> int:
        """A small number for a long name."""
        number = known.get(name)
        if number is None:
            row = self.connection.execute(f"SELECT number FROM {table} WHERE {column} = ?", (name,)).fetchone()
            if row is None:
                self._numbers[table] += 1
                row = (self._numbers[table],)
                self.connection.execute(f"INSERT INTO {table} VALUES (?, ?)", (row[0], name))
            number = known[name] = row[0]
        return number

    def _decide(self, fill_hash: FillHash, step: int, time_ms: int) -> None:
        for table, first, last in self._rows_of(fill_hash):
            self.connection.execute(
                f"UPDATE {table} SET kind = kind + ?, decided_at_ms = ? WHERE number BETWEEN ? AND ?",
                (step, time_ms, first, last),
            )

    def _settle_fill(self, fill_hash: FillHash, outcome: Outcome, record: Record) -> None:
        ranges = list(self._rows_of(fill_hash))
        (market,) = self.connection.execute("SELECT market FROM trades WHERE number = ?", (ranges[0][1],)).fetchone()
        settlement = self._settlement(market, outcome, record)
        for table, first, last in ranges:
            self.connection.execute(
                f"UPDATE {table} SET kind = kind + ?, settlement = ? WHERE number BETWEEN ? AND ?",
                (SETTLE, settlement, first, last),
            )

    def _settle_market(self, market_hash: MarketHash, outcome: Outcome, record: Record) -> None:
        """Every confirmed trade of the market; those that are pending are settled as they are confirmed."""
        row = self.connection.execute("SELECT number FROM markets WHERE market_hash = ?", (market_hash,)).fetchone()
        if row is None:
            return  # nothing was ever matched there
        settlement = self._settlement(row[0], outcome, record)
        confirmed = [kind_of(TradeState.CONFIRMED, is_maker=is_maker) for is_maker in (False, True)]
        for table in ("trades", "bets"):
            self.connection.execute(
                f"UPDATE {table} SET kind = kind + ?, settlement = ? "
                f"WHERE market = ? AND token IN (SELECT number FROM tokens) AND kind IN (?, ?)",
                (SETTLE, settlement, row[0], *confirmed),
            )

    def _settlement(self, market: int, outcome: Outcome, record: Record) -> int:
        insert = "INSERT INTO settlements (seq, market, time_ms, outcome, digest) VALUES (?, ?, ?, ?, ?)"
        values = (record.seq, market, record.time_ms, outcome.value, settlement_digest(record))
        number = self.connection.execute(insert, values).lastrowid
        assert number is not None
        return number

    def _rows_of(self, fill_hash: FillHash) -> Iterator[tuple[str, int, int]]:
        row = self.connection.execute(
            "SELECT first_trade, last_trade, first_bet, last_bet FROM fills WHERE fill_hash = ?", (fill_hash,)
        ).fetchone()
        assert row is not None, "a fill is decided after it was matched"
        yield "trades", row[0], row[1]
        yield "bets", row[2], row[3]


def state_of(folder: Path) -> dict[str, int | None]:
    """The cursor and the rows by table, of a history that somebody else may be writing. Raises sqlite3.Error."""
    uri = f"{(folder / FILE_NAME).absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        (cursor,) = connection.execute("SELECT value FROM meta WHERE name = 'cursor'").fetchone()
        counts = {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in _COUNTED}
    return {"seq": int(cursor), **counts}


class NotThisHistory(Exception):
    """The file belongs to another journal, or to a version that wrote its rows differently."""


def kind_of(state: TradeState, *, is_maker: bool) -> int:
    """State and side in one number."""
    return state.value * 2 + is_maker
