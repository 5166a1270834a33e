"""The operator's routes. Every action is a journaled command like any other."""

from __future__ import annotations

from typing import Any

from overround.engine.commands import IssueApiKey, VenueCommand
from overround.engine.continuous.commands import AnyContinuousCommand
from overround.engine.continuous.rejections import Refusal
from overround.engine.events import FillConfirmed, FixtureChanged, FixtureCreated, MarketChanged, MarketCreated
from overround.engine.record import Record
from overround.engine.rejections import Rejection
from overround.engine.types import Address, FixtureId
from overround.protocols.operator import continuous, decode, encode
from overround.protocols.sx import encode as sx_encode
from overround.runtime.venue import Venue
from overround.server.auth import new_api_key, require_bearer
from overround.server.http import Request, Response
from overround.signing.address import checksum_address
from overround.signing.api_keys import key_digest


class OperatorRoutes:
    """Handlers of one venue; each asks for the operator's token first."""

    def __init__(self, venue: Venue, token: str) -> None:
        self._venue = venue
        self._views = venue.views
        self._token = token

    async def create_fixture(self, request: Request) -> Response:
        """`POST /admin/fixtures`"""
        require_bearer(request, self._token)
        return await self._fixture(decode.create_fixture(request.body), request)

    async def update_fixture(self, request: Request) -> Response:
        """`PATCH /admin/fixtures/{id}`"""
        require_bearer(request, self._token)
        return await self._fixture(decode.update_fixture(request.path_params["id"], request.body), request)

    async def set_fixture_status(self, request: Request) -> Response:
        """`POST /admin/fixtures/{id}/status`"""
        require_bearer(request, self._token)
        return await self._fixture(decode.set_fixture_status(request.path_params["id"], request.body), request)

    async def create_market(self, request: Request) -> Response:
        """`POST /admin/markets`"""
        require_bearer(request, self._token)
        return await self._market(decode.create_market(request.body), request)

    async def set_market_status(self, request: Request) -> Response:
        """`POST /admin/markets/{hash}/status`"""
        require_bearer(request, self._token)
        return await self._market(decode.set_market_status(request.path_params["hash"], request.body), request)

    async def report_market(self, request: Request) -> Response:
        """`POST /admin/markets/{hash}/settle`"""
        require_bearer(request, self._token)
        return await self._market(decode.report_market(request.path_params["hash"], request.body), request)

    async def confirm_fill(self, request: Request) -> Response:
        """`POST /admin/fills/{fillHash}/confirm`: fails all the same where a wallet is short (D1)."""
        return await self._decide_fill(request, confirmed=True)

    async def fail_fill(self, request: Request) -> Response:
        """`POST /admin/fills/{fillHash}/fail`"""
        return await self._decide_fill(request, confirmed=False)

    async def _decide_fill(self, request: Request, *, confirmed: bool) -> Response:
        require_bearer(request, self._token)
        command = decode.decide_fill(request.path_params["fillHash"], confirmed=confirmed)
        record = await self._submit(command, request)
        is_confirmed = any(isinstance(event, FillConfirmed) for event in record.events)
        return _success(encode.decided(command.fill_hash, is_confirmed))

    async def set_live_score(self, request: Request) -> Response:
        """`PUT /admin/fixtures/{id}/live-score`"""
        require_bearer(request, self._token)
        command = decode.set_live_score(request.path_params["id"], request.body)
        await self._submit(command, request)
        catalogue, fixture_id = self._views.catalogue, command.score.fixture_id
        score, fixture = catalogue.live_scores[fixture_id], catalogue.fixtures[fixture_id]
        return _success(sx_encode.live_score_row(score, fixture))

    async def set_balance(self, request: Request) -> Response:
        """`PUT /admin/balances/{address}/{token}`"""
        require_bearer(request, self._token)
        params = request.path_params
        command = decode.set_balance(params["address"], params["token"], request.body)
        await self._submit(command, request)
        return self._account(command.account)

    async def set_restriction(self, request: Request) -> Response:
        """`POST /admin/accounts/{address}/restriction`"""
        require_bearer(request, self._token)
        command = decode.set_restriction(request.path_params["address"], request.body)
        await self._submit(command, request)
        return self._account(command.account)

    async def get_account(self, request: Request) -> Response:
        """`GET /admin/accounts/{address}`"""
        require_bearer(request, self._token)
        return self._account(decode.address(request.path_params["address"]))

    async def issue_api_key(self, request: Request) -> Response:
        """`POST /admin/api-keys`: the key is shown once and never again."""
        require_bearer(request, self._token)
        account = decode.api_key_account(request.body)
        api_key = new_api_key()
        await self._submit(IssueApiKey(account=account, key_digest=key_digest(api_key)), request)
        return _success({"address": checksum_address(account), "apiKey": api_key})

    async def adjust_clock(self, request: Request) -> Response:
        """`POST /admin/clock`: sandbox only."""
        require_bearer(request, self._token)
        clock = self._venue.clock
        command = decode.adjust_clock(
            request.body, now_ms=clock.now_ms(), real_ms=clock.machine_ms(), frozen=clock.is_frozen
        )
        await self._submit(command, request)
        return _success({"nowMs": clock.now_ms(), "frozen": clock.is_frozen})

    async def set_collateral(self, request: Request) -> Response:
        """`PUT /admin/nado/balances/{subaccount}/{productId}`"""
        require_bearer(request, self._token)
        params = request.path_params
        command = continuous.set_collateral(params["subaccount"], params["productId"], request.body)
        await self._submit_continuous(command, request)
        return _success(continuous.balance(command, self._views.continuous))

    async def update_product(self, request: Request) -> Response:
        """`POST /admin/nado/products/{id}`"""
        require_bearer(request, self._token)
        command = continuous.update_product(request.path_params["id"], request.body)
        await self._submit_continuous(command, request)
        return _success(continuous.product(command.product_id, self._views.continuous))

    async def set_maintenance(self, request: Request) -> Response:
        """`POST /admin/nado/status`"""
        require_bearer(request, self._token)
        await self._submit_continuous(continuous.set_maintenance(request.body), request)
        return _success({"maintenance": self._views.continuous.maintenance})

    async def get_digest(self, request: Request) -> Response:
        """`GET /admin/digest`: the state as of the last durable record."""
        require_bearer(request, self._token)
        return _success({"seq": self._views.seq, "digest": "0x" + self._views.digest.hex()})

    def _account(self, account: Address) -> Response:
        return _success(encode.account(account, self._views, self._venue.clock.now_ms()))

    async def _fixture(self, command: VenueCommand, request: Request) -> Response:
        record = await self._submit(command, request)
        event = next(one for one in record.events if isinstance(one, FixtureCreated | FixtureChanged))
        return _success(encode.fixture(self._views.catalogue.fixtures[FixtureId(event.fixture.fixture_id)]))

    async def _market(self, command: VenueCommand, request: Request) -> Response:
        record = await self._submit(command, request)
        created = [one for one in record.events if isinstance(one, MarketCreated | MarketChanged)][-1]
        catalogue = self._views.catalogue
        market = catalogue.markets[created.market.market_hash]
        fixture_id = market.fixture_id
        score = catalogue.live_scores.get(fixture_id)
        return _success(sx_encode.market(market, catalogue.fixtures[fixture_id], score))

    async def _submit_continuous(self, command: AnyContinuousCommand, request: Request) -> None:
        decision = await self._venue.submit(command, request.request_id)
        if isinstance(decision, Refusal):
            raise continuous.refusal(decision.rejection)

    async def _submit(self, command: VenueCommand, request: Request) -> Record:
        decision = await self._venue.submit(command, request.request_id)
        if isinstance(decision, Rejection):
            raise encode.refusal(decision)
        return decision


def _success(data: Any) -> Response:
    return Response(sx_encode.success(data))
