"""Budgets: which group a request is in, how windows count, and who pays for a cancel."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overround.config import LimitsConfig
from overround.engine.types import Address
from overround.server.http import Request
from overround.server.lanes import Sender
from overround.server.limits import (
    ALL,
    CANCELS,
    FAILED_CANCELS_MAX,
    HEARTBEATS,
    ORDER_READS,
    OTHERS,
    POSTS,
    TRADE_READS,
    Bucket,
    Limits,
    TooManyRequests,
    group_of,
    network_of,
)
from overround.signing.api_keys import key_digest

ALICE, BOB, NOBODY = Address(b"a" * 20), Address(b"b" * 20), Address(b"n" * 20)


# ---- groups --------------------------------------------------------------------------------------------------------


@pytest.mark.row("HTTP-09")
@pytest.mark.parametrize(
    ("method", "path", "group"),
    [
        ("POST", "/orders/new", POSTS),
        ("POST", "/orders/fill/v2", POSTS),
        ("POST", "/orders/approve", POSTS),
        ("POST", "/orders", POSTS),
        ("POST", "/orders/canceled", POSTS),
        ("POST", "/orders/cancel/v2", CANCELS),
        ("POST", "/orders/cancel/all", CANCELS),
        ("POST", "/orders/cancel/of-tomorrow", CANCELS),
        ("GET", "/orders", ORDER_READS),
        ("HEAD", "/orders", ORDER_READS),
        ("GET", "/orders/odds/best", ORDER_READS),
        ("GET", "/trades", TRADE_READS),
        ("GET", "/trades/consolidated", TRADE_READS),
        ("GET", "/tradesmen", OTHERS),
        ("GET", "/ordersx", OTHERS),
        ("PUT", "/orders/new", OTHERS),
        ("GET", "/metadata", OTHERS),
        ("POST", "/heartbeat", HEARTBEATS),
        ("POST", "/user/heartbeat", HEARTBEATS),
        ("POST", "/user/heartbeat/cancel", HEARTBEATS),
        ("GET", "/user/exposure", OTHERS),
        ("GET", "/", OTHERS),
        ("GET", "/no/such/path", OTHERS),
        ("GET", "/admin/digest", None),
        ("POST", "/admin/api-keys", None),
        ("GET", "/administration", OTHERS),
        ("GET", "/healthz", None),
        ("GET", "/readyz", None),
        ("GET", "/metrics", None),
        ("GET", "/docs", None),
        ("GET", "/openapi.json", None),
        ("GET", "/sandbox", None),
        ("GET", "/connection/websocket", None),
    ],
)
def test_the_group_follows_from_method_and_path(method: str, path: str, group: str | None) -> None:
    assert group_of(method, path) == group


@pytest.mark.parametrize(
    ("address", "stands_for"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("no:address", "no:address"),
    ],
)
def test_an_address_of_ipv6_stands_for_its_network(address: str, stands_for: str) -> None:
    assert network_of(address) == stands_for


# ---- buckets -------------------------------------------------------------------------------------------------------


class SlowBucket:
    """The obvious one: every request that was ever charged, and windows found by walking through them."""

    def __init__(self, limit: int, window_s: int) -> None:
        self.limit, self.window_s = limit, window_s
        self.charged: list[tuple[str, float]] = []

    def window(self, client: str, now: float) -> list[float]:
        """The charges of the client's window that is open now, if one is."""
        window: list[float] = []
        for who, at in self.charged:
            if who == client:
                window = [*window, at] if window and at < window[0] + self.window_s else [at]
        return window if window and now < window[0] + self.window_s else []

    def is_used_up(self, client: str, now: float) -> bool:
        return len(self.window(client, now)) >= self.limit

    def charge(self, client: str, now: float) -> None:
        self.charged.append((client, now))


_STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0.0, 0.5, 1.0, 3.0, 10.0, 11.0])), max_size=60)


