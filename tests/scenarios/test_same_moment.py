"""Every set of deadlines that one order can meet in one millisecond, prepared in every order (spec/decisions.md D9).

What comes out is thought out here from the rule alone: expiry, match start, heartbeat, settlement, held fill; and a
cancel either a millisecond before all of them or in the same one, after them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, permutations

import pytest

from overround.testing.floors import EngineFloor
from overround.testing.scenario import parse, play

PREPARED = ("expiry", "start", "heartbeat")
FILLS = ("settlement", "release")
CANCELS = ("none", "before", "after")


def moments() -> Iterator[tuple[tuple[str, ...], frozenset[str], str]]:
    """What is prepared, in that order; which fills there are; when a cancel comes."""
    sets = chain.from_iterable(combinations(PREPARED, size) for size in range(4))
    for chosen in sets:
        for prepared in permutations(chosen):
            for fills in chain.from_iterable(combinations(FILLS, size) for size in range(3)):
                for cancel in CANCELS:
                    yield prepared, frozenset(fills), cancel


def script(prepared: tuple[str, ...], fills: frozenset[str], cancel: str) -> str:
    """The day, up to the moment and with what must be true at it."""
    lines = ["fixture cup starts +9h -> ok", "market A cup -> ok"]
    lines += [f"balance {who} 1000 -> ok" for who in ("alice", "carol")]
    if "expiry" not in prepared:
        lines.append("place alice a1 A one 40 -> ok")
    for one in prepared:
        lines.append(
            {
                "expiry": "place alice a1 A one 40 until +60s -> ok",
                "start": "update cup starts +60s -> ok",
                "heartbeat": "ping alice 60s -> ok",
            }[one]
        )
    lines.append("wait 59s")
    if "settlement" in fills:
        lines.append("fill carol A two 10 as f1 -> held")
    lines.append("wait 500ms")
    if "release" in fills:
        lines.append("fill carol A two 10 as f2 -> held")
    lines.append("wait 499ms")
    if cancel == "before":
        lines.append("cancel alice a1 -> a1 cancelled")
    lines.append("wait 1ms")
    return "\n".join([*lines, *expected(set(prepared), fills, cancel)])


def expected(due: set[str], fills: frozenset[str], cancel: str) -> Iterator[str]:
    """What the rule says."""
    ended_before_heartbeat = cancel == "before" or bool(due & {"expiry", "start"})
    ended = ended_before_heartbeat or "heartbeat" in due
    if "heartbeat" in due:
        yield f"fired alice -> {'nothing' if ended_before_heartbeat else 'a1'}"
        yield "heartbeat alice -> off"
    if "settlement" in fills:
        yield "bets f1 -> a1 10+10 success"
    if "release" in fills:
        refusal = "match_state_invalid" if "start" in due else "no_matching_orders"
        yield f"result f2 -> {refusal if ended else '10 @ 50'}"
    filled, pending = 10 * ("settlement" in fills), 10 * ("release" in fills)
    yield f"order a1 -> {'not listed' if ended else f'filled {filled} pending {pending}'}"
    if cancel == "after":
        yield f"cancel alice a1 -> a1 {'not_found_or_inactive' if ended else 'cancelled'}"
        yield "open alice -> nothing"


@pytest.mark.row("LIFE-01", "LIFE-03", "HB-04", "FILL-03", "FILL-07", "CAN-15")
@pytest.mark.parametrize("cancel", CANCELS)
def test_one_millisecond_has_one_order_however_it_was_prepared(cancel: str) -> None:
    for prepared, fills, when in moments():
        if when == cancel:
            name = " ".join([*prepared, *sorted(fills), when])
            play(parse(script(prepared, fills, when), name), EngineFloor())
