"""What the Nado dialect does with a request, however it came: HTTP and both sockets ask here.

The order is that of `spec/decisions.md` N7: shape, product, receive time, budget (looked at), replay, signature, budget
(charged), terms; then the engine. Cancels are verified where they arrive, everything else that is signed waits its turn
in the lanes.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import Any, Final, Protocol

import msgspec
import structlog

from overround.protocols.nado import encode, queries, weights
from overround.protocols.nado.checks import (
    Markets,
    SingleExecute,
    authorised_signer,
    cancel_signer,
    check_product,
    check_terms,
    check_time,
)
from overround.protocols.nado.decode import CANCEL_HEAD, decode_execute, is_cancel, is_query
from overround.protocols.nado.digests import Domain
from overround.protocols.nado.errors import Code, GatewayError, failure
from overround.protocols.nado.facts import OpenOrder, Placed, Quote
from overround.protocols.nado.nonces import check_window
from overround.protocols.nado.requests import (
    CancelAndPlace,
    CancelOrders,
    CancelProductOrders,
    Execute,
    PlaceOrder,
    PlaceOrders,
    id_of,
    request_type_of,
    signature_echo,
    wallet,
)
from overround.protocols.nado.units import wallet_of
from overround.runtime.sequencer import InboxFull
from overround.server.budgets import BudgetExceeded, Budgets
from overround.server.eager import Eager, Wait
from overround.server.lanes import Lanes, Sender, Standing
from overround.server.limits import Limits, network_of
from overround.server.verifier import Verifier
from overround.signing.recover import recover_address

INLINE_BODY_BYTES_MAX: Final = 6 * 1024  # about 8 orders; more are read and verified in a thread (C4)
BATCHES_WAITING_MAX: Final = 32  # larger requests that wait for this thread
BUSY_RETRY_S: Final = 1

_log = structlog.get_logger()


Answered = Callable[[bytes], object]
"""Who is given the answer to a request."""


class Asker(msgspec.Struct, frozen=True, gc=False):
    """Who sends a request."""

    client: str
    sender: Sender
    user_agent: str = ""


class Desk(Protocol):
    """The venue, in the words of the dialect."""

    domain: Domain
    markets: Markets
    builders: frozenset[int] | None

    def now_ms(self) -> int:
        """The venue's clock."""

    def linked_signer_of(self, subaccount: bytes) -> bytes | None:
        """The address of the signer that is linked to a subaccount."""

    def is_known(self, digest: bytes) -> bool:
        """Whether this very message was obeyed before."""

    async def execute(self, request: SingleExecute, signer: bytes, command_id: str) -> Any:
        """Do it; gives the `data` of the answer, `encode.NO_DATA` where there is none. Raises `GatewayError`."""

    def cancel(self, request: CancelOrders, signer: bytes, command_id: str, tell: Callable[[Any], object]) -> None:
        """Cancel orders; `tell` is called with the decision once it is durable. Raises `InboxFull`."""

    def cancelled(self, decision: Any) -> Iterable[OpenOrder]:
        """The orders that a cancel took off, as they were; to be asked once. Raises `GatewayError`."""

    async def place(
        self, orders: list[tuple[PlaceOrder, bytes]], stop_on_failure: bool, command_id: str
    ) -> list[Placed]:
        """Place the orders of a batch, each with its signer; an entry for each that was looked at."""

    def query(self, query: queries.Query) -> bytes:
        """The answer, with its envelope. Raises `GatewayError`."""

    def quotes(self) -> dict[int, Quote]:
        """The tops of all books, by product."""

    def symbols(self) -> bytes:
        """`GET /symbols`."""

    def v2(self, query: queries.Query) -> bytes:
        """The answer to a read of v2, which has no envelope. Raises `GatewayError`."""


