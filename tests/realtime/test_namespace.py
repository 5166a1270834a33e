"""Options of namespaces, and who may do what under them."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from overround.realtime import (
    Grant,
    Namespace,
    Namespaces,
    grant,
    may_publish,
    may_read_history,
    may_see_presence,
    may_subscribe,
)

KEPT: dict[str, Any] = {"history_size": 10, "history_ttl_ms": 1000}


@pytest.mark.parametrize(
    "options",
    [
        {"history_size": 1},
        {"history_ttl_ms": 1},
        {"history_size": -1, "history_ttl_ms": -1},
        {"force_recovery": True},
        {"force_positioning": True},
        KEPT | {"history_meta_ttl_ms": 999},
        KEPT | {"journaled": True, "allow_publish_for_client": True},
        KEPT | {"journaled": True, "allow_publish_for_subscriber": True},
        {"streams_max": 0},
        {"history_bytes_max": 0},
    ],
)
def test_contradicting_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Namespace(**options)


@pytest.mark.parametrize("name", ["", "a", "a b", "a:b", "é" * 3, "#ab"])
def test_names_that_no_channel_could_carry_are_refused(name: str) -> None:
    with pytest.raises(ValueError):
        Namespaces({name: Namespace()})


def test_the_namespace_is_what_stands_before_the_first_colon() -> None:
    book, other = Namespace(), Namespace(presence=True)
    named = Namespaces({"book": book})
    both = Namespaces({"book": book}, other)
    for channel in ("book:a", "book:", "book:a:b", "$book:a"):
        assert named.of(channel) is both.of(channel) is book
    for channel in ("book", "", "Book", "$", "#42", ":a"):
        assert named.of(channel) is None
        assert both.of(channel) is other
    assert both.of("books:a") is None


def test_subscribing_is_for_named_users_unless_anonymous_ones_are_let_in() -> None:
    for client, anonymous, user in product((False, True), (False, True), ("", "u")):
        namespace = Namespace(allow_subscribe_for_client=client, allow_subscribe_for_anonymous=anonymous)
        assert may_subscribe(namespace, "a", user) == (client and (user == "u" or anonymous))
        assert may_subscribe(namespace, "a", user, insecure=True)


def test_private_channels_need_a_token_and_limited_ones_the_right_user() -> None:
    open_to_all = Namespace(allow_subscribe_for_client=True, allow_subscribe_for_anonymous=True)
    assert not may_subscribe(open_to_all, "$a", "u")
    assert may_subscribe(open_to_all, "$a", "", insecure=True)
    for channel, users in (("a#u", "u"), ("#u,v", "uv"), ("a#b#v", "v"), ("a#", "")):
        for user in ("u", "v", ""):
            expected = user != "" and user in users
            assert may_subscribe(open_to_all, channel, user) == expected, channel
            assert may_subscribe(Namespace(), channel, user) == expected


@pytest.mark.parametrize(
    ("word", "may"),
    [("publish", may_publish), ("history", may_read_history), ("presence", may_see_presence)],
)
def test_the_other_permissions(word: str, may: Any) -> None:
    cases = product((False, True), (False, True), (False, True), ("", "u"), (False, True))
    for client, subscriber, anonymous, user, subscribed in cases:
        options: dict[str, Any] = {
            f"allow_{word}_for_client": client,
            f"allow_{word}_for_subscriber": subscriber,
            f"allow_{word}_for_anonymous": anonymous,
        }
        namespace = Namespace(**options)
        expected = (client or (subscriber and subscribed)) and (user == "u" or anonymous)
        assert may(namespace, user, subscribed=subscribed) == expected
        assert may(namespace, user, subscribed=subscribed, insecure=True)


def test_nobody_publishes_to_a_journaled_namespace() -> None:
    assert not may_publish(Namespace(journaled=True), "u", subscribed=True, insecure=True)


def test_what_is_granted() -> None:
    allowing = Namespace(allow_positioning=True, allow_recovery=True, **KEPT)
    reading = Namespace(allow_history_for_subscriber=True, **KEPT)
    for namespace in (allowing, reading):
        assert grant(namespace, "u") == Grant()
        assert grant(namespace, "u", positioned=True) == Grant(positioned=True)
        assert grant(namespace, "u", recoverable=True) == Grant(positioned=True, recoverable=True)
    assert grant(reading, "", positioned=True, recoverable=True) == Grant()
    assert grant(reading, "", recoverable=True, insecure=True).recoverable
    assert grant(Namespace(**KEPT), "u", positioned=True, recoverable=True) == Grant()
    # Without a history there is nothing to stand on.
    bare = Namespace(allow_positioning=True, allow_recovery=True)
    assert grant(bare, "u", positioned=True, recoverable=True) == Grant()
    assert grant(Namespace(force_positioning=True, **KEPT), "") == Grant(positioned=True)
    forced = Namespace(force_recovery=True, **KEPT)
    assert grant(forced, "") == Grant(positioned=True, recoverable=True)


def test_joins_and_leaves_are_granted_to_those_who_may_see_presence() -> None:
    asked = Namespace(join_leave=True, allow_presence_for_subscriber=True)
    assert grant(asked, "u", join_leave=True) == Grant(push_join_leave=True)
    assert grant(asked, "u") == grant(asked, "", join_leave=True) == Grant()
    assert grant(Namespace(join_leave=True), "u", join_leave=True) == Grant()
    assert grant(Namespace(join_leave=True, force_push_join_leave=True), "").push_join_leave
    assert not grant(Namespace(force_push_join_leave=True), "u").push_join_leave
