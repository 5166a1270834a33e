"""The pub/sub hub: channels with offset, epoch and bounded history; sessions with a bounded outbox.

Pure: no sockets, no protocol, no clock. `protocols.centrifugo` says how a shell drives it.

The feed, after a journal record is durable::

    hub.publish("order_book:event_L1", payload, record.time_ms, message_id=...)

Times handed to `publish`, `join`, `history` and `tick` are of one clock: that of the journal records.

On start: `hub.restore(snapshot)`, then publish what the journal holds after `hub.cursor`. Offsets come out
the same as before, so clients recover across the restart.
"""

from overround.realtime.endings import (
    INAPPROPRIATE_PROTOCOL,
    INSUFFICIENT_STATE,
    LOST_POSITION,
    SLOW,
    Disconnect,
    Unsubscribe,
)
from overround.realtime.hub import History, Hub, Joined, UnknownNamespace
from overround.realtime.namespace import (
    CHANNEL_NAME_BYTES_MAX,
    Grant,
    Namespace,
    Namespaces,
    grant,
    may_publish,
    may_read_history,
    may_see_presence,
    may_subscribe,
)
from overround.realtime.publication import ClientInfo, Framing, Position, Publication
from overround.realtime.session import Limits, Session, Subscription

__all__ = [
    "CHANNEL_NAME_BYTES_MAX",
    "INAPPROPRIATE_PROTOCOL",
    "INSUFFICIENT_STATE",
    "LOST_POSITION",
    "SLOW",
    "ClientInfo",
    "Disconnect",
    "Framing",
    "Grant",
    "History",
    "Hub",
    "Joined",
    "Limits",
    "Namespace",
    "Namespaces",
    "Position",
    "Publication",
    "Session",
    "Subscription",
    "UnknownNamespace",
    "Unsubscribe",
    "grant",
    "may_publish",
    "may_read_history",
    "may_see_presence",
    "may_subscribe",
]
