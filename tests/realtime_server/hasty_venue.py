"""`overround` in a hurry: `python hasty_venue.py ARGUMENTS...`

What a client is given half a minute for, it must do in half a second: get a new token, read what waits for it, read why
it was refused.
"""

from __future__ import annotations

import msgspec

from overround.config import RealtimeConfig
from overround.protocols.centrifugo import Options, connection
from overround.realtime import Limits
from overround.server import realtime

options, limits = realtime._options, realtime.realtime_limits


def hasty_options(config: RealtimeConfig) -> Options:
    """Without a grace to speak of."""
    return msgspec.structs.replace(options(config), expiry_grace_ms=500)


def hasty_limits(config: RealtimeConfig) -> Limits:
    """Without patience for slow readers."""
    return msgspec.structs.replace(limits(config), queue_soft_ms=500)


connection.REFUSAL_FLUSH_MS = 500  # type: ignore[misc]
realtime._options = hasty_options
realtime.realtime_limits = hasty_limits

from overround.cli.main import main  # noqa: E402

main()
