"""Operator requests to commands."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

import msgspec

from overround.engine.catalogue import LiveScore, Period
from overround.engine.commands import (
    AdjustClock,
    CreateFixture,
    CreateMarket,
    DecideFill,
    ReportMarket,
    SetBalance,
    SetFixtureStatus,
    SetLiveScore,
    SetMarketStatus,
    SetRestriction,
    UpdateFixture,
)
from overround.engine.types import Address, FillHash, FixtureId, FixtureStatus, MarketHash, Outcome
from overround.protocols import strict_json
from overround.protocols.operator import wire
from overround.protocols.sx.decode import body_of
from overround.protocols.sx.errors import WireError, bad_request
from overround.protocols.sx.reference import MARKET_TYPES, SPORTS
from overround.protocols.sx.units import parse_hash, parse_word
from overround.signing.address import AddressError, parse_address
from overround.signing.keccak import keccak256

NAME_LENGTH_MAX: Final = 200
LINE_MAX: Final = 1_000_000
LINE_PLACES_MAX: Final = 3
SCORE_MAX: Final = 1_000_000
PERIODS_MAX: Final = 100
EXTRA_LENGTH_MAX: Final = 4_096
SECONDS_MAX: Final = 253_402_300_799  # the last second of the year 9999
CLOCK_STEP_MAX_MS: Final = 10 * 366 * 24 * 3600 * 1000  # ten years
_FIXTURE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_LINE: Final = re.compile(rb'"?(-?[0-9]{1,7}(?:\.[0-9]{1,20})?)"?')  # Decimal() would take "1_0" and other digits


def create_fixture(body: bytes) -> CreateFixture:
    """`POST /admin/fixtures`"""
    wanted = body_of(body, wire.FixtureBody)
    if wanted.sportId not in SPORTS:
        raise bad_request("sportId must be one that GET /sports lists")
    if wanted.leagueId is None and not wanted.leagueLabel:
        raise bad_request("leagueId or leagueLabel is required")
    if wanted.leagueId is not None and not 0 < wanted.leagueId < 2**53:
        raise bad_request("leagueId must be a positive integer")
    if wanted.sportXeventId is not None and not _FIXTURE_ID.fullmatch(wanted.sportXeventId):
        raise bad_request("sportXeventId must be 1 to 64 letters, digits, - or _")
    return CreateFixture(
        sport_id=wanted.sportId,
        league_label=_name("leagueLabel", wanted.leagueLabel or f"League {wanted.leagueId}"),
        team_one_name=_name("teamOneName", wanted.teamOneName),
        team_two_name=_name("teamTwoName", wanted.teamTwoName),
        game_time_s=_seconds("gameTime", wanted.gameTime),
        live_enabled=wanted.liveEnabled,
        status_feed=wanted.statusFeed,
        league_id=wanted.leagueId,
        fixture_id=None if wanted.sportXeventId is None else FixtureId(wanted.sportXeventId),
    )


def update_fixture(fixture_id: str, body: bytes) -> UpdateFixture:
    """`PATCH /admin/fixtures/{id}`"""
    wanted = body_of(body, wire.FixtureChangeBody)
    return UpdateFixture(
        fixture_id=FixtureId(fixture_id),
        game_time_s=None if wanted.gameTime is None else _seconds("gameTime", wanted.gameTime),
        live_enabled=wanted.liveEnabled,
        status_feed=wanted.statusFeed,
    )


def set_fixture_status(fixture_id: str, body: bytes) -> SetFixtureStatus:
    """`POST /admin/fixtures/{id}/status`"""
    try:
        status = FixtureStatus(body_of(body, wire.FixtureStatusBody).status)
    except ValueError:
        raise bad_request("status must be between 1 and 9") from None
    return SetFixtureStatus(fixture_id=FixtureId(fixture_id), status=status)


def create_market(body: bytes) -> CreateMarket:
    """`POST /admin/markets`"""
    wanted = body_of(body, wire.MarketBody)
    known = MARKET_TYPES.get(wanted.type)
    if known is None:
        raise bad_request("type must be a known market type")
    given = b"null" if wanted.line is msgspec.UNSET else bytes(wanted.line)
    if known.has_line != (given != b"null"):
        raise bad_request(f"markets of type {wanted.type} have {'a' if known.has_line else 'no'} line")
    line = line_text(_decimal("line", given)) if known.has_line else None
    names = (_name("outcomeOneName", wanted.outcomeOneName), _name("outcomeTwoName", wanted.outcomeTwoName))
    return CreateMarket(
        market_hash=market_hash(wanted.sportXeventId, wanted.type, line, *names),
        fixture_id=FixtureId(wanted.sportXeventId),
        type=wanted.type,
        outcome_one_name=names[0],
        outcome_two_name=names[1],
        line=line,
        has_line=known.has_line,
        main_line=wanted.mainLine,
    )


def market_hash(fixture_id: str, kind: int, line: str | None, one: str, two: str) -> MarketHash:
    """keccak-256 of the canonical text of what identifies a market (`spec/decisions.md` C7)."""
    return MarketHash(keccak256(strict_json.encode([fixture_id, kind, line, one, two])))


def line_text(line: Decimal) -> str:
    """A line as canonical decimal text: no exponent, no trailing zeros, no negative zero."""
    if not line.is_finite() or abs(line) > LINE_MAX:
        raise bad_request(f"line must lie between -{LINE_MAX} and {LINE_MAX}")
    if line != round(line, LINE_PLACES_MAX):
        raise bad_request(f"line must have at most {LINE_PLACES_MAX} decimals")
    text = f"{line:.{LINE_PLACES_MAX}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _decimal(member: str, raw: bytes) -> Decimal:
    """A decimal number as JSON number or text, exactly as written."""
    found = _LINE.fullmatch(raw)
    if found is None:
        raise bad_request(f"{member} must be a decimal number")
    return Decimal(found[1].decode())


def set_market_status(hash_in_path: str, body: bytes) -> SetMarketStatus:
    """`POST /admin/markets/{hash}/status`"""
    status = body_of(body, wire.MarketStatusBody).status
    if status not in ("ACTIVE", "INACTIVE"):
        raise bad_request("status must be ACTIVE or INACTIVE")
    return SetMarketStatus(market_hash=MarketHash(_hash(hash_in_path)), active=status == "ACTIVE")


def report_market(hash_in_path: str, body: bytes) -> ReportMarket:
    """`POST /admin/markets/{hash}/settle`"""
    try:
        outcome = Outcome(body_of(body, wire.SettleBody).outcome)
    except ValueError:
        raise bad_request("outcome must be 0, 1 or 2") from None
    return ReportMarket(market_hash=MarketHash(_hash(hash_in_path)), outcome=outcome)


def decide_fill(hash_in_path: str, *, confirmed: bool) -> DecideFill:
    """`POST /admin/fills/{fillHash}/confirm` and `/fail`"""
    return DecideFill(fill_hash=FillHash(_hash(hash_in_path)), confirmed=confirmed)


def set_live_score(fixture_id: str, body: bytes) -> SetLiveScore:
    """`PUT /admin/fixtures/{id}/live-score`"""
    wanted = body_of(body, wire.LiveScoreBody)
    if len(wanted.periods) > PERIODS_MAX:
        raise bad_request(f"periods must contain at most {PERIODS_MAX} elements")
    if len(wanted.extra) > EXTRA_LENGTH_MAX:
        raise bad_request(f"extra must have at most {EXTRA_LENGTH_MAX} characters")
    periods = tuple(
        Period(
            _name("periods.label", one.label),
            one.isFinished,
            _name("periods.teamOneScore", one.teamOneScore),
            _name("periods.teamTwoScore", one.teamTwoScore),
        )
        for one in wanted.periods
    )
    score = LiveScore(
        fixture_id=FixtureId(fixture_id),
        current_period=_name("currentPeriod", wanted.currentPeriod),
        period_time=_name("periodTime", wanted.periodTime),
        team_one_score=_score("teamOneScore", wanted.teamOneScore),
        team_two_score=_score("teamTwoScore", wanted.teamTwoScore),
        periods=periods,
        extra=wanted.extra,
    )
    return SetLiveScore(score=score)


def set_restriction(address_in_path: str, body: bytes) -> SetRestriction:
    """`POST /admin/accounts/{address}/restriction`"""
    return SetRestriction(account=address(address_in_path), restricted=body_of(body, wire.RestrictionBody).restricted)


def set_balance(address_in_path: str, token_in_path: str, body: bytes) -> SetBalance:
    """`PUT /admin/balances/{address}/{token}`"""
    amount = parse_word(body_of(body, wire.BalanceBody).amount)
    if amount is None:
        raise bad_request("amount must be an integer of base units")
    return SetBalance(account=address(address_in_path), token=address(token_in_path), amount=amount)


def api_key_account(body: bytes) -> Address:
    """`POST /admin/api-keys`"""
    return address(body_of(body, wire.ApiKeyBody).address)


def address(text: str) -> Address:
    """An address in a path or body. Raises WireError."""
    try:
        return Address(parse_address(text))
    except AddressError as error:
        raise bad_request(f"address: {error}") from None


def adjust_clock(body: bytes, *, now_ms: int, real_ms: int, frozen: bool) -> AdjustClock:
    """`POST /admin/clock`: freeze, resume, advance or set, from where the venue's clock (`now_ms`) stands."""
    wanted = body_of(body, wire.ClockBody)
    steps = [wanted.freeze, wanted.resume, wanted.advanceMs is not None, wanted.setMs is not None]
    if sum(steps) != 1:
        raise bad_request("exactly one of freeze, resume, advanceMs, setMs is required")
    step_ms = wanted.advanceMs or 0 if wanted.setMs is None else wanted.setMs - now_ms
    if not 0 <= step_ms <= CLOCK_STEP_MAX_MS:
        raise bad_request("the clock moves forward, by ten years at most")
    then_ms = now_ms + step_ms
    stands_still = wanted.freeze or (frozen and not wanted.resume)
    return AdjustClock(offset_ms=then_ms - real_ms, frozen_at_ms=then_ms if stands_still else None)


def _hash(text: str) -> bytes:
    """A hash in a path; what is none names nothing."""
    found = parse_hash(text)
    if found is None:
        raise WireError("NOT_FOUND", status=404)
    return found


def _score(member: str, value: int) -> int:
    if not 0 <= value <= SCORE_MAX:
        raise bad_request(f"{member} must lie between 0 and {SCORE_MAX}")
    return value


def _name(member: str, text: str) -> str:
    if not 1 <= len(text) <= NAME_LENGTH_MAX or not text.isprintable():
        raise bad_request(f"{member} must be 1 to {NAME_LENGTH_MAX} printable characters")
    return text


def _seconds(member: str, value: int) -> int:
    if not 0 <= value <= SECONDS_MAX:
        raise bad_request(f"{member} must be unix seconds")
    return value
