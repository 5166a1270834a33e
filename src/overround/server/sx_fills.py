"""The SX routes of takers: fills, held open through their betting delay, and approvals (`spec/sx.md` 5.11 to 5.13)."""

from __future__ import annotations

from overround.engine.commands import FillMarket, FillOrders
from overround.engine.events import AllowanceSet, FillDropped, FillRefused
from overround.engine.rejections import Rejection
from overround.engine.rules import Rules
from overround.protocols.sx import encode, fills
from overround.protocols.sx.errors import APPROVAL_CODES, FILL_CODES, WireError
from overround.protocols.sx.fills import SignedFill
from overround.protocols.sx.profile import Profile
from overround.protocols.sx.units import hash_text
from overround.runtime.fills import FillResult
from overround.runtime.venue import Venue
from overround.server.http import Request, Response


class SxFillRoutes:
    """Handlers of one venue."""

    def __init__(self, venue: Venue, profile: Profile) -> None:
        self._venue = venue
        self._views = venue.views
        self._profile = profile
        self._domain = fills.domain_of(profile)

    @property
    def _rules(self) -> Rules:
        rules = self._views.rules
        assert rules is not None, "the first command of every journal sets the rules"
        return rules

    async def fill(self, request: Request) -> Response:
        """`POST /orders/fill/v2`"""
        return await self._fill(fills.fill(request.body, self._rules, self._domain), request)

    async def fill_orders(self, request: Request) -> Response:
        """`POST /orders/fill`: the signature is over the orders themselves, so they must be known."""
        wanted = fills.legacy_fill(request.body)
        terms = [row.terms for one in wanted.command.order_hashes if (row := self._views.orders.find(one))]
        if len(terms) < len(wanted.command.order_hashes):
            raise WireError("INVALID_ORDERS", detail="an order is unknown, or has ended")
        return await self._fill(wanted.signed(terms, self._rules, self._domain), request)

    async def _fill(self, signed: SignedFill, request: Request) -> Response:
        """What was submitted before is refused before the signature is looked at; the engine looks again, with
        authority (C5)."""
        if any(one in self._views.fill_hashes for one in signed.digests):
            raise WireError(FILL_CODES[Rejection.FILL_EXISTS])
        command = signed.verified()
        if command is None:
            raise signed.mismatch()
        result = await self._result_of(command, request)
        if isinstance(result, Rejection):
            raise WireError(FILL_CODES[result])
        if isinstance(result, FillRefused):
            raise WireError(FILL_CODES[result.rejection])
        if isinstance(result, FillDropped):
            raise _stopping("the venue stops: this fill was not matched and never will be, its hash is used up")
        return Response(encode.success(encode.filled(result.fill)))

    async def _result_of(self, command: FillMarket | FillOrders, request: Request) -> FillResult | Rejection:
        """Whoever leaves while he waits leaves a fill behind that goes its way (D5)."""
        if self._venue.fills.closed:
            raise _stopping("the venue stops: this fill was not admitted")
        with self._venue.fills.of(command.fill_hash) as result:
            decision = await self._venue.submit(command, request.request_id)
            return decision if isinstance(decision, Rejection) else await result

    async def approve(self, request: Request) -> Response:
        """`POST /orders/approve`"""
        wanted = fills.approval(request.body, self._rules, self._profile, self._venue.clock.now_ms())
        nonce = self._views.accounts.permit_of(wanted.owner, wanted.token.address).next_nonce
        command = wanted.command(self._rules.chain_id, nonce)
        decision = await self._venue.submit(command, request.request_id)
        if isinstance(decision, Rejection):
            raise WireError(APPROVAL_CODES[decision])
        changed = any(isinstance(event, AllowanceSet) and event.changed for event in decision.events)
        return Response(encode.success({"hash": hash_text(command.digest) if changed else None}))


def _stopping(detail: str) -> WireError:
    return WireError("SERVICE_UNAVAILABLE", status=503, detail=detail)
