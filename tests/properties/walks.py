"""Long walks through the market: one seed is one venue from its first command to its last crash.

    .venv/bin/python -m tests.properties.walks --commands 1000000      as many walks as that takes; `make model`
    .venv/bin/python -m tests.properties.walks --seed 4711             that walk once more, its end told line by line

Hypothesis finds short ways to a mistake and shortens them; it costs a third of the time and keeps its runs short. Here
a seed is all there is: quicker, longer, and repeatable by one number.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from itertools import count
from random import Random

from tests.properties.traffic import STEPS_MS, Traffic
from tests.properties.twins import Twins

COMMANDS_PER_WALK = (100, 250, 400)
TOLD = 12  # commands before the mistake


class Walk:
    """One venue, its slow twin, and what was asked last."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.twins = Twins()
        self.told: list[str] = []
        self._random = Random(seed)
        self._traffic = Traffic(crowded=seed % 2 == 1)

    def run(self) -> int:
        """Walk to the end; returns how many commands were decided. Raises AssertionError."""
        random, twins = self._random, self.twins
        for command in self._traffic.opening():
            twins.submit(command)
        for _ in range(random.choice(COMMANDS_PER_WALK)):
            twins.pass_time(random.choice(STEPS_MS))
            command = self._traffic.any(random, twins.now_ms)
            self.told = [*self.told[-TOLD:], f"{twins.now_ms}: {command}"]
            self.told.append(f"    {twins.submit(command)}")
            twins.check()
            self._maybe_crash(random.randrange(60))
        twins.take_snapshot()
        twins.crash_beside(twins.images[0])
        twins.crash()
        twins.check()
        return twins.decided

    def _maybe_crash(self, chance: int) -> None:
        if chance == 0:
            self.twins.take_snapshot()
        elif chance == 1:
            self.twins.crash()
        elif chance == 2 and self.twins.images:
            self.twins.crash_beside(self._random.choice(self.twins.images))


def main() -> int:
    """Walk until so many commands were decided; prints the seed of a walk that fails, and ends with 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=100_000, help="how many to decide, at least")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first walk")
    parser.add_argument("--seed", type=int, help="only this walk")
    options = parser.parse_args()
    decided, began, told_at = 0, time.perf_counter(), 0.0
    for walks, seed in enumerate(count(options.first) if options.seed is None else [options.seed], start=1):
        walk = Walk(seed)
        try:
            decided += walk.run()
        except Exception:
            print(*walk.told, sep="\n")
            traceback.print_exc()
            print(f"seed {seed}: .venv/bin/python -m tests.properties.walks --seed {seed}", file=sys.stderr)
            return 1
        seconds = time.perf_counter() - began
        done = options.seed is not None or decided >= options.commands
        if done or seconds - told_at > 30:
            told_at = seconds
            print(f"{decided} commands on {walks} walks, {decided / seconds:.0f} a second", flush=True)
        if done:
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
