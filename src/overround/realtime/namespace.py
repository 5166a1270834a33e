"""Namespaces: what the channels of one family may do, and for whom (centrifugo.md 7, 16, 20).

The namespace of a channel is the text before its first `:`; a channel without one uses the options of
`Namespaces.without_namespace`. Everything is off until an option turns it on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

__all__ = [
    "CHANNEL_NAME_BYTES_MAX",
    "Grant",
    "Namespace",
    "Namespaces",
    "grant",
    "may_publish",
    "may_read_history",
    "may_see_presence",
    "may_subscribe",
]

CHANNEL_NAME_BYTES_MAX = 255  # 14.1
PRIVATE_PREFIX = "$"  # such a channel always needs a token (16)
USER_BOUNDARY = "#"  # users allowed on the channel follow it, separated by commas (16)
SEPARATOR = ":"

DAY_MS = 24 * 60 * 60 * 1000
MIB = 1024 * 1024

_NAME = re.compile(r"[-a-zA-Z0-9_.]{2,}")


class Namespace(Struct, frozen=True, kw_only=True):
    """The options of one family of channels.

    Raises ValueError for options that contradict each other.
    """

    # Publications come from journal records, so offsets and epoch outlive the process (decisions R5).
    # Clients can never publish there: the offsets would no longer follow from the journal.
    journaled: bool = False

    # Both or neither. After `history_ttl_ms` without a publication the history is emptied; after
    # `history_meta_ttl_ms` the position is forgotten too, in a way that never fakes a recovery.
    history_size: int = 0
    history_ttl_ms: int = 0
    history_meta_ttl_ms: int = 30 * DAY_MS
    # Bounds of the whole family; the streams that were quiet longest give way.
    history_bytes_max: int = 256 * MIB
    streams_max: int = 1_000_000

    # `allow` grants a client that asks, `force` also one that does not. Recovery implies positioning.
    allow_positioning: bool = False
    force_positioning: bool = False
    allow_recovery: bool = False
    force_recovery: bool = False

    # `for_client` is any user with a name, `for_subscriber` one on the channel; `for_anonymous` extends
    # both to connections without a user.
    allow_subscribe_for_client: bool = False
    allow_subscribe_for_anonymous: bool = False
    allow_publish_for_client: bool = False
    allow_publish_for_subscriber: bool = False
    allow_publish_for_anonymous: bool = False
    allow_history_for_client: bool = False
    allow_history_for_subscriber: bool = False
    allow_history_for_anonymous: bool = False
    allow_presence_for_client: bool = False
    allow_presence_for_subscriber: bool = False
    allow_presence_for_anonymous: bool = False

    presence: bool = False  # who is here can be asked at all
    join_leave: bool = False  # coming and going is pushed to those who may see presence and ask for it
    force_push_join_leave: bool = False  # ... and to everybody

    # What clients of a binary framing publish need not be JSON; peers that read nothing else cannot stay then.
    binary_publications: bool = False

    def __post_init__(self) -> None:
        if self.history_size < 0 or self.history_ttl_ms < 0:
            raise ValueError("history_size and history_ttl_ms cannot be negative")
        if (self.history_size > 0) != (self.history_ttl_ms > 0):
            raise ValueError("history_size and history_ttl_ms must both be set or both be 0")
        if (self.force_recovery or self.force_positioning) and not self.has_history:
            raise ValueError("force_recovery and force_positioning need a history")
        if self.history_ttl_ms > self.history_meta_ttl_ms:
            raise ValueError("history_ttl_ms must not exceed history_meta_ttl_ms")
        if self.journaled and (self.allow_publish_for_client or self.allow_publish_for_subscriber):
            raise ValueError("clients cannot publish to a journaled namespace")
        if self.history_bytes_max < 1 or self.streams_max < 1:
            raise ValueError("history_bytes_max and streams_max must be positive")

    @property
    def has_history(self) -> bool:
        """Whether publications get offsets and are kept."""
        return self.history_size > 0


class Namespaces(Struct, frozen=True):
    """All namespaces of a hub by name, and the options of channels without one (None: there are none).

    Raises ValueError for a name that no channel could carry.
    """

    named: Mapping[str, Namespace] = {}
    without_namespace: Namespace | None = None

    def __post_init__(self) -> None:
        for name in self.named:
            if not _NAME.fullmatch(name):
                raise ValueError(f"not a namespace name: {name!r}")

    def name_of(self, channel: str) -> str:
        """The namespace a channel belongs to; "" when it has none."""
        name, separator, _ = channel.removeprefix(PRIVATE_PREFIX).partition(SEPARATOR)
        return name if separator else ""

    def of(self, channel: str) -> Namespace | None:
        """The options that rule a channel, or None where its namespace is unknown."""
        return self.get(self.name_of(channel))

    def get(self, name: str) -> Namespace | None:
        """The options of a namespace by name; "" asks for those of channels without one."""
        return self.named.get(name) if name else self.without_namespace


# -- who may do what (16) --------------------------------------------------------------------------
#
# `insecure` is the mode for tests and trials in which everybody may do everything that the namespace can
# do at all. `user` is "" for an anonymous connection.


def may_subscribe(namespace: Namespace, channel: str, user: str, *, insecure: bool = False) -> bool:
    """Whether a connection may subscribe without a subscription token."""
    if insecure:
        return True
    if channel.startswith(PRIVATE_PREFIX):
        return False
    if USER_BOUNDARY in channel:
        return user != "" and user in channel.rpartition(USER_BOUNDARY)[2].split(",")
    return namespace.allow_subscribe_for_client and (user != "" or namespace.allow_subscribe_for_anonymous)


def may_publish(namespace: Namespace, user: str, *, subscribed: bool, insecure: bool = False) -> bool:
    """Whether a client may publish; never to a journaled namespace, not even in insecure mode."""
    if namespace.journaled:
        return False
    return insecure or _permitted(
        namespace.allow_publish_for_client,
        namespace.allow_publish_for_subscriber and subscribed,
        namespace.allow_publish_for_anonymous,
        user,
    )


def may_read_history(namespace: Namespace, user: str, *, subscribed: bool, insecure: bool = False) -> bool:
    """Whether a client may ask for past publications."""
    return insecure or _permitted(
        namespace.allow_history_for_client,
        namespace.allow_history_for_subscriber and subscribed,
        namespace.allow_history_for_anonymous,
        user,
    )


def may_see_presence(namespace: Namespace, user: str, *, subscribed: bool, insecure: bool = False) -> bool:
    """Whether a client may ask who is on a channel."""
    return insecure or _permitted(
        namespace.allow_presence_for_client,
        namespace.allow_presence_for_subscriber and subscribed,
        namespace.allow_presence_for_anonymous,
        user,
    )


def _permitted(for_client: bool, for_this_subscriber: bool, for_anonymous: bool, user: str) -> bool:
    return (for_client or for_this_subscriber) and (user != "" or for_anonymous)


class Grant(Struct, frozen=True):
    """The switches a subscription gets."""

    positioned: bool = False
    recoverable: bool = False
    push_join_leave: bool = False


def grant(
    namespace: Namespace,
    user: str,
    *,
    positioned: bool = False,
    recoverable: bool = False,
    join_leave: bool = False,
    insecure: bool = False,
) -> Grant:
    """Weigh what a subscriber asks for against the namespace.

    What is asked for but not permitted is not granted, silently (7); without a history there is nothing
    to position (sx.md 6.5).
    """
    history = may_read_history(namespace, user, subscribed=True, insecure=insecure)
    presence = may_see_presence(namespace, user, subscribed=True, insecure=insecure)
    recovery = namespace.force_recovery or (
        recoverable and (namespace.allow_recovery or history) and namespace.has_history
    )
    return Grant(
        positioned=recovery
        or namespace.force_positioning
        or (positioned and (namespace.allow_positioning or history) and namespace.has_history),
        recoverable=recovery,
        push_join_leave=namespace.join_leave and (namespace.force_push_join_leave or (join_leave and presence)),
    )
