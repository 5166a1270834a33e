"""Who comes first when more arrives than can be done: cancels, then posts, then those who were just refused.

Verifying a signature costs more than everything else about a request. A cancel of a connection that is trusted is
verified as soon as the sockets have been looked at (`verifier.py`). Whatever else is signed waits in a queue that is
worked off in slices between two looks at the sockets, so that a cancel never waits for more than one slice, however
many posts there are. When the queue is full, posts are turned away.

Cancels themselves may be the flood. A connection whose last signed request was refused goes to a queue of its own,
behind the posts, until one of its requests is good again; so does a connection that never sent a good one while its
client sends bad cancels by the hundred. Nobody is refused there: a good cancel gets its answer, only later.

A good cancel is not done when it is verified: it must reach the disk, by way of a thread that needs the interpreter as
badly as the next signature does. So the queues rest while a cancel is under way, but not for longer than they worked
twice over: a flood of good cancels leaves a third of the time to everybody else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum
from time import perf_counter
from typing import Final

from overround.runtime.sequencer import InboxFull
from overround.server.eager import Wait

SLICE_S: Final = 0.001  # spent on signed requests that are no cancels before the sockets are looked at again
REST_MAX_S: Final = 0.002  # without a slice, while cancels are under way
POSTS_WAITING_MAX: Final = 2_000
SUSPECTS_WAITING_MAX: Final = 10_000
POSTS_PER_SUSPECT: Final = 4  # while both wait


class Standing(Enum):
    """What is known of a connection by the last signed request on it."""

    NEW = 0
    PROVEN = 1  # it was good
    SUSPECT = 2  # it was refused


class Sender:
    """One connection, as a source of signed requests."""

    __slots__ = ("standing",)

    def __init__(self) -> None:
        self.standing = Standing.NEW


class Lanes:
    """The two queues behind the cancels."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._posts: deque[Wait[None]] = deque()
        self._suspects: deque[Wait[None]] = deque()
        self._is_scheduled = False
        self._cancels_under_way = 0
        self._rest: asyncio.TimerHandle | None = None
        self._turns = 0

    @property
    def waiting(self) -> int:
        """Signed requests that wait for their turn."""
        return len(self._posts) + len(self._suspects)

    def post(self) -> Wait[None]:
        """Await it before a signed request that is no cancel. Raises InboxFull."""
        if len(self._posts) >= POSTS_WAITING_MAX:
            raise InboxFull
        return self._turn_in(self._posts)

    def suspect(self) -> Wait[None]:
        """Await it before a signed request of a connection that is not trusted. Raises InboxFull."""
        if len(self._suspects) >= SUSPECTS_WAITING_MAX:
            raise InboxFull
        return self._turn_in(self._suspects)

    def cancel_begins(self) -> None:
        """A cancel is about to be verified and submitted."""
        self._cancels_under_way += 1

    def cancel_ends(self) -> None:
        """It has its answer."""
        self._cancels_under_way -= 1
        if self._cancels_under_way == 0 and self._rest is not None:
            self._rest.cancel()
            self._rest = None
            self._loop.call_soon(self._slice)

    def _turn_in(self, queue: deque[Wait[None]]) -> Wait[None]:
        turn: Wait[None] = Wait()
        queue.append(turn)
        self._schedule()
        return turn

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            if self._cancels_under_way:
                self._rest = self._loop.call_later(REST_MAX_S, self._slice)
            else:
                self._loop.call_soon(self._slice)

    def _slice(self) -> None:
        self._rest = None
        under_way = self._cancels_under_way
        posts, suspects = self._posts, self._suspects
        until = perf_counter() + SLICE_S
        try:
            while posts or suspects:
                self._turns += 1
                suspect_first = self._turns % (POSTS_PER_SUSPECT + 1) == 0
                queue = suspects if suspects and (suspect_first or not posts) else posts
                queue.popleft().resume(None)
                if perf_counter() >= until or self._cancels_under_way > under_way:
                    break
        finally:
            self._is_scheduled = False
            if posts or suspects:
                self._schedule()
