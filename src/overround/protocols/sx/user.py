"""What an account asks about itself: its heartbeat and its exposure (`spec/sx.md` 5.16, 7.6, 7.8, D8)."""

from __future__ import annotations

import re
from typing import Any, Final

from overround.engine.commands import PingHeartbeat, StopHeartbeat
from overround.engine.events import HeartbeatArmed
from overround.engine.record import Record
from overround.engine.types import Address, MarketHash
from overround.protocols.sx.decode import body_of
from overround.protocols.sx.errors import WireError, bad_request
from overround.protocols.sx.units import hash_text, iso_ms
from overround.protocols.sx.wire import HeartbeatBody, LegacyHeartbeatBody
from overround.signing.address import AddressError, checksum_address, parse_address
from overround.views.orders import OrderRow
from overround.views.views import Views

INTERVAL_S_MAX: Final = 3_600
_DIGITS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)

HeartbeatCommand = PingHeartbeat | StopHeartbeat


# ---- heartbeat (5.16) ----------------------------------------------------------------------------------------------


def heartbeat(body: bytes, owner: Address) -> HeartbeatCommand:
    """`POST /user/heartbeat`"""
    return _command(owner, _interval_s("interval", body_of(body, HeartbeatBody).interval))


def heartbeat_cancel(body: bytes, owner: Address) -> HeartbeatCommand:
    """`POST /user/heartbeat/cancel`: needs no body, and looks at none."""
    del body
    return StopHeartbeat(account=owner)


def legacy_heartbeat(body: bytes, owner: Address) -> HeartbeatCommand:
    """`POST /heartbeat`: names the account once more, and must name the owner of the key."""
    wanted = body_of(body, LegacyHeartbeatBody)
    interval_s = _interval_s("timeoutSeconds", wanted.timeoutSeconds)
    if wanted.requestor.lower() != checksum_address(owner).lower():
        try:
            parse_address(wanted.requestor)
        except AddressError as error:
            raise bad_request(f"requestor: {error}") from None
        raise WireError("FORBIDDEN", status=403, detail="the API key belongs to another account than requestor")
    return _command(owner, interval_s)


def _interval_s(member: str, value: int | str) -> int:
    seconds = int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value
    if not isinstance(seconds, int) or not 0 <= seconds <= INTERVAL_S_MAX:
        raise bad_request(f"{member} must be an integer between 0 and {INTERVAL_S_MAX} seconds; 0 deactivates")
    return seconds


def _command(owner: Address, interval_s: int) -> HeartbeatCommand:
    return PingHeartbeat(account=owner, interval_s=interval_s) if interval_s else StopHeartbeat(account=owner)


def heartbeat_set(record: Record) -> dict[str, Any]:
    """One answer for all forms: the members of both, and until when silence is allowed."""
    command = record.command
    assert isinstance(command, PingHeartbeat | StopHeartbeat)
    armed = [event for event in record.events if isinstance(event, HeartbeatArmed)]
    interval_s, expires_at_ms = (armed[0].interval_s, armed[0].deadline_ms) if armed else (0, record.time_ms)
    return {
        "requestor": checksum_address(command.account),
        "timeoutSeconds": interval_s,
        "interval": interval_s,
        "expiresAt": iso_ms(expires_at_ms),
    }


def heartbeat_state(account: Address, views: Views) -> dict[str, Any]:
    """`GET /user/heartbeat` (7.8)."""
    armed = views.accounts.heartbeats.get(account)
    return {
        "account": checksum_address(account),
        "armed": armed is not None,
        "interval": armed.interval_s if armed else 0,
        "expiresAt": iso_ms(armed.deadline_ms) if armed else None,
        "lastFiring": _last_firing(account, views),
    }


def _last_firing(account: Address, views: Views) -> dict[str, Any] | None:
    fired = views.accounts.last_firings.get(account)
    if fired is None:
        return None
    return {
        "lastPingAt": iso_ms(fired.last_ping_ms),
        "deadline": iso_ms(fired.deadline_ms),
        "firedAt": iso_ms(fired.fired_at_ms),
        "cancelledCount": len(fired.order_hashes),
        "orderHashes": [hash_text(one) for one in fired.order_hashes],
    }


# ---- exposure (7.6) ------------------------------------------------------------------------------------------------


def exposure(account: Address, views: Views) -> list[dict[str, Any]]:
    """`GET /user/exposure`: what the open orders of each market may cost, and what may be added to it."""
    accounts = views.accounts
    balances, available = accounts.balances.get(account, {}), accounts.available.get(account, {})
    open_of, suspended_of = _by_market(views.orders.of_maker(account)), _by_market(views.orders.suspended_of(account))
    tokens = dict.fromkeys([*balances, *open_of, *suspended_of])
    return [
        {
            "token": checksum_address(token),
            "balance": str(balances.get(token, 0)),
            "available": str(available.get(token, 0)),
            "markets": [
                _market(market, open_of.get(token, {}).get(market, []), suspended, available.get(token, 0))
                for market, suspended in _markets(open_of.get(token, {}), suspended_of.get(token, {}))
            ],
        }
        for token in tokens
    ]


_Rows = dict[MarketHash, list[OrderRow]]


def _by_market(rows: Any) -> dict[Address, _Rows]:
    found: dict[Address, _Rows] = {}
    for row in rows:
        found.setdefault(row.terms.base_token, {}).setdefault(row.terms.market_hash, []).append(row)
    return found


def _markets(open_of: _Rows, suspended_of: _Rows) -> list[tuple[MarketHash, list[OrderRow]]]:
    """Every market with orders, and those of them that are suspended."""
    return [(market, suspended_of.get(market, [])) for market in dict.fromkeys([*open_of, *suspended_of])]


def _market(market: MarketHash, rows: list[OrderRow], suspended: list[OrderRow], available: int) -> dict[str, Any]:
    exposed = sum(row.terms.total_bet_size - row.fill_amount - row.pending_fill_amount for row in rows)
    return {
        "marketHash": hash_text(market),
        "exposure": str(exposed),
        "headroom": str(available - exposed),
        "openOrders": len(rows),
        "suspended": [hash_text(row.terms.order_hash) for row in suspended],
    }