@pytest.mark.row("HTTP-09")
@given(steps=_STEPS, limit=st.integers(1, 4))
def test_a_bucket_counts_as_the_obvious_one_does(steps: list[tuple[str, float]], limit: int) -> None:
    bucket, slow, now = Bucket(limit, 10, clients_max=100), SlowBucket(limit, 10), 1_000.0
    for client, wait in steps:
        now += wait
        assert bucket.is_used_up(client, now) == slow.is_used_up(client, now)
        window = slow.window(client, now)
        assert bucket.remaining(client, now) == limit - len(window)
        if not bucket.is_used_up(client, now):
            bucket.charge(client, now)
            slow.charge(client, now)
        window = slow.window(client, now)
        assert 0 < bucket.reset_s(client, now) <= 10
        assert now + bucket.reset_s(client, now) >= window[0] + 10 > now + bucket.reset_s(client, now) - 1


@given(steps=st.lists(st.tuples(st.integers(0, 50), st.floats(0, 4)), max_size=200))
def test_a_bucket_never_holds_more_clients_than_it_may(steps: list[tuple[int, float]]) -> None:
    bucket, now = Bucket(2, 10, clients_max=5), 0.0
    for client, wait in steps:
        now += wait
        bucket.charge(str(client), now)
        assert len(bucket) <= 5
        assert bucket.remaining(str(client), now) < 2


def test_the_oldest_is_forgotten_first_and_those_that_ended_leave_by_themselves() -> None:
    bucket = Bucket(1, 10, clients_max=3)
    for number in range(4):
        bucket.charge(str(number), float(number))
    assert [bucket.is_used_up(str(number), 4.0) for number in range(4)] == [False, True, True, True]
    bucket.charge("late", 100.0)
    bucket.charge("later", 100.0)
    assert len(bucket) == 2


def test_headers_are_spelt_as_the_specification_says() -> None:
    bucket = Bucket(5500, 60, clients_max=3)
    for _ in range(68):
        bucket.charge("a", 100.0)
    assert dict(bucket.headers("a", 143.5)) == {
        b"ratelimit": b"limit=5500, remaining=5432, reset=17",
        b"ratelimit-policy": b"5500;w=60",
    }
    assert dict(bucket.headers("b", 143.5))[b"ratelimit"] == b"limit=5500, remaining=5500, reset=60"


# ---- the venue's limits --------------------------------------------------------------------------------------------


class Desk:
    """Limits with a clock that is set by hand. Alice and Bob have accounts, Alice has a key."""

    def __init__(self, **numbers: Any) -> None:
        self.now = 0.0
        config = LimitsConfig(**{"profile": "sx", **numbers})
        owners = {key_digest("alices key"): ALICE}
        self.limits = Limits(config, owners.get, {ALICE, BOB}.__contains__, lambda: self.now)

    def request(self, client: str = "192.0.2.1", key: str | None = None) -> Request:
        headers = [(b"host", b"venue"), *([(b"x-api-key", key.encode())] if key is not None else [])]
        return Request("POST", "/", b"", headers, b"", client, "id", Sender())

    def admits(self, group: str, **who: Any) -> bool:
        try:
            self.limits.admit(group, self.request(**who))
        except TooManyRequests:
            return False
        return True

    def cancels(self, maker: Address | None, **who: Any) -> bool:
        """A cancel with the signature of this maker, or of nobody; whether it was within the budget."""
        request = self.request(**who)
        try:
            self.limits.admit(CANCELS, request)
            if maker is not None:
                self.limits.signed(request, maker)
            self.limits.failed(request)
        except TooManyRequests:
            return False
        return True


def test_what_is_above_the_limit_is_refused_until_the_window_ends() -> None:
    desk = Desk(posts_per_min=2)
    desk.now = 7.0
    assert [desk.admits(POSTS) for _ in range(3)] == [True, True, False]
    desk.now = 66.9
    with pytest.raises(TooManyRequests) as refused:
        desk.limits.admit(POSTS, desk.request())
    assert (refused.value.status, refused.value.code) == (429, "TOO_MANY_REQUESTS")
    assert (b"retry-after", b"1") in refused.value.headers
    assert desk.limits.refused == {POSTS: 2}
    desk.now = 67.0
    assert desk.admits(POSTS)


