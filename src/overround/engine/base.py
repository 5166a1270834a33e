"""What every command, event and snapshot section is, of either kind of market.

Here and not beside the unions, because the unions hold what continuous markets know (`continuous/`), which starts here.
"""

from __future__ import annotations

import msgspec


class Command(msgspec.Struct, frozen=True, tag=True, tag_field="command", kw_only=True, omit_defaults=True):
    """Base of all commands; the tag is the class name in the journal."""


class Event(msgspec.Struct, frozen=True, tag=True, tag_field="event", kw_only=True, gc=False):
    """Base of all events; the tag is the class name in the journal."""


class Section(msgspec.Struct, frozen=True, tag=True, tag_field="section"):
    """Base of the parts of a snapshot."""
