"""The rules that continuous markets are played by. Journaled, like those of the venue."""

from __future__ import annotations

import msgspec

from overround.engine.types import Address


class ContinuousRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that decides and may differ between venues.

    Chain and endpoint are what signatures commit to (spec/nado.md 3.1); the engine only keeps them for whoever
    checks signatures, and they can never change in a data folder.
    """

    chain_id: int
    endpoint: Address
    receive_window_ms: int = 100_000  # how far ahead a request may be signed (spec/nado.md 4.1)
    open_orders_max: int = 500  # of one subaccount on one product
    partial_cancels: bool = False  # cancel what is found, or nothing if anything is not (spec/nado.md 7.1.5)
    signer_updates_max: int = 50  # of one subaccount ...
    signer_updates_window_ms: int = 7 * 86_400_000  # ... within this time (spec/nado.md 7.6)
    # Prices must be within these shares of the mark, x 10^18; 0 and 0 switch the band off (spec/nado.md O16).
    band_low_x18: int = 0
    band_high_x18: int = 0