class Gateway:
    """Requests to answers. Nothing here raises: what goes wrong is an answer too."""

    def __init__(
        self, desk: Desk, budgets: Budgets, limits: Limits, lanes: Lanes, verifier: Verifier, command_prefix: str
    ) -> None:
        self.desk = desk
        self._budgets = budgets
        self._limits = limits
        self._lanes = lanes
        self._verifier = verifier
        self._batch_thread = ThreadPoolExecutor(1, "gateway verifier")
        self._loop = asyncio.get_running_loop()
        self._prefix = command_prefix
        self._numbers = count(1)
        self._batches_waiting = 0
        self.batch_object_for_python = False
        self.answered: dict[tuple[str, int], int] = defaultdict(int)  # by request type and code, 0 for success

    # ---- whole requests -------------------------------------------------------------------------------------------

    def frame(self, payload: bytes, asker: Asker, answered: Answered) -> None:
        """A frame of the action socket (10.1), an execute or a query: `answered` gets the answer, now or later."""
        if payload.startswith(CANCEL_HEAD) and asker.sender.standing is Standing.PROVEN:
            self._cancel_at_once(payload, asker, answered)
        elif b'"type"' in payload and is_query(payload):
            answered(self.query(partial(queries.decode_query, payload), asker))
        else:
            Eager(self._loop, self.execute(payload, asker), answered)

    async def execute(self, body: bytes, asker: Asker) -> bytes:
        """An execute, from its bytes to the bytes of its answer."""
        request: Execute | None = None
        try:
            if len(body) <= INLINE_BODY_BYTES_MAX or is_cancel(body):
                request = decode_execute(body, self.desk.domain)
            else:
                request = await self._in_thread(partial(decode_execute, body, self.desk.domain))
            if type(request) is CancelOrders:
                return await self._cancel_orders(request, asker)
            data = await self._execute(request, asker)
            self.answered[request_type_of(request), 0] += 1
            return encode.executed(request, data)
        except Exception as error:
            return self._failure_of(error, request)

    def query(self, decode: Callable[[], queries.Query], asker: Asker) -> bytes:
        """A query, with the envelope around its answer."""
        try:
            query = decode()
            self._budgets.query(asker.client, weights.of_query(query))
            answer = self.desk.query(query)
            self.answered["query_" + query.type, 0] += 1
            return answer
        except GatewayError as error:
            return self._failed(error)
        except Exception:
            _log.exception("gateway_query_failed")
            return self._failed(GatewayError(Code.INTERNAL_ERROR))

    def bare(self, query: queries.Query, asker: Asker, answer: Callable[[], bytes]) -> bytes:
        """What is answered without an envelope, unless it is refused."""
        try:
            self._budgets.query(asker.client, weights.of_query(query))
            return answer()
        except GatewayError as error:
            return self._failed(error)

    def _failure_of(self, error: Exception, request: Execute | None) -> bytes:
        """The answer to what went wrong; a fault of ours is logged, with its traceback, and tells nothing."""
        if isinstance(error, GatewayError):
            return self._refused(error, request)
        if isinstance(error, InboxFull):
            return self._refused(_busy(), request)
        _log.error("gateway_execute_failed", request=type(request).__name__, exc_info=error)
        return self._refused(GatewayError(Code.INTERNAL_ERROR), request)

    def _refused(self, error: GatewayError, request: Execute | None) -> bytes:
        if request is not None:
            error.about(request_type_of(request), signature=signature_echo(request), id=id_of(request))
        return self._failed(error)

    def _failed(self, error: GatewayError) -> bytes:
        self.answered[error.request_type or "", error.code.value] += 1
        return failure(error)

    # ---- executes -------------------------------------------------------------------------------------------------

    # ---- cancel_orders: what has to be quick does without a coroutine ---------------------------------------------

    def _cancel_at_once(self, payload: bytes, asker: Asker, answered: Answered) -> None:
        """`execute`, for a cancel of somebody who is trusted."""
        request: Execute | None = None
        try:
            request = decode_execute(payload, self.desk.domain)
            if type(request) is CancelOrders:
                self._look_at_cancel(request)
        except Exception as error:
            answered(self._failure_of(error, request))
        else:
            if type(request) is CancelOrders:
                self._verify_cancel(request, asker, answered)
            else:  # it only began like one
                Eager(self._loop, self.execute(payload, asker), answered)

    async def _cancel_orders(self, request: CancelOrders, asker: Asker) -> bytes:
        """The same in its turn. Raises `GatewayError`, `InboxFull`: nothing was verified yet."""
        self._look_at_cancel(request)
        answer: Wait[bytes] = Wait()
        if asker.sender.standing is Standing.PROVEN:
            self._verify_cancel(request, asker, answer.resume)
        else:
            await self._turn(asker, only_cancels=True)
            self._lanes.cancel_begins()
            raw = request.signature.raw
            recovered = None if raw is None else recover_address(request.digest, raw)
            self._cancel_verified(request, asker, answer.resume, recovered)
        return await answer

    def _look_at_cancel(self, request: CancelOrders) -> None:
        """Everything that comes before the signature. Raises `GatewayError`."""
        desk, budgets = self.desk, self._budgets
        check_window(request.nonce, desk.now_ms())
        if budgets.are_kept:
            budgets.look(wallet_of(request.sender), weights.of_cancel(request))
        if desk.is_known(request.digest):
            raise GatewayError(Code.DIGEST_ALREADY_EXISTS)

    def _verify_cancel(self, request: CancelOrders, asker: Asker, answered: Answered) -> None:
        """Find out who signed; it is answered when it is durable, or refused."""
        self._lanes.cancel_begins()
        raw = request.signature.raw
        if raw is None:
            self._cancel_verified(request, asker, answered, None)
        else:
            self._verifier.recover(request.digest, raw, partial(self._cancel_verified, request, asker, answered))

    def _cancel_verified(
        self, request: CancelOrders, asker: Asker, answered: Answered, recovered: bytes | None
    ) -> None:
        weight = weights.of_cancel(request)
        try:
            try:
                signer = cancel_signer(request, recovered, self.desk.linked_signer_of)
            except GatewayError:
                self._blame(asker, weight, only_cancels=True)
                raise
            asker.sender.standing = Standing.PROVEN
            if self._budgets.are_kept:
                self._budgets.charge(wallet_of(request.sender), weight)
            self.desk.cancel(request, signer, self._command_id(), partial(self._cancel_decided, request, answered))
        except Exception as error:
            self._lanes.cancel_ends()
            answered(self._failure_of(error, request))

    def _cancel_decided(self, request: CancelOrders, answered: Answered, decision: Any) -> None:
        self._lanes.cancel_ends()
        try:
            answer = encode.orders_cancelled(request, self.desk.cancelled(decision))
            self.answered[_CANCELLED] += 1
        except Exception as error:
            answer = self._failure_of(error, request)
        answered(answer)

    async def _execute(self, request: Execute, asker: Asker) -> Any:
        """Every execute but `cancel_orders`."""
        if isinstance(request, PlaceOrders):
            return await self._place_orders(request, asker)
        desk, weight = self.desk, weights.of_execute(request)
        payer = wallet(request)
        assert payer is not None
        now_ms = desk.now_ms()
        check_product(request, desk.markets)
        check_time(request, now_ms)
        self._budgets.look(payer, weight)
        self._check_replay(request)
        only_cancels = isinstance(request, CancelProductOrders)
        if not only_cancels:
            self._budgets.look_at_address(asker.client, 0)
        await self._turn(asker, only_cancels=only_cancels)
        if only_cancels:
            self._lanes.cancel_begins()
        try:
            signer = self._verified(request, asker, weight)
            self._budgets.charge(payer, weight)
            check_terms(request, desk.markets, now_ms, desk.builders)
            return await desk.execute(request, signer, self._command_id())
        finally:
            if only_cancels:
                self._lanes.cancel_ends()

    def _check_replay(self, request: Execute) -> None:
        """Cheap, and before the signature is paid for; the engine looks again, with authority (C5)."""
        known = self.desk.is_known
        match request:
            case PlaceOrder() | CancelProductOrders():
                seen = known(request.digest)
            case CancelAndPlace():
                cancel, place = request.cancel, request.place
                seen = known(cancel.digest) or known(place.digest)
            case _:
                seen = False
        if seen:
            raise GatewayError(Code.DIGEST_ALREADY_EXISTS)

    async def _turn(self, asker: Asker, *, only_cancels: bool) -> None:
        """Wait for it: cancels do not, unless their connection is not trusted (`lanes.py`). Raises InboxFull."""
        standing = asker.sender.standing
        if standing is Standing.PROVEN:
            is_suspect = False
        elif standing is Standing.NEW:
            is_suspect = only_cancels and self._limits.is_suspect_client(network_of(asker.client))
        else:
            is_suspect = True
        if is_suspect:
            await self._lanes.suspect()
        elif not only_cancels:
            await self._lanes.post()

    def _verified(self, request: SingleExecute, asker: Asker, weight: int) -> bytes:
        try:
            signer = authorised_signer(request, self.desk.linked_signer_of)
        except GatewayError:
            self._blame(asker, weight, only_cancels=isinstance(request, CancelProductOrders))
            raise
        asker.sender.standing = Standing.PROVEN
        return signer

    def _blame(self, asker: Asker, weight: int, *, only_cancels: bool) -> None:
        """Nobody's signature: the sender pays, and waits behind others from now on."""
        asker.sender.standing = Standing.SUSPECT
        self._budgets.blame(asker.client, weight)
        if only_cancels:
            self._limits.blame(network_of(asker.client))

    def _command_id(self) -> str:
        return f"{self._prefix}-{next(self._numbers):x}"

    # ---- batches --------------------------------------------------------------------------------------------------

    async def _place_orders(self, request: PlaceOrders, asker: Asker) -> Any:
        """Each order is judged by itself, and answered in its place; what comes behind a stop is not (7.4)."""
        payer = wallet(request)
        if payer is None:
            return encode.placed_orders([], as_object=self._as_object(asker))
        desk, weight, now_ms = self.desk, weights.of_execute(request), self.desk.now_ms()
        self._budgets.look(payer, weight)
        self._budgets.look_at_address(asker.client, 0)
        await self._turn(asker, only_cancels=False)
        verdicts = await self._judged(request, now_ms)
        self._settle(verdicts, asker, payer, weight)
        good: list[tuple[PlaceOrder, bytes]] = []
        wanted: list[GatewayError | None] = []
        for order, verdict in zip(request.orders, verdicts, strict=True):
            error = verdict if isinstance(verdict, GatewayError) else None
            if isinstance(verdict, bytes):
                try:
                    check_terms(order, desk.markets, now_ms, desk.builders)
                    good.append((order, verdict))
                except GatewayError as refusal:
                    error = refusal
            wanted.append(error)
            if error is not None and request.stop_on_failure:
                break
        placed = iter(await desk.place(good, request.stop_on_failure, self._command_id()) if good else ())
        results: list[Placed] = []
        for error in wanted:
            result = next(placed, None) if error is None else Placed(None, str(error))
            if result is None:  # the engine stopped before it
                break
            results.append(result)
        return encode.placed_orders(results, as_object=self._as_object(asker))

    def _as_object(self, asker: Asker) -> bool:
        return self.batch_object_for_python and asker.user_agent.startswith("python-requests/")

    def _settle(self, verdicts: list[bytes | GatewayError], asker: Asker, payer: bytes, weight: int) -> None:
        """Charge the wallet if any order is its own; else nobody is known but the sender."""
        if any(isinstance(verdict, bytes) for verdict in verdicts):
            asker.sender.standing = Standing.PROVEN
            self._budgets.charge(payer, weight)
        elif any(isinstance(v, GatewayError) and v.code in _OF_SIGNATURES for v in verdicts):
            self._blame(asker, weight, only_cancels=False)

    async def _judged(self, request: PlaceOrders, now_ms: int) -> list[bytes | GatewayError]:
        """For each order its signer, or why it is refused."""
        judge = partial(self._judge, request, now_ms)
        if len(request.orders) <= _INLINE_ORDERS_MAX:
            return judge()
        judged: list[bytes | GatewayError] = await self._in_thread(judge)
        return judged

    def _judge(self, request: PlaceOrders, now_ms: int) -> list[bytes | GatewayError]:
        verdicts: list[bytes | GatewayError] = []
        for order in request.orders:
            try:
                check_product(order, self.desk.markets)
                check_time(order, now_ms)
                self._check_replay(order)
                verdicts.append(authorised_signer(order, self.desk.linked_signer_of))
            except GatewayError as error:
                verdicts.append(error)
                if request.stop_on_failure:
                    verdicts += [error] * (len(request.orders) - len(verdicts))  # which nobody looks at
                    break
        return verdicts

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        if self._batches_waiting >= BATCHES_WAITING_MAX:
            raise InboxFull
        self._batches_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._batch_thread, work)
        finally:
            self._batches_waiting -= 1


_INLINE_ORDERS_MAX: Final = 8
_CANCELLED: Final = ("execute_cancel_orders", 0)
_OF_SIGNATURES: Final = frozenset({
    Code.SIGNATURE_LENGTH, Code.INVALID_SIGNATURE_V, Code.SIGNATURE_ERROR, Code.INVALID_SIGNER_ZERO,
    Code.INVALID_SIGNER,
})  # fmt: skip


def _busy() -> BudgetExceeded:
    """Too much waits for its turn; nothing was done."""
    return BudgetExceeded(f"too much waits for its turn; try again in {BUSY_RETRY_S} s", BUSY_RETRY_S)
