"""`overround`, with an operator at hand who ends connections: `python closing_venue.py ARGUMENTS...`

SIGUSR1 closes every connection with "force reconnect" (3011), SIGUSR2 ends every subscription with "insufficient
state" (2500), as the venue itself would where it could not keep a position.
"""

from __future__ import annotations

import asyncio
import signal

import overround.server.main as server
from overround.cli.main import main
from overround.config import RealtimeConfig
from overround.protocols.centrifugo import FORCE_RECONNECT
from overround.runtime.venue import Venue
from overround.sandbox.accounts import ACCOUNTS
from overround.server.realtime import RealtimeEndpoint
from overround.signing.address import checksum_address

build = server.build_realtime  # type: ignore[attr-defined]


def build_with_operator(venue: Venue, config: RealtimeConfig, secret: str) -> RealtimeEndpoint:
    """The endpoint, and somebody who listens to signals."""
    realtime = build(venue, config, secret)
    endpoint = realtime.endpoint

    def close_all() -> None:
        for account in ACCOUNTS:
            endpoint.disconnect(checksum_address(account.address), FORCE_RECONNECT)
        realtime.wake()

    def interrupt_all() -> None:
        for channel in list(endpoint.hub._channels):
            endpoint.hub.interrupt(channel)
        realtime.wake()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, close_all)
    loop.add_signal_handler(signal.SIGUSR2, interrupt_all)
    return realtime


server.build_realtime = build_with_operator  # type: ignore[attr-defined]
main()
