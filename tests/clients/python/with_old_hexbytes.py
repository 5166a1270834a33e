"""Runs another bot as if with an eth-account of before 0.12, whose `signature.hex()` came with `0x` already.

    python with_old_hexbytes.py cancel_orders.py EVENT_ID ORDER_HASH...

Such a bot sends `0x0x...` without knowing it.
"""

import runpy
import sys
from pathlib import Path

from hexbytes import HexBytes


def prefixed_hex(self: HexBytes) -> str:
    """What hexbytes below 1.0 answers."""
    return "0x" + bytes.hex(self)


HexBytes.hex = prefixed_hex  # type: ignore[method-assign, assignment]
del sys.argv[0]
runpy.run_path(str(Path(__file__).with_name(sys.argv[0])), run_name="__main__")
