"""Operator answers."""

from __future__ import annotations

from typing import Any, Final

from overround.engine.catalogue import Fixture
from overround.engine.rejections import Rejection
from overround.engine.types import Address
from overround.protocols.sx.errors import WireError
from overround.protocols.sx.units import iso_ms
from overround.signing.address import checksum_address
from overround.views.views import Views

_STATUS_OF: Final = {
    Rejection.FIXTURE_UNKNOWN: (404, "NOT_FOUND"),
    Rejection.MARKET_UNKNOWN: (404, "NOT_FOUND"),
    Rejection.TOKEN_UNKNOWN: (404, "NOT_FOUND"),
    Rejection.FILL_UNKNOWN: (404, "NOT_FOUND"),
    Rejection.MARKET_REPORTED: (409, "MARKET_ALREADY_REPORTED"),
    Rejection.FILL_DECIDED: (409, "FILL_ALREADY_DECIDED"),
    Rejection.FIXTURE_EXISTS: (409, "FIXTURE_EXISTS"),
    Rejection.MARKET_EXISTS: (409, "MARKET_EXISTS"),
    Rejection.FIXTURE_OVER: (409, "FIXTURE_OVER"),
    Rejection.LEAGUE_OF_OTHER_SPORT: (409, "LEAGUE_OF_OTHER_SPORT"),
}


def refusal(rejection: Rejection) -> WireError:
    """The answer to an operator whose command was refused."""
    status, code = _STATUS_OF[rejection]
    return WireError(code, status=status, detail=rejection.value.replace("_", " "))


def fixture(one: Fixture) -> dict[str, Any]:
    """A fixture as the operator knows it."""
    return {
        "sportXeventId": one.fixture_id,
        "sportId": one.sport_id,
        "leagueId": one.league_id,
        "leagueLabel": one.league_label,
        "teamOneName": one.team_one_name,
        "teamTwoName": one.team_two_name,
        "gameTime": one.game_time_s,
        "status": one.status.value,
        "liveEnabled": one.live_enabled,
        "statusFeed": one.status_feed,
    }


def decided(fill_hash: bytes, is_confirmed: bool) -> dict[str, Any]:
    """What became of a fill, as its trades show it."""
    return {"fillHash": "0x" + fill_hash.hex(), "tradeStatus": "SUCCESS" if is_confirmed else "FAILED"}


def _restriction(address: Address, views: Views) -> dict[str, Any]:
    """Restricted for a while, or until an operator lifts it."""
    until_ms = views.accounts.restricted_until_ms.get(address, 0)
    if until_ms is None:
        return {"restricted": True, "until": None}
    is_restricted = views.time_ms < until_ms
    return {"restricted": is_restricted, "until": iso_ms(until_ms) if is_restricted else None}


def account(address: Address, views: Views) -> dict[str, Any]:
    """What an operator sees of an account. Amounts are base units in decimal text."""
    balances = views.accounts.balances.get(address, {})
    exposure: dict[Address, dict[bytes, int]] = {token: {} for token in balances}
    open_orders = 0
    for row in views.orders.of_maker(address):
        open_orders += 1
        markets = exposure.setdefault(row.terms.base_token, {})
        left = row.terms.total_bet_size - row.fill_amount - row.pending_fill_amount
        markets[row.terms.market_hash] = markets.get(row.terms.market_hash, 0) + left
    texts = {checksum_address(token): str(amount) for token, amount in balances.items()}
    return {
        "address": checksum_address(address),
        "balances": texts,
        "available": texts,
        "exposure": [
            {
                "token": checksum_address(token),
                "balance": str(balances.get(token, 0)),
                "available": str(balances.get(token, 0)),
                "markets": [
                    {
                        "marketHash": "0x" + market_hash.hex(),
                        "exposure": str(amount),
                        "headroom": str(balances.get(token, 0) - amount),
                    }
                    for market_hash, amount in markets.items()
                ],
            }
            for token, markets in exposure.items()
        ],
        "heartbeat": None,
        "restriction": _restriction(address, views),
        "openOrders": {"sx": open_orders, "nado": 0},
    }
