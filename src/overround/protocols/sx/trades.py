"""Trades to the wire (`spec/sx.md` 5.14, 7.12). Amounts leave as decimal text, made of integers alone."""

from __future__ import annotations

from typing import Final

from overround.engine.rules import Rules
from overround.engine.types import ODDS_ONE
from overround.protocols.sx import wire
from overround.protocols.sx.encode import CHAIN_VERSION, decimal_text, number
from overround.protocols.sx.profile import USDC_DECIMALS
from overround.protocols.sx.units import hash_text, iso_ms
from overround.signing.address import checksum_address
from overround.views.catalogue import Catalogue
from overround.views.trades import Trade, TradeState

NO_AFFILIATE: Final = "0x0000000000000000000000000000000000000000"
CONTRACTS_VERSION: Final = "6.0"
STATUSES: Final = {
    TradeState.PENDING: "PENDING",
    TradeState.CONFIRMED: "SUCCESS",
    TradeState.FAILED: "FAILED",
    TradeState.SETTLED: "SUCCESS",
}


class Labels:
    """What a trade does not know of its market and its token."""

    def __init__(self, rules: Rules, catalogue: Catalogue) -> None:
        self._decimals = {bytes(token.address): token.decimals for token in rules.tokens}
        self.catalogue = catalogue

    def decimals(self, token: bytes) -> int:
        """Of a token; that of USDC for one that the venue has given up."""
        return self._decimals.get(token, USDC_DECIMALS)


def net_return(one: Trade) -> int:
    """`stake / odds`, half up (7.12); of a consolidated trade its share of the pots, which needs no rounding."""
    if one.order_hash is None:
        return one.pot
    return (2 * one.stake * ODDS_ONE + one.odds) // (2 * one.odds)


def trade(one: Trade, labels: Labels, *, iso_time: bool = False) -> wire.Trade:
    """One side of one order's part of a fill."""
    assert one.order_hash is not None
    decimals, progress = labels.decimals(one.base_token), one.progress
    is_settled = progress.state is TradeState.SETTLED
    matched, fill_hash = iso_ms(one.matched_at_ms), hash_text(one.fill_hash)
    encoded = wire.Trade(
        _id=one.id.hex(),
        baseToken=checksum_address(one.base_token),
        bettor=checksum_address(one.bettor),
        stake=str(one.stake),
        normalizedStake=decimal_text(one.stake, decimals),
        odds=str(one.odds),
        orderHash=hash_text(one.order_hash),
        marketHash=hash_text(one.market_hash),
        fillHash=fill_hash,
        maker=one.is_maker,
        betType=0 if one.is_maker else 1,
        betTime=matched if iso_time else one.matched_at_ms // 1000,
        betTimeValue=number(one.stake, decimals),
        bettingOutcomeOne=one.is_betting_outcome_one,
        tradeStatus=STATUSES[progress.state],
        settled=is_settled,
        settleValue=int(is_settled),
        netReturn=decimal_text(net_return(one), decimals),
        valid=True,
        affiliate=NO_AFFILIATE,
        contractsVersion=CONTRACTS_VERSION,
        chainVersion=CHAIN_VERSION,
        fillOrderHash=fill_hash,
        fillOrderHashAttempts=[fill_hash],
        lastMineAttemptTime=matched,
        createdAt=matched,
        updatedAt=iso_ms(progress.at_ms),
        sportXeventId=labels.catalogue.markets[one.market_hash].fixture_id,
        marketHasRefunds=False,
    )
    if progress.outcome is not None:
        encoded.outcome = progress.outcome.value
        encoded.settleDate = iso_ms(progress.at_ms)
        encoded.settleTxHash = hash_text(progress.settlement)
        encoded.settleNetReturnValue = decimal_text(one.returned, decimals)
    return encoded


def consolidated(one: Trade, labels: Labels) -> wire.ConsolidatedTrade:
    """All that a bettor has in a fill."""
    decimals, progress = labels.decimals(one.base_token), one.progress
    market = labels.catalogue.markets[one.market_hash]
    fixture = labels.catalogue.fixtures[market.fixture_id]
    stake, returns = decimal_text(one.stake, decimals), decimal_text(net_return(one), decimals)
    fill_hash = hash_text(one.fill_hash)
    encoded = wire.ConsolidatedTrade(
        baseToken=checksum_address(one.base_token),
        tradeStatus=STATUSES[progress.state],
        bettor=checksum_address(one.bettor),
        totalStake=stake,
        totalBetTimeValue=stake,
        weightedAverageOdds=str(one.odds),
        netReturn=returns,
        netReturnBetTimeValue=number(net_return(one), decimals),
        totalReturn=returns,
        crosschainNetReturn="0",
        marketHash=hash_text(one.market_hash),
        marketType=market.type,
        maker=one.is_maker,
        settled=progress.state is TradeState.SETTLED,
        fillHash=fill_hash,
        fillOrderHash=fill_hash,
        gameLabel=f"{fixture.team_one_name} vs {fixture.team_two_name}",
        bettingOutcome=1 if one.is_betting_outcome_one else 2,
        bettingOutcomeLabel=market.outcome_one_name if one.is_betting_outcome_one else market.outcome_two_name,
        sportXeventId=fixture.fixture_id,
        gameTime=iso_ms(fixture.game_time_s * 1000),
        leagueLabel=fixture.league_label,
        sportId=fixture.sport_id,
        betTime=one.matched_at_ms // 1000,
        chainVersion=CHAIN_VERSION,
        marketHasRefunds=False,
    )
    if progress.outcome is not None:
        encoded.outcome = progress.outcome.value
    return encoded
