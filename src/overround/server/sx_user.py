"""The SX routes of an account that shows its API key (`spec/sx.md` 5.16, 7.6, 7.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from overround.engine.record import Record
from overround.engine.types import Address
from overround.protocols.sx import encode, user
from overround.runtime.venue import Venue
from overround.server.auth import require_key
from overround.server.http import Request, Response


class SxUserRoutes:
    """Handlers of one venue; each asks for the key first."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._views = venue.views

    async def ping_heartbeat(self, request: Request) -> Response:
        """`POST /user/heartbeat`"""
        return await self._set_heartbeat(user.heartbeat, request)

    async def cancel_heartbeat(self, request: Request) -> Response:
        """`POST /user/heartbeat/cancel`"""
        return await self._set_heartbeat(user.heartbeat_cancel, request)

    async def legacy_heartbeat(self, request: Request) -> Response:
        """`POST /heartbeat`"""
        return await self._set_heartbeat(user.legacy_heartbeat, request)

    async def get_heartbeat(self, request: Request) -> Response:
        """`GET /user/heartbeat`"""
        return _success(user.heartbeat_state(require_key(request, self._views.accounts), self._views))

    async def get_exposure(self, request: Request) -> Response:
        """`GET /user/exposure`"""
        return _success(user.exposure(require_key(request, self._views.accounts), self._views))

    async def _set_heartbeat(
        self, decode: Callable[[bytes, Address], user.HeartbeatCommand], request: Request
    ) -> Response:
        command = decode(request.body, require_key(request, self._views.accounts))
        record = await self._venue.submit(command, request.request_id)
        assert isinstance(record, Record), "a heartbeat is never refused"
        return _success(user.heartbeat_set(record))


def _success(data: Any) -> Response:
    return Response(encode.success(data))
