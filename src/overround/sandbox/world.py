"""The world a fresh sandbox starts with: accounts with money, fixtures with markets."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from overround.engine.commands import (
    AnyCommand,
    CreateFixture,
    CreateMarket,
    IssueApiKey,
    SetBalance,
    SetFixtureStatus,
)
from overround.engine.continuous.commands import SetCollateral
from overround.engine.continuous.types import QUOTE, X18, ProductId, SubaccountId
from overround.engine.rules import Rules
from overround.engine.types import FixtureId, FixtureStatus
from overround.protocols.nado.units import subaccount
from overround.protocols.operator.decode import line_text, market_hash
from overround.protocols.sx.reference import MARKET_TYPES
from overround.protocols.sx.units import hash_text
from overround.sandbox.accounts import ACCOUNTS
from overround.signing.address import checksum_address
from overround.signing.api_keys import key_digest
from overround.views.views import Views

COLLATERAL: Final = {QUOTE: 100_000, ProductId(3): 10}  # in whole units: quote and ETH
FUNDS: Final = 100_000  # nominal units of every betting token on every account
_HOUR_S: Final = 3600
_DAY_S: Final = 24 * _HOUR_S


class _Event(NamedTuple):
    fixture_id: str
    sport_id: int
    league: str
    home: str
    away: str
    starts_in_s: int
    live_enabled: bool
    moneyline: int  # market type
    spread: tuple[int, str]  # market type and line
    total: tuple[int, str]


EVENTS: Final = (
    _Event(
        "L1000001", 5, "Sandbox Premier", "Harbour United", "Castle Rovers", 7 * _DAY_S, True, 52,
        (3, "-0.5"), (2, "2.5"),
    ),
    _Event(
        "L1000002", 1, "Sandbox Basketball League", "River Hawks", "Mountain Bears", 30 * _DAY_S, True, 226,
        (342, "-4.5"), (28, "221.5"),
    ),
    _Event(
        "L1000003", 6, "Sandbox Open", "A. Archer", "B. Baker", 45 * 60, False, 52,
        (201, "-3.5"), (166, "22.5"),
    ),
    _Event(
        "L1000004", 8, "Sandbox Football League", "Lakeside Lions", "Prairie Wolves", -30 * 60, True, 226,
        (342, "3.5"), (28, "47.5"),
    ),
)  # fmt: skip


def commands(rules: Rules, now_ms: int) -> Iterator[AnyCommand]:
    """What the operator of a fresh sandbox would do first."""
    for account in ACCOUNTS:
        yield IssueApiKey(account=account.address, key_digest=key_digest(account.api_key))
        for token in rules.tokens:
            yield SetBalance(account=account.address, token=token.address, amount=FUNDS * 10**token.decimals)
    for event in EVENTS:
        yield CreateFixture(
            fixture_id=FixtureId(event.fixture_id),
            sport_id=event.sport_id,
            league_label=event.league,
            team_one_name=event.home,
            team_two_name=event.away,
            game_time_s=now_ms // 1000 + event.starts_in_s,
            live_enabled=event.live_enabled,
        )
        if event.starts_in_s < 0:
            yield SetFixtureStatus(fixture_id=FixtureId(event.fixture_id), status=FixtureStatus.IN_PROGRESS)
        yield _market(event, event.moneyline, None, event.home, event.away)
        kind, line = event.spread
        other = line_text(-Decimal(line))
        yield _market(event, kind, line, f"{event.home} {_signed(line)}", f"{event.away} {_signed(other)}")
        kind, line = event.total
        yield _market(event, kind, line, f"Over {line}", f"Under {line}")


def deposits() -> Iterator[SetCollateral]:
    """What every account of a fresh sandbox has on continuous markets, a pot of its own (N1)."""
    for account in ACCOUNTS:
        sender = SubaccountId(subaccount(account.address))
        for product_id, amount in COLLATERAL.items():
            yield SetCollateral(subaccount=sender, product_id=product_id, amount_x18=amount * X18)


def describe(base_url: str, admin_token: str, views: Views) -> dict[str, Any]:
    """The body of `GET /sandbox`: everything that a test needs to know."""
    catalogue, rules, nado = views.catalogue, views.rules, views.continuous.rules
    assert rules is not None
    assert nado is not None
    ws_url = base_url.replace("http", "ws", 1)
    return {
        "baseUrl": base_url,
        "wsUrl": ws_url + "/connection/websocket",
        "chainId": rules.chain_id,
        "adminToken": admin_token,
        "tokens": {token.symbol: checksum_address(token.address) for token in rules.tokens},
        "accounts": [
            {
                "address": checksum_address(account.address),
                "privateKey": account.private_key,
                "apiKey": account.api_key,
            }
            for account in ACCOUNTS
        ],
        "fixtures": [
            {
                "sportXeventId": one.fixture_id,
                "gameTime": one.game_time_s,
                "status": one.status.value,
                "label": f"{one.team_one_name} vs {one.team_two_name}",
            }
            for one in catalogue.fixtures.values()
        ],
        "markets": [
            {
                "marketHash": hash_text(one.market_hash),
                "sportXeventId": one.fixture_id,
                "type": one.type,
                "liveEnabled": catalogue.fixtures[one.fixture_id].live_enabled,
                "label": f"{one.outcome_one_name} / {one.outcome_two_name}",
            }
            for one in catalogue.markets.values()
        ],
        "nado": {
            "gatewayUrl": base_url + "/v1",
            "wsUrl": ws_url + "/v1/ws",
            "subscribeUrl": ws_url + "/v1/subscribe",
            "chainId": nado.chain_id,
            "endpointAddr": checksum_address(nado.endpoint),
            "products": [
                {"productId": one.product_id, "symbol": one.symbol, "type": one.kind.value}
                for one in views.continuous.tradable()
            ],
        },
    }


def _market(event: _Event, kind: int, line: str | None, one: str, two: str) -> CreateMarket:
    return CreateMarket(
        market_hash=market_hash(event.fixture_id, kind, line, one, two),
        fixture_id=FixtureId(event.fixture_id),
        type=kind,
        line=line,
        has_line=MARKET_TYPES[kind].has_line,
        outcome_one_name=one,
        outcome_two_name=two,
    )


def _signed(line: str) -> str:
    return line if line.startswith("-") or line == "0" else f"+{line}"
