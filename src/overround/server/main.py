"""Starts a venue behind its sockets, and stops both."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import structlog
import uvicorn
import uvloop

from overround.config import (
    SANDBOX_ADMIN_TOKEN,
    SANDBOX_TOKEN_SECRET,
    Config,
    ConfigError,
    NadoConfig,
)
from overround.engine.commands import AnyCommand, ConfigureVenue
from overround.engine.continuous.commands import ConfigureContinuous, ConfigureProduct
from overround.engine.continuous.rejections import Refusal
from overround.engine.continuous.types import QUOTE, ProductId
from overround.engine.record import Record
from overround.engine.rules import BettingDelays, HeartbeatScope, Restrictions, Rules, Token
from overround.engine.types import ODDS_ONE, Address
from overround.protocols.centrifugo import PATH
from overround.protocols.nado.profile import QUOTE_PRODUCT
from overround.protocols.sx.profile import USDC_DECIMALS, Profile
from overround.protocols.sx.reference import IN_PLAY_DELAYS_BY_LEAGUE, IN_PLAY_DELAYS_BY_SPORT
from overround.runtime.venue import Venue
from overround.sandbox import world
from overround.sandbox.accounts import ACCOUNTS
from overround.server.app import App, refuse_connection
from overround.server.desk import VenueDesk
from overround.server.documentation import DocumentationRoutes
from overround.server.lanes import Lanes
from overround.server.limits import Limits
from overround.server.metrics import Metrics
from overround.server.nado_gateway import NadoGateway, SocketBounds
from overround.server.operations import OperationsRoutes
from overround.server.operator import OperatorRoutes
from overround.server.protocol import HttpLimits, make_protocol
from overround.server.realtime import build_realtime, realtime_limits
from overround.server.routes import Route, Routes
from overround.server.sx import SxRoutes
from overround.server.sx_fills import SxFillRoutes
from overround.server.sx_trades import TradeRoutes
from overround.server.sx_user import SxUserRoutes
from overround.server.table import (
    fill_routes,
    operations_routes,
    operator_routes,
    sx_routes,
    sx_user_routes,
    trade_routes,
)
from overround.server.tokens import ConnectionTokens
from overround.server.verifier import Verifier
from overround.signing.address import parse_address
from overround.signing.api_keys import key_digest
from overround.signing.recover import assert_fast_backend

EXIT_COMMIT_FAILED: Final = 5
RECURSION_LIMIT_MAX: Final = 1_000
# Two threads that both want the interpreter, the loop and the journal, hand it over this often. At the default of
# 5 ms a recovery that gives the lock away may wait that long to get it back.
SWITCH_INTERVAL_S: Final = 0.0005

_log = structlog.get_logger()


def rules_of(profile: Profile, config: Config) -> Rules:
    """The engine's rules of a profile."""
    sx = config.sx
    usdc = Token(
        symbol="USDC",
        address=Address(parse_address(profile.usdc)),
        decimals=USDC_DECIMALS,
        maker_minimum=profile.maker_minimum_usdc,
        taker_minimum=profile.taker_minimum_usdc,
    )
    return Rules(
        chain_id=profile.chain_id,
        executor=Address(parse_address(profile.executor)),
        tokens=(usdc,),
        odds_ladder_step=profile.odds_ladder_step,
        cancel_timestamp_past_max_s=sx.cancel_timestamp_past_max_s,
        cancel_timestamp_future_max_s=sx.cancel_timestamp_future_max_s,
        settlement_delay_ms={"instant": 0, "delayed": sx.settlement_delay_ms, "manual": None}[sx.settlement],
        betting_delays=BettingDelays(
            pre_match_ms=sx.betting_delay_ms,
            in_play_ms=sx.betting_delay_in_play_ms,
            in_play_by_sport=tuple(sorted({**IN_PLAY_DELAYS_BY_SPORT, **sx.betting_delays_by_sport_ms}.items())),
            in_play_by_league=tuple(sorted({**IN_PLAY_DELAYS_BY_LEAGUE, **sx.betting_delays_by_league_ms}.items())),
        ),
        fills_in_flight_max=sx.fills_in_flight_max,
        fee=sx.fee_bps * (ODDS_ONE // 10_000),
        suspends=sx.exposure_policy == "suspend",
        restrictions=Restrictions(
            dips_max=sx.restriction_dips,
            window_ms=sx.restriction_window_s * 1000,
            merge_ms=sx.restriction_merge_ms,
            duration_ms=sx.restriction_duration_s * 1000,
        ),
        approval_required=sx.require_approval,
        tells_pending_trades=sx.pending_trades,
        heartbeat_scope=HeartbeatScope(config.nado.heartbeat_scope),
    )


def run(config: Config, folder: Path, *, is_sandbox: bool) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigError, DataFolderInUse, JournalDamaged before it serves."""
    assert_fast_backend()
    # Deep JSON must end in RecursionError, not in a crash of the interpreter (some libraries raise the limit).
    if sys.getrecursionlimit() > RECURSION_LIMIT_MAX:
        raise ConfigError(
            f"the recursion limit is {sys.getrecursionlimit()}, more than {RECURSION_LIMIT_MAX}: "
            "an imported library raised it, and a deeply nested body could crash the process"
        )
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    uvloop.run(_serve(config, folder, is_sandbox=is_sandbox))


async def _serve(config: Config, folder: Path, *, is_sandbox: bool) -> None:
    listener = _listen(config)
    try:
        venue = Venue.open(
            folder,
            on_fatal=_end_process,
            size_max_bytes=config.data.size_max_mb * 1024 * 1024,
            snapshot_records=config.data.snapshot_records,
            snapshot_interval_s=config.data.snapshot_interval_s,
            namespaces=config.realtime.resolved_namespaces(),
            limits=realtime_limits(config.realtime),
            stall_ms=config.time.stall_ms,
            charge_downtime=config.time.heartbeat_charge_downtime,
        )
        venue.sequencer.deafen()  # until requests are accepted: no heartbeat is charged for the time until then
    except BaseException:
        listener.close()
        raise
    async with AsyncExitStack() as stack:
        stack.push_async_callback(venue.stop)
        profile = config.sx.resolved()
        await _configure(venue, rules_of(profile, config))
        await _configure_continuous(venue, config.nado)
        if is_sandbox:
            await _furnish(venue)
        else:
            _refuse_sandbox_keys(venue)
        base_url = _base_url(listener)
        verifier = Verifier()
        await verifier.start(config.server.verifiers)
        stack.push_async_callback(verifier.stop)
        app = build_app(venue, profile, config, base_url, verifier, is_sandbox=is_sandbox)
        server = VenueServer(
            _uvicorn_config(app, config),
            on_ready=lambda: _announce(base_url, venue),
            on_shutdown=lambda: _close_the_doors(venue),
        )
        await venue.sequencer.resumed()
        await server.serve(sockets=[listener])
    _log.info("stopped", seq=venue.views.seq)


def build_app(
    venue: Venue, profile: Profile, config: Config, base_url: str, verifier: Verifier, *, is_sandbox: bool
) -> tuple[App, HttpLimits]:
    """All routes of a venue, and the bounds of its connections."""
    secret = config.tokens.secret.get_secret_value() if config.tokens.secret else SANDBOX_TOKEN_SECRET
    admin_token = config.admin.token.get_secret_value() if config.admin.token else SANDBOX_ADMIN_TOKEN

    def sandbox() -> dict[str, Any]:
        return world.describe(base_url, admin_token, venue.views)

    nado_profile = config.nado.resolved()

    metrics = Metrics(venue)
    documentation = DocumentationRoutes()
    operations = OperationsRoutes(venue, metrics, sandbox if is_sandbox else None)
    tokens = ConnectionTokens(secret, config.tokens.ttl_s, venue.clock, venue.views.accounts)
    accounts = venue.views.accounts
    rates = Limits(
        config.limits.resolved(is_sandbox=is_sandbox),
        accounts.owner_of_key,
        lambda maker: maker in accounts.balances,  # nobody has an order without one
    )
    lanes = Lanes()
    metrics.watch_limits(rates, lanes, verifier)
    nado = NadoGateway(
        VenueDesk(venue, nado_profile),
        nado_profile,
        config,
        SocketBounds(
            config.nado.message_bytes_max, config.nado.idle_timeout_s, config.nado.connections_per_address_max
        ),
        rates,
        lanes,
        verifier,
        f"nado-{secrets.token_hex(4)}",
        is_sandbox=is_sandbox,
    )
    venue.followers.append(nado.follow)
    metrics.watch_nado(nado)
    routes: list[Route] = [
        *nado.routes(),
        *sx_routes(SxRoutes(venue, profile, config.sx, tokens, rates, verifier)),
        *fill_routes(SxFillRoutes(venue, profile)),
        *sx_user_routes(SxUserRoutes(venue)),
        *trade_routes(TradeRoutes(venue, config.sx)),
        *operator_routes(OperatorRoutes(venue, admin_token), with_clock=is_sandbox),
        *operations_routes(operations, documentation, with_sandbox=is_sandbox),
    ]
    documentation.describe(routes)
    app = App(Routes(routes), rates, lanes, metrics, config.log)
    limits = HttpLimits(config.server, app.dispatch, refuse_connection, secrets.token_hex(4))
    realtime = build_realtime(venue, config.realtime, secret)
    metrics.watch_realtime(realtime)
    limits.sockets[PATH] = realtime
    limits.sockets.update(nado.sockets())
    return app, limits


async def _configure(venue: Venue, rules: Rules) -> None:
    """Put the rules into the journal where they are new. What orders commit to can never change."""
    before = venue.views.rules
    if before == rules:
        return
    if before is not None and (before.chain_id, before.executor) != (rules.chain_id, rules.executor):
        raise ConfigError(
            "this data folder belongs to a venue of another profile (chain id or executor differ): "
            "its orders are signed for that one"
        )
    await _submit(venue, ConfigureVenue(rules=rules))


async def _configure_continuous(venue: Venue, config: NadoConfig) -> None:
    """The same for continuous markets: their rules, and every product that is not as it is configured."""
    views, rules = venue.views.continuous, config.rules()
    before = views.rules
    if before is not None and (before.chain_id, before.endpoint) != (rules.chain_id, rules.endpoint):
        raise ConfigError(
            "this data folder belongs to a gateway of another chain id or endpoint (nado.chain_id, nado.endpoint): "
            "its orders are signed for that one"
        )
    if before != rules:
        await _submit(venue, ConfigureContinuous(rules=rules))
    if QUOTE not in views.products:
        await _submit(venue, ConfigureProduct(product=QUOTE_PRODUCT))
    for product_id in config.product_ids():
        now = views.products.get(ProductId(product_id))
        wanted = config.product(product_id, now)
        if wanted is None or wanted == now:
            continue
        decision = await venue.submit(ConfigureProduct(product=wanted), _own_id("start"))
        if isinstance(decision, Refusal):
            raise ConfigError(
                f"nado.products.{product_id}: somebody has orders or a balance in it, which rest on its kind and steps"
            )


async def _furnish(venue: Venue) -> None:
    """Give a fresh sandbox its world."""
    assert venue.views.rules is not None
    if not venue.views.catalogue.fixtures:
        for command in world.commands(venue.views.rules, venue.clock.now_ms()):
            await _submit(venue, command)
    if not venue.views.continuous.funded:
        for deposit in world.deposits():
            await _submit(venue, deposit)


def _refuse_sandbox_keys(venue: Venue) -> None:
    digests = [key_digest(account.api_key) for account in ACCOUNTS]
    if any(venue.views.accounts.owner_of_key(digest) is not None for digest in digests):
        raise ConfigError(
            "this data folder was made by a sandbox: its API keys and private keys are known to everybody"
        )


async def _submit(venue: Venue, command: AnyCommand) -> None:
    decision = await venue.submit(command, _own_id("start"))
    assert isinstance(decision, Record), decision


async def _close_the_doors(venue: Venue) -> None:
    """Nobody is heard from here on, and nobody waits for what a venue that stops will not do."""
    venue.sequencer.deafen()
    await venue.drop_held_fills(_own_id("stop"))


def _own_id(occasion: str) -> str:
    """The id of a command that nobody sent."""
    return f"{occasion}-{uuid4().hex[:12]}"


def _end_process(error: BaseException) -> None:
    """A commit failed: nobody may be answered any more, so nothing is closed in an orderly way."""
    print(f"overround: the journal could not be written, stopping at once: {error}", file=sys.stderr, flush=True)
    os._exit(EXIT_COMMIT_FAILED)


def _announce(base_url: str, venue: Venue) -> None:
    venue.sequencer.listen()
    _log.info("ready", url=base_url, seq=venue.views.seq, replayed=venue.replayed)
    print(f"ready {base_url}", flush=True)


def _listen(config: Config) -> socket.socket:
    """Bind before anything else: a port in use is found out before the journal is opened."""
    host, port = config.server.host, config.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listener


def _base_url(listener: socket.socket) -> str:
    """Where a client of this machine finds us; an address that stands for all of them is none that one can call."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _uvicorn_config(app: tuple[App, HttpLimits], config: Config) -> uvicorn.Config:
    return uvicorn.Config(
        _no_asgi,
        http=make_protocol(app[1]),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(config.server.shutdown_grace_s),
    )


async def _no_asgi(scope: object, receive: object, send: object) -> None:
    """uvicorn wants an application; requests are dispatched by the connection itself (`protocol.py`).

    The three names tell uvicorn that this is one: what it can call without arguments it calls, as a factory.
    """
    del scope, receive, send
    raise AssertionError("no request takes this way")


class VenueServer(uvicorn.Server):
    """uvicorn's server: announces itself, and ends with 0 after a signal instead of dying of it."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        on_ready: Callable[[], None],
        on_shutdown: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_shutdown = on_shutdown

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        await self._serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say so when requests are accepted."""
        await super().startup(sockets=sockets)
        await self.on_tick(0)  # the first answers carry a Date as well
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Nobody is heard any more, and what is under way is finished."""
        await self._on_shutdown()
        await super().shutdown(sockets=sockets)
