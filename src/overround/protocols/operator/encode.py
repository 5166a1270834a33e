"""Operator answers."""

from __future__ import annotations

from typing import Any, Final

from overround.engine.catalogue import Fixture
from overround.engine.rejections import Rejection
from overround.engine.types import Address
from overround.protocols.sx import user
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


def account(address: Address, views: Views, now_ms: int) -> dict[str, Any]:
    """What an operator sees of an account. Amounts are base units in decimal text."""
    balances = views.accounts.balances.get(address, {})
    available = views.accounts.available.get(address, {})
    return {
        "address": checksum_address(address),
        "balances": {checksum_address(token): str(amount) for token, amount in balances.items()},
        "available": {checksum_address(token): str(amount) for token, amount in available.items()},
        "exposure": user.exposure(address, views),
        "heartbeat": user.heartbeat_state(address, views),
        "restriction": _restriction(views.accounts.restricted_until_ms.get(address, 0), now_ms),
        "openOrders": {
            "sx": sum(1 for _ in views.orders.of_maker(address)),
            "nado": len(views.continuous.orders_of_wallet(address)),
        },
    }


def _restriction(until_ms: int | None, now_ms: int) -> dict[str, Any]:
    """`until` is null while it lasts until an operator lifts it, and where there is none."""
    restricted = until_ms is None or now_ms < until_ms
    return {"restricted": restricted, "until": iso_ms(until_ms) if restricted and until_ms is not None else None}
