"""Rate limits: how often one client may ask (`spec/sx.md` 2.5, `spec/decisions.md` D15).

Requests fall into groups by method and path. Every group counts each client in fixed windows: a window opens with the
client's first request and gives back the whole budget when it ends, so that `reset` is all a bot must know. A client
is the owner of the API key that came with the request, if there is one, else the network address it came from.

Cancels are in a lane of their own, outside the count of all traffic. Who cancels without a key is known only once the
signature is verified: a good cancel is charged to its maker, everything else to its sender. So no one spends the
budget of a maker but the maker, and no neighbour behind the same address takes a cancel away. Heartbeats have a lane
likewise: a bot that read too much must not lose its orders for a ping that was refused.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Final

from overround.config import LimitsConfig
from overround.engine.types import Address
from overround.protocols.sx.errors import WireError
from overround.server.http import Headers, Request
from overround.signing.api_keys import key_digest

MINUTE_S: Final = 60
TEN_MINUTES_S: Final = 600
API_KEY_LENGTH_MAX: Final = 64  # a longer text is no key, and is not worth a hash
FAILED_CANCELS_MAX: Final = 100  # a minute of one client; from then on its unproven connections wait behind others
IPV6_NETWORK_BITS: Final = 64  # what one subscriber of IPv6 has; single addresses are free

POSTS: Final = "posts"
CANCELS: Final = "cancels"
HEARTBEATS: Final = "heartbeats"
ORDER_READS: Final = "order_reads"
TRADE_READS: Final = "trade_reads"
OTHERS: Final = "others"
ALL: Final = "all"

_UNLIMITED: Final = frozenset(
    ("/admin", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/sandbox", "/console", "/connection")
) | frozenset(  # the Nado dialect counts by weight, and by wallet (`budgets.py`)
    ("/v1", "/v2", "/execute", "/query", "/edge", "/symbols", "/time", "/ip", "/cf-check", "/ws", "/subscribe")
)

Client = str | bytes  # a network address, or the account whose key or signature it was


@lru_cache(maxsize=1024)
def group_of(method: str, path: str) -> str | None:
    """The group of a request by its method and path, known route or not; None: not limited, operators come in."""
    root = "/" + path[1:].partition("/")[0]
    if root in _UNLIMITED:
        return None
    if root == "/orders" and method == "POST":
        return CANCELS if path.startswith("/orders/cancel/") else POSTS
    if root == "/heartbeat" or path.startswith("/user/heartbeat"):
        return HEARTBEATS
    if method in ("GET", "HEAD"):
        if root == "/orders":
            return ORDER_READS
        if root == "/trades":
            return TRADE_READS
    return OTHERS


@lru_cache(maxsize=4096)
def network_of(client: str) -> str:
    """Who an address stands for: itself, or for IPv6 the network that one subscriber has."""
    if ":" not in client:
        return client
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if not isinstance(address, IPv6Address):
        return client
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    bits = 128 - IPV6_NETWORK_BITS
    return f"{IPv6Address(int(address) >> bits << bits)}/{IPV6_NETWORK_BITS}"


class _Window:
    """What one client has used of a bucket, and until when that counts."""

    __slots__ = ("ends_at", "used")

    def __init__(self, ends_at: float) -> None:
        self.used = 0
        self.ends_at = ends_at


class Bucket:
    """So many requests in a window, for every client.

    Windows are kept in the order in which they opened, which is the order in which they end: those that ended leave
    as new ones come, and when there are too many the oldest is forgotten. That errs on the side of its client.
    """

    def __init__(self, limit: int, window_s: int, clients_max: int) -> None:
        self.limit = limit
        self.window_s = window_s
        self.policy = b"%d;w=%d" % (limit, window_s)
        self._clients_max = clients_max
        self._windows: OrderedDict[Client, _Window] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def is_used_up(self, client: Client, now: float) -> bool:
        """Whether this client has to wait. Charges nothing."""
        window = self._windows.get(client)
        return window is not None and window.used >= self.limit and now < window.ends_at

    def has_room(self, client: Client, weight: int, now: float) -> bool:
        """Whether a request of this weight fits. Charges nothing."""
        window = self._windows.get(client)
        used = window.used if window is not None and now < window.ends_at else 0
        return used + weight <= self.limit

    def is_untouched(self, client: Client, now: float) -> bool:
        """Whether nothing of this client counts at the moment."""
        window = self._windows.get(client)
        return window is None or now >= window.ends_at

    def charge(self, client: Client, now: float, weight: int = 1) -> None:
        """Count one request."""
        window = self._windows.get(client)
        if window is None or now >= window.ends_at:
            window = self._open(client, now)
        window.used += weight

    def _open(self, client: Client, now: float) -> _Window:
        windows = self._windows
        windows.pop(client, None)
        for _ in range(2):  # more leave than come, so that the ended ones do not pile up
            if windows and next(iter(windows.values())).ends_at <= now:
                windows.popitem(last=False)
        if len(windows) >= self._clients_max:
            windows.popitem(last=False)
        window = windows[client] = _Window(now + self.window_s)
        return window

    def remaining(self, client: Client, now: float) -> int:
        """How many more requests this client may send before the window ends."""
        window = self._windows.get(client)
        used = window.used if window is not None and now < window.ends_at else 0
        return max(self.limit - used, 0)

    def reset_s(self, client: Client, now: float) -> int:
        """Whole seconds until the budget is back."""
        window = self._windows.get(client)
        return ceil(window.ends_at - now) if window is not None and now < window.ends_at else self.window_s

    def headers(self, client: Client, now: float) -> Headers:
        """What every answer of a limited route says."""
        window = self._windows.get(client)
        if window is None or now >= window.ends_at:
            used, reset_s = 0, self.window_s
        else:
            used, reset_s = window.used, ceil(window.ends_at - now)
        numbers = (self.limit, max(self.limit - used, 0), reset_s)
        return [(b"ratelimit", b"limit=%d, remaining=%d, reset=%d" % numbers), (b"ratelimit-policy", self.policy)]


class TooManyRequests(WireError):
    """A budget is used up; the client is told when it is back."""

    def __init__(self, group: str, bucket: Bucket, client: Client, now: float) -> None:
        reset_s = bucket.reset_s(client, now)
        what = "requests of all kinds" if group == ALL else f"requests of the group {group}"
        super().__init__(
            "TOO_MANY_REQUESTS",
            status=429,
            detail=f"at most {bucket.limit} {what} in {bucket.window_s} s; try again in {reset_s} s",
        )
        self.group = group
        self.headers: Headers = [(b"retry-after", b"%d" % reset_s), *bucket.headers(client, now)]


class Limits:
    """The budgets of one venue. A group whose number is 0 is not limited; so is every group if the profile is off."""

    def __init__(
        self,
        config: LimitsConfig,
        owner_of_key: Callable[[bytes], Address | None],
        is_account: Callable[[Address], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._owner_of_key = owner_of_key
        self._is_account = is_account
        self._now = now
        numbers = {
            POSTS: (config.posts_per_min, MINUTE_S),
            CANCELS: (config.cancels_per_min, MINUTE_S),
            HEARTBEATS: (config.heartbeats_per_min, MINUTE_S),
            ORDER_READS: (config.order_reads_per_min, MINUTE_S),
            TRADE_READS: (config.trade_reads_per_min, MINUTE_S),
            OTHERS: (config.others_per_min, MINUTE_S),
            ALL: (config.all_per_10_min, TEN_MINUTES_S),
        }
        self.buckets = {
            group: Bucket(limit, window_s, config.clients_max)
            for group, (limit, window_s) in numbers.items()
            if limit and config.profile != "off"
        }
        self._all = self.buckets.get(ALL)
        self._cancels = self.buckets.get(CANCELS)
        # Kept whatever the profile: it decides who waits, not who is refused (`lanes.py`).
        self._failed_cancels = Bucket(FAILED_CANCELS_MAX, MINUTE_S, config.clients_max)
        self.refused: dict[str, int] = {}  # by group

    def admit(self, group: str, request: Request) -> None:
        """Charge a request to its client, before anything else is done for it. Raises TooManyRequests.

        A cancel is only looked at: who pays for it is decided when it is known who signed it.
        """
        if not self.buckets:
            return
        if group == CANCELS:
            self._admit_cancel(request)
            return
        bucket, everything = self.buckets.get(group), self._all if group != HEARTBEATS else None
        now, client = self._now(), self._payer(request)
        if bucket is not None and bucket.is_used_up(client, now):
            raise self._refusal(group, bucket, client, now)
        if everything is not None:
            if everything.is_used_up(client, now):
                raise self._refusal(ALL, everything, client, now)
            everything.charge(client, now)
        if bucket is not None:
            bucket.charge(client, now)

    def headers(self, group: str, request: Request) -> Headers:
        """What the answer to an admitted request says about its group."""
        bucket = self.buckets.get(group)
        return [] if bucket is None else bucket.headers(self._payer(request), self._now())

    # ---- cancels --------------------------------------------------------------------------------------------------

    def signed(self, request: Request, maker: Address) -> None:
        """The signature of this cancel is good: charge whose budget it is. Raises TooManyRequests.

        Without a key that is the maker; a maker of whom the venue knows nothing has nothing to cancel and could be
        made up by the thousand, so that is the sender's.
        """
        request.is_charged = True
        if self._cancels is None:
            return
        if isinstance(self._payer(request), str) and self._is_account(maker):
            request.payer = maker
        self._charge_cancel(self._cancels, request)

    def failed(self, request: Request) -> None:
        """Nobody's signature was found good: charge the sender. Raises TooManyRequests instead of the true answer."""
        if request.is_charged:
            return
        self._failed_cancels.charge(self._payer(request), self._now())
        if self._cancels is not None:
            self._charge_cancel(self._cancels, request)

    def is_suspect(self, request: Request) -> bool:
        """Whether this client sent so many bad cancels that further ones wait behind those of others."""
        return self.is_suspect_client(self._payer(request))

    def is_suspect_client(self, client: Client) -> bool:
        """The same of a client that is known otherwise."""
        return self._failed_cancels.is_used_up(client, self._now())

    def blame(self, client: Client) -> None:
        """It sent a cancel whose signature is not good."""
        self._failed_cancels.charge(client, self._now())

    def _admit_cancel(self, request: Request) -> None:
        """A key that used its budget is refused at once; of a mere address nobody knows yet who it speaks for."""
        payer = self._payer(request)
        if self._cancels is not None and isinstance(payer, bytes):
            now = self._now()
            if self._cancels.is_used_up(payer, now):
                raise self._refusal(CANCELS, self._cancels, payer, now)

    def _charge_cancel(self, bucket: Bucket, request: Request) -> None:
        now, payer = self._now(), self._payer(request)
        if bucket.is_used_up(payer, now):
            raise self._refusal(CANCELS, bucket, payer, now)
        bucket.charge(payer, now)

    # ---- clients --------------------------------------------------------------------------------------------------

    def _payer(self, request: Request) -> Client:
        """Whose budget it is; found out once, by whoever needs to know first."""
        if not request.payer:
            request.payer = self._client(request)
        return request.payer

    def _client(self, request: Request) -> Client:
        """The owner of the key that came along; else the address. An unknown key is ignored (`spec/sx.md` 2.1)."""
        for name, value in request.headers:
            if name == b"x-api-key":
                if 0 < len(value) <= API_KEY_LENGTH_MAX:
                    owner = self._owner_of_key(key_digest(value.decode("latin-1")))
                    if owner is not None:
                        return owner
                break
        return network_of(request.client)

    def _refusal(self, group: str, bucket: Bucket, client: Client, now: float) -> TooManyRequests:
        self.refused[group] = self.refused.get(group, 0) + 1
        return TooManyRequests(group, bucket, client, now)
