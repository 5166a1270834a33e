"""Who is on the other side of a reverse proxy: `X-Forwarded-For`, believed from configured proxies only."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from overround.server.http import Headers

FORWARDED_FOR = b"x-forwarded-for"


class Proxies:
    """The proxies whose word counts."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(one, strict=False) for one in networks]

    def trusts(self, address: str) -> bool:
        """Whether this peer is one of them."""
        if not self._networks:
            return False
        parsed = _parse(address)
        return parsed is not None and self._is_proxy(parsed)

    def client(self, peer: str, headers: Headers) -> str:
        """Who sent the request that a trusted peer passed on: read from the right, the first who is no proxy.

        What stands further left was written by that client, or by nobody who is known. A text that is no address ends
        the reading at the last one that is.
        """
        found = peer
        hops = b",".join(value for name, value in headers if name == FORWARDED_FOR)
        for hop in reversed(hops.decode("latin-1").split(",")):
            parsed = _parse(_without_port(hop.strip()))
            if parsed is None:
                break
            found = str(parsed)
            if not self._is_proxy(parsed):
                break
        return found

    def _is_proxy(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _without_port(text: str) -> str:
    """`192.0.2.1:80` and `[2001:db8::1]:80` as some proxies write them."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
