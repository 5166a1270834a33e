"""Rate limits of the Nado dialect (`spec/nado.md` 12): requests have weights, and every budget has two windows.

Executes are charged to the wallet of their sender, once its signature is verified: nobody spends the budget of somebody
else. Queries are charged to the network address that they come from; so are executes whose signature is not good
(O24). HTTP and sockets draw on the same budgets.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from overround.config import LimitsConfig
from overround.protocols.nado.errors import Code, GatewayError
from overround.server.limits import Bucket, Client, network_of

MINUTE_S: Final = 60
SHORT_S: Final = 10

WALLET: Final = "nado_wallet"
ADDRESS: Final = "nado_address"


class BudgetExceeded(GatewayError):
    """Too many requests; `retry_after_s` says when the budget is back."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(Code.RATE_LIMIT, f"{Code.RATE_LIMIT.text}: {message}")
        self.retry_after_s = retry_after_s


class TwoWindows:
    """One budget: so much in ten seconds, and so much in sixty. A bound of 0 is none."""

    def __init__(self, name: str, long: int, short: int, clients_max: int) -> None:
        self.name = name
        self.refused = 0
        self._long = Bucket(long, MINUTE_S, clients_max) if long else None
        self._short = Bucket(short, SHORT_S, clients_max) if short else None

    def look(self, client: Client, weight: int, now: float) -> None:
        """Refuse what does not fit. Charges nothing. Raises `BudgetExceeded`.

        What is heavier than the short window can hold passes when that one is untouched, and the long one decides.
        """
        long, short = self._long, self._short
        if short is not None and not short.has_room(client, weight, now):
            may_pass = weight > short.limit and short.is_untouched(client, now)
            if not may_pass:
                raise self._exceeded(short, client, weight, now)
        if long is not None and not long.has_room(client, weight, now):
            raise self._exceeded(long, client, weight, now)

    def charge(self, client: Client, weight: int, now: float) -> None:
        """Count it, whether it fits or not."""
        if self._short is not None:
            self._short.charge(client, now, weight)
        if self._long is not None:
            self._long.charge(client, now, weight)

    def _exceeded(self, bucket: Bucket, client: Client, weight: int, now: float) -> BudgetExceeded:
        self.refused += 1
        left, reset_s = bucket.remaining(client, now), bucket.reset_s(client, now)
        bounds = f"weight {bucket.limit} in {bucket.window_s} s"
        if weight > bucket.limit and bucket.window_s == MINUTE_S:
            return BudgetExceeded(f"this request weighs {weight}, more than the {bounds}: split it", reset_s)
        what = f"at most {bounds}; this request weighs {weight}, {left} is left; try again in {reset_s} s"
        return BudgetExceeded(what, reset_s)


class Budgets:
    """The budgets of one venue; none at all where the profile is off."""

    def __init__(self, config: LimitsConfig, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._is_off = config.profile == "off"
        self.are_kept = not self._is_off
        self.wallets = TwoWindows(WALLET, config.nado_wallet_per_min, config.nado_wallet_per_10_s, config.clients_max)
        self.addresses = TwoWindows(
            ADDRESS, config.nado_address_per_min, config.nado_address_per_10_s, config.clients_max
        )

    # ---- executes -------------------------------------------------------------------------------------------------

    def look(self, wallet: bytes, weight: int) -> None:
        """Before a signature is verified. Raises `BudgetExceeded`."""
        if not self._is_off:
            self.wallets.look(wallet, weight, self._now())

    def charge(self, wallet: bytes, weight: int) -> None:
        """The signature is good. Raises `BudgetExceeded` where others were faster meanwhile."""
        if not self._is_off:
            now = self._now()
            self.wallets.look(wallet, weight, now)
            self.wallets.charge(wallet, weight, now)

    def blame(self, client: str, weight: int) -> None:
        """The signature is not good."""
        if not self._is_off:
            self.addresses.charge(network_of(client), weight, self._now())

    # ---- queries --------------------------------------------------------------------------------------------------

    def look_at_address(self, client: str, weight: int) -> None:
        """Whether the address may ask at all. Raises `BudgetExceeded`."""
        if not self._is_off:
            self.addresses.look(network_of(client), weight, self._now())

    def query(self, client: str, weight: int) -> None:
        """Charge a query. Raises `BudgetExceeded`."""
        if not self._is_off:
            now, address = self._now(), network_of(client)
            self.addresses.look(address, weight, now)
            self.addresses.charge(address, weight, now)
