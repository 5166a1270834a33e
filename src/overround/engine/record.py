"""One decided command: what the journal keeps, and what views and feeds are derived from."""

from __future__ import annotations

import msgspec

from overround.engine.commands import AnyCommand
from overround.engine.events import AnyEvent


class Record(msgspec.Struct, frozen=True, gc=False):
    """A command with its place and time in the one total order, and what came of it.

    `epoch` is raised when the journal changes owner; `command_id` is the id under which the command was submitted,
    so that the outcome of a command whose answer was lost can be looked up.
    """

    seq: int
    time_ms: int
    epoch: int
    command_id: str
    command: AnyCommand
    events: list[AnyEvent]
