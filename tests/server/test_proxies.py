"""Who sent a request that a proxy passed on."""

from __future__ import annotations

import pytest

from overround.server.proxies import Proxies

PROXIES = Proxies(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"])


def test_without_proxies_nobody_is_believed() -> None:
    assert not Proxies([]).trusts("127.0.0.1")


def test_addresses_and_networks_are_believed() -> None:
    assert PROXIES.trusts("10.1.2.3")
    assert PROXIES.trusts("::ffff:10.1.2.3")
    assert PROXIES.trusts("192.0.2.1")
    assert PROXIES.trusts("2001:db8::1")
    assert not PROXIES.trusts("192.0.2.2")
    assert not PROXIES.trusts("")


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ([], "10.0.0.1"),
        ([b"203.0.113.5"], "203.0.113.5"),
        ([b"1.1.1.1, 203.0.113.5"], "203.0.113.5"),  # what stands further left anybody may have written
        ([b"203.0.113.5, 10.0.0.7,192.0.2.1"], "203.0.113.5"),
        ([b"1.1.1.1", b"203.0.113.5", b"10.0.0.7"], "203.0.113.5"),
        ([b"203.0.113.5:4711"], "203.0.113.5"),
        ([b"[2001:db9::5]:4711"], "2001:db9::5"),
        ([b"2001:db9::5"], "2001:db9::5"),
        ([b"::ffff:203.0.113.5"], "203.0.113.5"),
        ([b"10.0.0.8, 10.0.0.7"], "10.0.0.8"),
        ([b"203.0.113.5, unknown, 10.0.0.7"], "10.0.0.7"),
        ([b"\xff\x00"], "10.0.0.1"),
        ([b""], "10.0.0.1"),
    ],
)
def test_the_first_from_the_right_who_is_no_proxy_is_the_client(lines: list[bytes], client: str) -> None:
    headers = [(b"host", b"venue"), *((b"x-forwarded-for", line) for line in lines)]
    assert PROXIES.client("10.0.0.1", headers) == client