def test_groups_do_not_share_a_budget_but_that_of_all_traffic() -> None:
    desk = Desk(posts_per_min=1, order_reads_per_min=1, all_per_10_min=4)
    assert desk.admits(POSTS)
    assert not desk.admits(POSTS)  # and what was refused is charged nowhere
    assert desk.admits(ORDER_READS)
    assert desk.admits(TRADE_READS)
    assert desk.admits(OTHERS)
    with pytest.raises(TooManyRequests) as refused:
        desk.limits.admit(OTHERS, desk.request())
    assert refused.value.group == ALL
    assert (b"ratelimit-policy", b"4;w=600") in refused.value.headers
    assert desk.cancels(ALICE)
    assert desk.admits(HEARTBEATS)  # whoever read too much keeps his orders
    desk.now = 599.9
    assert not desk.admits(OTHERS)
    desk.now = 600.0
    assert desk.admits(OTHERS)


def test_a_key_is_a_client_of_its_own_and_an_unknown_one_is_none() -> None:
    desk = Desk(posts_per_min=1)
    assert desk.admits(POSTS)
    assert not desk.admits(POSTS)
    assert not desk.admits(POSTS, key="undefined")
    assert not desk.admits(POSTS, key="")
    assert not desk.admits(POSTS, key="x" * 10_000)
    assert desk.admits(POSTS, key="alices key")
    assert not desk.admits(POSTS, key="alices key", client="192.0.2.9")
    assert desk.admits(POSTS, client="192.0.2.9")


def test_nought_is_no_limit_and_off_has_none() -> None:
    for desk in (Desk(posts_per_min=0, all_per_10_min=0), Desk(profile="off")):
        assert all(desk.admits(POSTS) for _ in range(20_000))
        assert desk.limits.headers(POSTS, desk.request()) == []


def test_good_cancels_are_charged_to_their_maker_wherever_they_come_from() -> None:
    desk = Desk(cancels_per_min=2)
    assert desk.cancels(ALICE, client="192.0.2.1")
    assert desk.cancels(ALICE, client="192.0.2.2")
    assert not desk.cancels(ALICE, client="192.0.2.3")
    assert desk.cancels(BOB, client="192.0.2.1")
    assert desk.cancels(BOB, client="192.0.2.1")


def test_bad_cancels_are_charged_to_their_sender_and_take_no_good_one_away() -> None:
    desk = Desk(cancels_per_min=2)
    assert [desk.cancels(None) for _ in range(4)] == [True, True, False, False]
    assert desk.cancels(ALICE)  # from the very same address
    assert desk.cancels(None, client="192.0.2.2")


def test_makers_who_are_made_up_spend_the_budget_of_who_made_them_up() -> None:
    desk = Desk(cancels_per_min=2)
    assert [desk.cancels(NOBODY) for _ in range(3)] == [True, True, False]
    assert desk.cancels(ALICE)
    assert desk.admits(HEARTBEATS)  # whoever read too much keeps his orders


def test_who_sends_a_key_pays_with_it_and_is_refused_before_anything_is_verified() -> None:
    desk = Desk(cancels_per_min=2)
    assert desk.cancels(BOB, key="alices key")
    assert desk.cancels(None, key="alices key")
    with pytest.raises(TooManyRequests):
        desk.limits.admit(CANCELS, desk.request(key="alices key"))
    assert desk.cancels(BOB)


def test_a_client_with_many_bad_cancels_is_suspect_for_a_minute_limits_or_not() -> None:
    for desk in (Desk(), Desk(profile="off")):
        for _ in range(FAILED_CANCELS_MAX):
            request = desk.request()
            desk.limits.admit(CANCELS, request)
            assert not desk.limits.is_suspect(request)
            desk.limits.failed(request)
        assert desk.limits.is_suspect(request)
        desk.now += 60
        assert not desk.limits.is_suspect(request)
