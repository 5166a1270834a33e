"""Views and records to SX answers (`spec/sx.md` 5). Money, odds and times leave as text or exact integers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from overround.engine import catalogue
from overround.engine.commands import PlaceOrders
from overround.engine.events import CancelRefused, OrderAccepted, OrderChanged, OrderRefused
from overround.engine.fill import MatchedFill, average_odds
from overround.engine.order import Trigger
from overround.engine.record import Record
from overround.engine.rules import Rules
from overround.engine.types import Address
from overround.protocols import strict_json
from overround.protocols.sx import wire
from overround.protocols.sx.errors import ORDER_OK, ORDER_STATUSES
from overround.protocols.sx.profile import EXPIRY, USDC_DECIMALS, Profile
from overround.protocols.sx.reference import MARKET_TYPES, SPORTS
from overround.protocols.sx.units import hash_text, iso_ms, unpack_salt
from overround.signing.address import checksum_address
from overround.views.best_odds import BestPrice
from overround.views.orders import OrderRow

CHAIN_VERSION: Final = "SXR"
OUTCOME_VOID_NAME: Final = "NO_CONTEST"
NOMINAL_DECIMALS: Final = 18  # enough for every token
_NO_ADDRESS: Final = "0x0000000000000000000000000000000000000000"


def success(data: Any) -> bytes:
    """The success envelope (2.2)."""
    return strict_json.encode({"status": "success", "data": data})


def metadata(profile: Profile, rules: Rules, *, total_volume: Mapping[Address, int]) -> dict[str, Any]:
    """`GET /metadata` (5.1): exactly one chain id under `addresses`, clients take the first."""
    tokens = {checksum_address(token.address): token for token in rules.tokens}
    return {
        "executorAddress": checksum_address(rules.executor),
        "oracleFees": dict.fromkeys(tokens, str(rules.fee)),
        "sportXAffiliate": {"address": _NO_ADDRESS, "amount": "0"},
        "makerOrderMinimums": {text: str(token.maker_minimum) for text, token in tokens.items()},
        "takerMinimums": {text: str(token.taker_minimum) for text, token in tokens.items()},
        "addresses": {str(rules.chain_id): {"USDC": profile.usdc, "WSX": profile.wsx}},
        "totalVolume": number(
            nominal(total_volume, {one.address: one.decimals for one in rules.tokens}), NOMINAL_DECIMALS
        ),
        "domainVersion": profile.domain_version,
        "EIP712FillHasher": profile.fill_hasher,
        "TokenTransferProxy": profile.token_transfer_proxy,
        "bridgeFee": 0,
        "oddsLadderStepSize": rules.odds_ladder_step,
        "bettingEnabled": True,
    }


def decimal_text(amount: int, decimals: int) -> str:
    """Nominal units: no trailing zeros, but at least one digit after the point (5.14)."""
    whole, fraction = divmod(amount, 10**decimals)
    digits = f"{fraction:0{decimals}d}".rstrip("0") if decimals else ""
    return f"{whole}.{digits or '0'}"


def number(amount: int, decimals: int) -> msgspec.Raw:
    """Nominal units as a JSON number, to the last digit."""
    return msgspec.Raw(decimal_text(amount, decimals).removesuffix(".0").encode())


def nominal(amounts: Mapping[Address, int], decimals: Mapping[Address, int]) -> int:
    """Amounts of several tokens together, one for one, with `NOMINAL_DECIMALS`; a token given up counts as USDC."""
    return sum(
        amount * 10 ** (NOMINAL_DECIMALS - decimals.get(token, USDC_DECIMALS)) for token, amount in amounts.items()
    )


def placed(record: Record) -> dict[str, Any]:
    """`POST /orders/new`: every submitted hash, and what became of it; of two equal ones the first counts."""
    assert isinstance(record.command, PlaceOrders)
    statuses: dict[str, str] = {}
    inserted = 0
    for event in record.events:
        if isinstance(event, OrderAccepted):
            statuses.setdefault(hash_text(event.order_hash), ORDER_OK)
            inserted += 1
        elif isinstance(event, OrderRefused):
            statuses.setdefault(hash_text(event.order_hash), ORDER_STATUSES[event.rejection])
    return {
        "orders": [hash_text(order.order_hash) for order in record.command.orders],
        "statuses": statuses,
        "inserted": inserted,
    }


def cancelled(record: Record) -> dict[str, Any]:
    """Any cancel (5.10): `orders` is left out when none was cancelled, `notCancelled` never is."""
    orders = [
        {
            "orderHash": hash_text(event.order_hash),
            "pendingFills": [
                {"fillHash": hash_text(fill_hash), "pendingFillAmount": str(amount)}
                for fill_hash, amount in event.pending_fills
            ],
        }
        for event in record.events
        if isinstance(event, OrderChanged) and event.trigger is Trigger.CANCEL
    ]
    refused = [
        {"orderHash": event.order_hash, "reason": event.refusal.value}
        for event in record.events
        if isinstance(event, CancelRefused)
    ]
    data: dict[str, Any] = {"cancelledCount": len(orders), "notCancelled": refused}
    if orders:
        data["orders"] = orders
    return data


def filled(fill: MatchedFill) -> wire.FillAnswer:
    """Both fills (5.12): what was matched, and the taker's average implied odds."""
    return wire.FillAnswer(
        fillHash=hash_text(fill.fill_hash),
        isPartialFill=fill.taker_stake < fill.stake,
        totalFilled=str(fill.taker_stake),
        averageOdds=str(average_odds(fill.taker_stake, fill.pot)),
    )


