"""Run benchmarks by name and print one line per figure: ``python -m benchmarks [name ...]``."""

import argparse
import signal
import sys
from collections.abc import Callable, Iterable

from benchmarks import (
    cancel_under_attack,
    connections,
    engine,
    fan_out,
    gateway_cancel,
    heartbeat,
    post_to_push,
    signed_cancel,
)
from benchmarks.harness import BenchmarkError, Figure, Settings

BENCHMARKS: dict[str, Callable[[Settings], Iterable[Figure]]] = {
    "engine": engine.run,
    "signed-cancel": signed_cancel.run,
    "gateway-cancel": gateway_cancel.run,
    "cancel-under-attack": cancel_under_attack.run,
    "fan-out": fan_out.run,
    "post-to-push": post_to_push.run,
    "connections": connections.run,
    "heartbeat": heartbeat.run,
}


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 all bounds hold, 1 one was missed, 2 a benchmark could not be run."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        settings = Settings(options.rounds, options.seconds, options.server)
        missed = [report(name, settings) for name in options.names or BENCHMARKS]
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 1 if any(missed) else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=Settings.rounds)
    parser.add_argument("--seconds", type=float, default=Settings.seconds, help="of each phase")
    parser.add_argument("--server", default="", help="command of another server, with {port} and {data_dir}")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    if not (1 <= options.rounds <= 100 and 0.1 <= options.seconds <= 60):
        parser.error("1 to 100 rounds, phases of 0.1 to 60 seconds")
    return options


def report(name: str, settings: Settings) -> bool:
    """Print the figures of one benchmark; True when one missed its bound."""
    missed = False
    for figure in BENCHMARKS[name](settings):
        print(figure.line(name), flush=True)
        missed |= figure.missed
    return missed


if __name__ == "__main__":
    sys.exit(main())
