"""The namespaces of the SX channels (`spec/sx.md` 6.5, `spec/decisions.md` R1)."""

from __future__ import annotations

from typing import Final

from overround.realtime import Namespace

_HISTORY_TTL_MS: Final = 5 * 60 * 1000


def _feed(history_size: int, *, forced: bool = False) -> Namespace:
    """Any user may subscribe; where there is a history he may read it and recover from it."""
    kept = history_size > 0
    return Namespace(
        journaled=True,
        history_size=history_size,
        history_ttl_ms=_HISTORY_TTL_MS if kept else 0,
        allow_positioning=kept,
        allow_recovery=kept,
        force_positioning=forced,
        force_recovery=forced,
        allow_subscribe_for_client=True,
        allow_history_for_client=kept,
    )


SX_NAMESPACES: Final = {
    "active_orders": _feed(100, forced=True),
    "order_book": _feed(5_000, forced=True),
    "best_odds": _feed(0),
    "recent_trades": _feed(2_000),
    "recent_trades_consolidated": _feed(1_000),
    "markets": _feed(1_000),
    "main_line": _feed(500),
    "fixtures": _feed(100),
    "ce_refunds": _feed(100),
    "parlay_markets": _feed(0),
}