def order_row(row: OrderRow, fixture_id: str, executor: str) -> wire.OrderRow:
    """A row of `GET /orders`."""
    terms = row.terms
    return wire.OrderRow(
        orderHash=hash_text(terms.order_hash),
        marketHash=hash_text(terms.market_hash),
        orderStatus="ACTIVE",
        fillAmount=str(row.fill_amount),
        pendingFillAmount=str(row.pending_fill_amount),
        totalBetSize=str(terms.total_bet_size),
        percentageOdds=str(terms.percentage_odds),
        expiry=EXPIRY,
        apiExpiry=terms.api_expiry,
        baseToken=checksum_address(terms.base_token),
        executor=executor,
        maker=checksum_address(terms.maker),
        salt=unpack_salt(terms.salt),
        isMakerBettingOutcomeOne=terms.is_maker_betting_outcome_one,
        signature=hash_text(terms.signature),
        sportXeventId=fixture_id,
        createdAt=iso_ms(row.accepted_at_ms),
        updateTime=str(row.update_time_ms),
    )


def best_odds_side(price: BestPrice | None) -> wire.BestOddsSide:
    """One side of `GET /orders/odds/best`."""
    if price is None or price.percentage_odds is None:
        return wire.BestOddsSide()
    return wire.BestOddsSide(str(price.percentage_odds), price.updated_at_ms)


def fixture(one: catalogue.Fixture) -> wire.Fixture:
    """A fixture object (5.4)."""
    return wire.Fixture(
        eventId=one.fixture_id,
        leagueId=one.league_id,
        leagueLabel=one.league_label,
        sportId=one.sport_id,
        startDate=iso_ms(one.game_time_s * 1000),
        status=one.status.value,
        participantOneName=one.team_one_name,
        participantTwoName=one.team_two_name,
        participants=[one.team_one_name, one.team_two_name],
    )


def market(one: catalogue.Market, of: catalogue.Fixture, score: catalogue.LiveScore | None = None) -> wire.Market:
    """A market object (5.6); `score` is its fixture's, where there is one."""
    encoded = wire.Market(
        status="ACTIVE" if one.active else "INACTIVE",
        marketHash=hash_text(one.market_hash),
        outcomeOneName=one.outcome_one_name,
        outcomeTwoName=one.outcome_two_name,
        outcomeVoidName=OUTCOME_VOID_NAME,
        teamOneName=of.team_one_name,
        teamTwoName=of.team_two_name,
        type=one.type,
        gameTime=of.game_time_s,
        sportXeventId=of.fixture_id,
        sportXEventId=of.fixture_id,
        liveEnabled=of.live_enabled,
        sportLabel=SPORTS.get(of.sport_id, "Custom"),
        sportId=of.sport_id,
        leagueLabel=of.league_label,
        leagueId=of.league_id,
        group1=of.league_label,
        isQuarterLineMarket=is_quarter_line(one.line),
        chainVersion=CHAIN_VERSION,
    )
    if one.has_line:
        encoded.mainLine = one.main_line
        if one.line is not None:
            encoded.line = msgspec.Raw(one.line.encode())
    if one.outcome is not None:
        encoded.outcome = one.outcome.value
        encoded.reportedDate = one.reported_at_ms // 1000
        if score is not None:
            encoded.teamOneScore, encoded.teamTwoScore = score.team_one_score, score.team_two_score
    return encoded


def live_score(one: catalogue.LiveScore, of: catalogue.Fixture) -> wire.LiveScore:
    """What `fixtures:live_scores` carries (6.6.6)."""
    return wire.LiveScore(**_live_score(one, of))


def live_score_row(one: catalogue.LiveScore, of: catalogue.Fixture) -> wire.LiveScoreRow:
    """A row of `GET /live-scores` (5.5)."""
    return wire.LiveScoreRow(
        **_live_score(one, of), createdAt=iso_ms(one.created_at_ms), updatedAt=iso_ms(one.updated_at_ms)
    )


def _live_score(one: catalogue.LiveScore, of: catalogue.Fixture) -> dict[str, Any]:
    return {
        "teamOneScore": one.team_one_score,
        "teamTwoScore": one.team_two_score,
        "sportXEventId": one.fixture_id,
        "currentPeriod": one.current_period,
        "periodTime": one.period_time,
        "sportId": of.sport_id,
        "leagueId": of.league_id,
        "periods": [
            wire.Period(period.label, period.is_finished, period.team_one_score, period.team_two_score)
            for period in one.periods
        ],
        "extra": one.extra,
    }


def is_quarter_line(line: str | None) -> bool:
    """Whether a line lies between a whole and a half one."""
    return line is not None and line.endswith((".25", ".75"))


def bet_group(market_type: int) -> str:
    """The group a market type is listed in; unknown types are a group of their own."""
    known = MARKET_TYPES.get(market_type)
    return known.bet_group if known else "other"
