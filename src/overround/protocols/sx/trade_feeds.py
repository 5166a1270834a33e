"""What a record says on the channels of trades (`spec/sx.md` 6.6.3, 6.6.4, 7.2). `ce_refunds` stays silent (6.6.7).

One trade in one publication, as the specification has it; fills in the order in which the record moved them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from overround.engine.record import Record
from overround.engine.rules import Rules
from overround.protocols import strict_json
from overround.protocols.sx import trades
from overround.protocols.sx.feeds import Publication
from overround.views.catalogue import Catalogue
from overround.views.changes import FillChange, FillStage
from overround.views.trades import consolidated_of, progress_of, trades_of

RECENT_TRADES: Final = "recent_trades:global"
RECENT_TRADES_CONSOLIDATED: Final = "recent_trades_consolidated:global"


def publications(
    record: Record, fills: Sequence[FillChange], rules: Rules, catalogue: Catalogue
) -> Iterator[Publication]:
    """Everything that a record publishes of trades, in a fixed order."""
    labels = trades.Labels(rules, catalogue)
    for change in fills:
        progress = progress_of(change, record)
        if change.stage is not FillStage.MATCHED or rules.tells_pending_trades:
            for one in trades_of(change.fill, progress):
                encoded = trades.trade(one, labels)
                encoded.status = encoded.tradeStatus
                yield Publication(RECENT_TRADES, strict_json.encode(encoded))
        for one in consolidated_of(change.fill, progress):
            yield Publication(RECENT_TRADES_CONSOLIDATED, strict_json.encode(trades.consolidated(one, labels)))
