"""``engine``: posts and cancels per second, and bytes per resting order, of the bare engine.

Everything around the engine is left out: no sockets, no signatures, no journal. Each command carries one order or one
hash, as a bot sends them. A thousand makers quote five prices on both sides of some of five hundred markets. Bytes per
order are the growth of the process's resident memory, with all indexes. Each size runs in a process of its own, so that
none inherits another's heap.
"""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from benchmarks.harness import BenchmarkError, Bound, Figure, Settings
from overround.engine.commands import (
    CancelOrders,
    ConfigureVenue,
    CreateFixture,
    CreateMarket,
    NewOrder,
    PlaceOrders,
    SetBalance,
)
from overround.engine.engine import Engine
from overround.engine.events import FixtureCreated
from overround.engine.rules import Rules, Token
from overround.engine.types import Address, MarketHash, OrderHash
from overround.protocols.sx.units import pack_salt

SIZES = (100_000, 1_000_000)
RATE_BOUND = Bound(">=", 100_000)
BYTES_BOUND = Bound("<=", 800)

MAKERS = 1_000
FIXTURES = 250
MARKETS_PER_FIXTURE = 2
PRICES_PER_SIDE = 5
CHUNK = 1_000
CANCELLED_SHARE = 10  # every tenth order
NOW_MS = 1_790_000_000_000
LADDER = 125 * 10**15
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def run(settings: Settings) -> Iterator[Figure]:
    """The figures of this benchmark."""
    del settings
    for size in SIZES:
        found = _in_own_process(size)
        rate_bound = RATE_BOUND if size == SIZES[-1] else None
        yield Figure("posts", found["posts_per_s"], f"{size} resting orders", "/s", rate_bound)
        yield Figure("cancels", found["cancels_per_s"], f"{size} resting orders, by hash", "/s", rate_bound)
        yield Figure("memory", found["bytes_per_order"], f"{size} resting orders", " bytes/order", BYTES_BOUND)


def _in_own_process(size: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.engine", str(size)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise BenchmarkError(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(size: int) -> dict[str, float]:
    """Fill an engine with `size` resting orders, then cancel some of them one by one."""
    engine, world = Engine(), World(random.Random(7))
    for command in world.opening():
        for event in engine.execute(command, NOW_MS):  # type: ignore[union-attr]
            if isinstance(event, FixtureCreated):
                for market in world.markets_of(event.fixture):
                    engine.execute(market, NOW_MS)
    gc.collect()
    gc.freeze()
    before = resident_bytes()
    posting = seconds_to_execute(engine, (PlaceOrders(orders=(world.order(),)) for _ in range(size)))
    gc.collect()
    grown = resident_bytes() - before
    assert len(engine.state.orders) == size, "every order must rest"
    names = list(engine.state.orders)
    cancelled = world.random.sample(names, size // CANCELLED_SHARE)
    terms = (engine.state.orders[name].terms for name in cancelled)
    cancelling = seconds_to_execute(engine, map(world.cancel, terms))
    assert len(engine.state.orders) == size - len(cancelled), "every cancel must cancel"
    return {
        "posts_per_s": size / posting,
        "cancels_per_s": len(cancelled) / cancelling,
        "bytes_per_order": grown / size,
    }


def seconds_to_execute(engine: Engine, commands: Iterator[PlaceOrders | CancelOrders]) -> float:
    """CPU time of the engine, without that of making the commands: they come freshly decoded, in chunks."""
    seconds = 0.0
    while chunk := list(islice(commands, CHUNK)):
        started = time.process_time()
        for command in chunk:
            engine.execute(command, NOW_MS)
        seconds += time.process_time() - started
    return seconds


class World:
    """Makers, markets and what they do, from one seed."""

    def __init__(self, source: random.Random) -> None:
        self.random = source
        self._token = Address(source.randbytes(20))
        self._makers = [Address(source.randbytes(20)) for _ in range(MAKERS)]
        self._markets: list[MarketHash] = []
        self._quotes: Iterator[NewOrder] = iter(())

    def opening(self) -> Iterator[ConfigureVenue | SetBalance | CreateFixture]:
        """Rules, money and fixtures."""
        token = Token("USDC", self._token, 6, 1, 1)
        yield ConfigureVenue(
            rules=Rules(
                chain_id=4162,
                executor=Address(bytes(20)),
                tokens=(token,),
                odds_ladder_step=125,
                cancel_timestamp_past_max_s=600,
                cancel_timestamp_future_max_s=60,
            )
        )
        for maker in self._makers:
            yield SetBalance(account=maker, token=self._token, amount=10**18)
        for _ in range(FIXTURES):
            yield CreateFixture(
                sport_id=5,
                league_label="league",
                team_one_name="one",
                team_two_name="two",
                game_time_s=NOW_MS // 1000 + 86_400,
            )

    def markets_of(self, fixture: object) -> Iterator[CreateMarket]:
        """The markets of a fixture."""
        for kind in range(MARKETS_PER_FIXTURE):
            market_hash = MarketHash(self.random.randbytes(32))
            self._markets.append(market_hash)
            yield CreateMarket(
                market_hash=market_hash,
                fixture_id=fixture.fixture_id,  # type: ignore[attr-defined]
                type=kind,
                outcome_one_name="one",
                outcome_two_name="two",
            )

    def order(self) -> NewOrder:
        """The next order of somebody's quote."""
        quoted = next(self._quotes, None)
        if quoted is None:
            self._quotes = self._quote()
            quoted = next(self._quotes)
        return quoted

    def _quote(self) -> Iterator[NewOrder]:
        """One maker quotes one market."""
        maker, market = self.random.choice(self._makers), self.random.choice(self._markets)
        middle = self.random.randrange(100, 700)
        for step in range(PRICES_PER_SIDE):
            yield self._signed(maker, market, middle - step, is_one=True)
            yield self._signed(maker, market, 800 - middle - step, is_one=False)

    def _signed(self, maker: Address, market: MarketHash, rung: int, *, is_one: bool) -> NewOrder:
        """A fresh order as a decoder makes it: no field shares its object with another order."""
        source = self.random
        return NewOrder(
            order_hash=OrderHash(source.randbytes(32)),
            market_hash=MarketHash(bytes(bytearray(market))),
            maker=Address(bytes(bytearray(maker))),
            base_token=Address(bytes(bytearray(self._token))),
            total_bet_size=10_000_000 + source.randrange(10**9),
            percentage_odds=rung * LADDER,
            salt=pack_salt(str(source.getrandbits(256))),
            is_maker_betting_outcome_one=is_one,
            signature=source.randbytes(65),
            api_expiry=NOW_MS // 1000 + 3_600 + source.randrange(3_600),
        )

    def cancel(self, terms: NewOrder) -> CancelOrders:
        """A cancel of one order by its hash."""
        return CancelOrders(
            maker=terms.maker,
            digest=self.random.randbytes(32),
            timestamp_s=NOW_MS // 1000,
            order_hashes=("0x" + terms.order_hash.hex(),),
        )


def resident_bytes() -> int:
    """The resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
