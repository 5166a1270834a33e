"""Configuration: a TOML file, then `OVERROUND_*` environment variables, then command-line flags.

Nested keys are written `[server] port = 9000` in the file and `OVERROUND_SERVER__PORT=9000` in the environment.
`overround config check` prints the effective values, secrets masked.
"""

from __future__ import annotations

import os
import tomllib
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, cast

import msgspec
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from overround.engine.continuous.product import Product
from overround.engine.continuous.rules import ContinuousRules
from overround.engine.continuous.types import X18, ProductId, ProductKind, TradingStatus
from overround.engine.types import Address
from overround.protocols.nado.profile import PRODUCTS, TESTNET_CHAIN_ID, TESTNET_ENDPOINT, CancelMode
from overround.protocols.nado.profile import Profile as NadoProfile
from overround.protocols.sx.namespaces import SX_NAMESPACES
from overround.protocols.sx.profile import PROFILES, Profile
from overround.realtime import Namespace, Namespaces
from overround.signing.address import AddressError, checksum_address, parse_address

TOKEN_SECRET_BYTES_MIN: Final = 32
ADMIN_TOKEN_LENGTH_MIN: Final = 16
_DELAY_MAX_MS: Final = 3_600_000
_DelayMs = Annotated[int, Field(ge=0, le=_DELAY_MAX_MS)]
SANDBOX_ADMIN_TOKEN: Final = "sandbox-admin"
SANDBOX_TOKEN_SECRET: Final = "sandbox-token-secret-that-everybody-knows"


class ConfigError(Exception):
    """The configuration cannot be used; the message says which key and why."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ServerConfig(_Section):
    """Where requests are accepted, and the bounds of a request."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    body_bytes_max: int = Field(2 * 1024 * 1024, ge=1024, description="largest request body")
    url_bytes_max: int = Field(128 * 1024, ge=1024, description="longest path with query")
    header_bytes_max: int = Field(32 * 1024, ge=1024, description="all header lines of a request together")
    headers_max: int = Field(100, ge=10, description="header lines of a request")
    header_timeout_s: float = Field(15, gt=0, description="from the first byte to the end of the headers")
    body_timeout_s: float = Field(30, gt=0, description="from the first byte to the end of the body")
    keep_alive_s: float = Field(75, gt=0, description="idle time after which a connection is closed")
    shutdown_grace_s: float = Field(5, ge=0, description="how long a stop waits for requests under way")
    verifiers: int = Field(
        0, ge=0, le=64, description="processes beside the venue's own that verify the signatures of cancels"
    )
    trusted_proxies: list[str] = Field(
        [], description="addresses or networks of reverse proxies, whose X-Forwarded-For is believed"
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for one in value:
            ip_network(one, strict=False)
        return value


class LimitsConfig(_Section):
    """How often one client may ask. `limits = "NAME"` above all sections sets the profile alone."""

    profile: Literal["off", "sx", "sx-strict"] | None = Field(
        None,
        description="`off`, `sx` (these numbers) or `sx-strict` (the published ones, none may differ); "
        "left out: `sx` for serve, `off` for a sandbox",
    )
    posts_per_min: int = Field(5_500, ge=0, description="POST /orders/... but cancels; 0, here and below: no limit")
    cancels_per_min: int = Field(10_000, ge=0, description="POST /orders/cancel/..., which count nowhere else")
    heartbeats_per_min: int = Field(500, ge=0, description="/user/heartbeat... and /heartbeat, likewise")
    order_reads_per_min: int = Field(5_500, ge=0, description="GET /orders and /orders/...")
    trade_reads_per_min: int = Field(200, ge=0, description="GET /trades and /trades/...")
    others_per_min: int = Field(500, ge=0, description="everything else")
    all_per_10_min: int = Field(35_000, ge=0, description="all of these together, without cancels, in ten minutes")
    nado_wallet_per_min: int = Field(600, ge=0, description="weight of Nado executes of a wallet; 0: no limit")
    nado_wallet_per_10_s: int = Field(100, ge=0, description="... and in ten seconds")
    nado_address_per_min: int = Field(2_400, ge=0, description="weight of Nado queries, and of bad signatures")
    nado_address_per_10_s: int = Field(400, ge=0, description="... and in ten seconds")
    clients_max: int = Field(100_000, ge=1, description="clients counted at a time, in each group")

    @model_validator(mode="after")
    def _strict_is_strict(self) -> LimitsConfig:
        if self.profile == "sx-strict":
            for name, field in type(self).model_fields.items():
                if name not in ("profile", "clients_max") and getattr(self, name) != field.default:
                    raise ValueError(f"sx-strict has {name} = {field.default}; take the profile sx to change numbers")
        return self

    def resolved(self, *, is_sandbox: bool) -> LimitsConfig:
        """With the profile that holds if none was chosen."""
        if self.profile is not None:
            return self
        return self.model_copy(update={"profile": "off" if is_sandbox else "sx"})


class DataConfig(_Section):
    """The journal and its snapshots."""

    dir: Path | None = Field(None, description="data folder; required by serve, temporary in a sandbox")
    size_max_mb: int = Field(0, ge=0, description="largest journal file; 0: no bound but the disk")
    snapshot_records: int = Field(100_000, ge=1, description="records after which a snapshot is written")
    snapshot_interval_s: float = Field(600, gt=0, description="time after which a snapshot is written")


class TimeConfig(_Section):
    """What time costs accounts with an armed heartbeat."""

    stall_ms: int = Field(1_000, ge=100, description="time without listening that is given back to heartbeats")
    heartbeat_charge_downtime: bool = Field(False, description="heartbeats run on while the venue is down")


class SxConfig(_Section):
    """The SX dialect. Constants left out come from the profile."""

    profile: Literal["mainnet", "toronto"] = Field("mainnet", description="the venue that clients expect")
    chain_id: int | None = Field(None, ge=1, description="chain id of all signatures")
    usdc: str | None = Field(None, description="address of USDC, the betting token")
    wsx: str | None = Field(None, description="address of WSX")
    executor: str | None = Field(None, description="executor that maker orders must name")
    fill_hasher: str | None = Field(None, description="verifying contract of fills")
    token_transfer_proxy: str | None = Field(None, description="spender of approvals")
    domain_version: str | None = Field(None, description="version of the fill domain")
    maker_minimum_usdc: int | None = Field(None, ge=1, description="smallest order, base units")
    taker_minimum_usdc: int | None = Field(None, ge=1, description="smallest stake, base units")
    odds_ladder_step: int | None = Field(None, ge=0, le=1000, description="in 10^15; 0: no ladder")
    cancel_timestamp_past_max_s: int = Field(600, ge=0, description="oldest timestamp of a cancel")
    cancel_timestamp_future_max_s: int = Field(
        60, ge=0, description="how far ahead a timestamp may be; both 0: any timestamp"
    )
    betting_delay_ms: int = Field(500, ge=0, le=_DELAY_MAX_MS, description="how long a fill waits before the match")
    betting_delay_in_play_ms: int = Field(
        8_000, ge=0, le=_DELAY_MAX_MS, description="... while it is on, where neither its league nor sport says else"
    )
    betting_delays_by_sport_ms: dict[int, _DelayMs] = Field({}, description="changes to the delays in play by sport id")
    betting_delays_by_league_ms: dict[str, _DelayMs] = Field(
        {}, description="changes to the delays in play by league label, which beat those by sport"
    )
    fills_in_flight_max: int = Field(10, ge=1, description="fills of one taker, from acceptance to confirmation")
    settlement: Literal["instant", "delayed", "manual"] = Field(
        "delayed", description="when a matched fill is confirmed; manual: when the operator says so"
    )
    settlement_delay_ms: int = Field(500, ge=0, le=_DELAY_MAX_MS, description="... delayed: so long after its match")
    fee_bps: int = Field(0, ge=0, le=10_000, description="fee on a winner's profit, in hundredths of a percent")
    exposure_policy: Literal["suspend", "cancel"] = Field(
        "suspend", description="what becomes of orders that their maker's balance no longer covers"
    )
    restriction_dips: int = Field(
        5, ge=0, description="so many falls of a balance below its exposure restrict the account; 0: never"
    )
    restriction_window_s: int = Field(600, ge=1, description="... within this time")
    restriction_merge_ms: int = Field(1_000, ge=0, description="... those that follow each other faster count once")
    restriction_duration_s: int = Field(900, ge=1, description="how long a restricted account may not post")
    require_approval: bool = Field(False, description="orders and fills need an allowance (`POST /orders/approve`)")
    lenient_addresses: bool = Field(False, description="filters match addresses in any letter case")
    orders_rows_max: int = Field(20_000, ge=1, description="rows of GET /orders without paging")
    pending_trades: bool = Field(False, description="recent_trades tells matches before they are confirmed")

    @field_validator("usdc", "wsx", "executor", "fill_hasher", "token_transfer_proxy")
    @classmethod
    def _checksummed(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return checksum_address(parse_address(value))
        except AddressError as error:
            raise ValueError(str(error)) from None

    def resolved(self) -> Profile:
        """The profile with everything that was set on top of it."""
        base = PROFILES[self.profile]
        given = {name: value for name in Profile.__struct_fields__ if (value := getattr(self, name, None)) is not None}
        return Profile(**{**{name: getattr(base, name) for name in Profile.__struct_fields__}, **given})


class ProductConfig(_Section):
    """A product of the Nado gateway by its id. Numbers are in whole units. A new one needs a symbol, a kind, its steps
    and a price to start with; of one that is there, only what is given changes."""

    symbol: str | None = Field(None, pattern=r"^[A-Z0-9][A-Z0-9-]{0,19}$", description="its name")
    kind: Literal["spot", "perp"] | None = Field(None, description="an asset, or a position")
    tick: Decimal | None = Field(None, gt=0, description="prices are multiples of it")
    lot: Decimal | None = Field(None, gt=0, description="sizes are multiples of it")
    notional_min: Decimal | None = Field(None, ge=0, description="least worth of an order")
    start_price: Decimal | None = Field(None, gt=0, description="its price until somebody trades")
    long_weight: Decimal | None = Field(
        None, ge=0, description="initial weight of a long position; of a perp, 1 less it is margin"
    )
    short_weight: Decimal | None = Field(None, ge=0, description="... of a short one")
    maker_fee: Decimal | None = Field(
        None, gt=-1, lt=1, description="share of the notional; left out, here and below: as the operator said last"
    )
    taker_fee: Decimal | None = Field(None, gt=-1, lt=1, description="likewise")
    trading_status: Literal["live", "post_only", "not_tradable", "reduce_only", "soft_reduce_only"] | None = Field(
        None, description="which orders it takes"
    )

    def over(self, base: Product | None, product_id: int) -> Product:
        """The product of `base` with what is set here on top, or a new one. Raises ValueError."""
        given: dict[str, Any] = {
            f"{name}_x18": _x18(name, value) for name in _PRODUCT_NUMBERS if (value := getattr(self, name)) is not None
        }
        if self.symbol is not None:
            given["symbol"] = self.symbol
        if self.kind is not None:
            given["kind"] = ProductKind(self.kind)
        if self.trading_status is not None:
            given["trading_status"] = TradingStatus(self.trading_status)
        if base is None:
            missing = [name for name in _PRODUCT_NEEDS if getattr(self, name) is None]
            if missing:
                raise ValueError(f"a new product needs {', '.join(missing)}")
            made = Product(product_id=ProductId(product_id), notional_min_x18=given.pop("notional_min_x18", 0), **given)
        else:
            made = msgspec.structs.replace(base, **given)
        if not made.is_valid:
            raise ValueError("tick times lot must be a multiple of 10^-18, or prices times sizes are no whole numbers")
        return made


_PRODUCT_NUMBERS: Final = (
    "tick", "lot", "notional_min", "start_price", "long_weight", "short_weight", "maker_fee", "taker_fee",
)  # fmt: skip
_PRODUCT_NEEDS: Final = ("symbol", "kind", "tick", "lot", "start_price")


def _x18(name: str, value: Decimal) -> int:
    scaled = value.scaleb(18)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{name} has more than 18 decimals")
    return int(scaled)


class NadoConfig(_Section):
    """The Nado gateway. What signatures commit to is the public testnet's, which two SDKs carry within them."""

    chain_id: int = Field(TESTNET_CHAIN_ID, ge=1, description="chain id of all signatures")
    endpoint: str = Field(checksum_address(TESTNET_ENDPOINT), description="verifying contract of everything but orders")
    cancel_mode: Literal["atomic", "partial"] = Field(
        "atomic", description="whether one bad digest refuses a cancellation, or what can be is cancelled"
    )
    open_orders_max: int = Field(500, ge=1, description="open orders of a subaccount on a product")
    signer_updates_max: int = Field(50, ge=1, description="changes of a subaccount's linked signer in a week")
    price_band_low: Decimal = Field(
        Decimal(0), ge=0, le=1, description="least price of an order, as a share of the mark"
    )
    price_band_high: Decimal = Field(
        Decimal(0), ge=0, le=1000, description="greatest price, likewise; both 0: any price"
    )
    builders: list[int] | None = Field(None, description="builder ids that orders may name; left out: any, ignored")
    batch_object_for_python: bool = Field(
        False, description="answer place_orders with an object where the client is the Python SDK, which needs it"
    )
    compression_required: bool = Field(False, description="refuse sockets that do not offer permessage-deflate")
    heartbeat_scope: Literal["both", "sx", "nado"] = Field(
        "both", description="which of a wallet's orders its missed heartbeat cancels"
    )
    message_bytes_max: int = Field(2 * 1024 * 1024, ge=262_144, description="largest message on an action socket")
    idle_timeout_s: float = Field(90, ge=1, description="silence after which a socket is closed")
    connections_per_address_max: int = Field(100, ge=1, description="subscription sockets of one address")
    products: dict[int, ProductConfig] = Field({}, description="changes to products, and further ones")

    @field_validator("endpoint")
    @classmethod
    def _checksummed(cls, value: str) -> str:
        try:
            return checksum_address(parse_address(value))
        except AddressError as error:
            raise ValueError(str(error)) from None

    @field_validator("products")
    @classmethod
    def _ids(cls, value: dict[int, ProductConfig]) -> dict[int, ProductConfig]:
        for product_id in value:
            if not 1 <= product_id <= PRODUCT_ID_CONFIGURED_MAX:
                raise ValueError(f"a product's id is 1 to {PRODUCT_ID_CONFIGURED_MAX}; 0 is the quote currency")
        return value

    def resolved(self) -> NadoProfile:
        """What the dialect needs to know."""
        return NadoProfile(
            chain_id=self.chain_id,
            endpoint=parse_address(self.endpoint),
            cancel_mode=CancelMode(self.cancel_mode),
            builders=None if self.builders is None else frozenset(self.builders),
            batch_object_for_python=self.batch_object_for_python,
            compression_required=self.compression_required,
        )

    def rules(self) -> ContinuousRules:
        """What the engine needs to know. Raises ConfigError."""
        try:
            band = _x18("price_band_low", self.price_band_low), _x18("price_band_high", self.price_band_high)
        except ValueError as error:
            raise ConfigError(f"nado: {error}") from None
        if any(band) and not band[0] <= X18 <= band[1]:
            raise ConfigError("nado: price_band_low must be at most 1 and price_band_high at least 1")
        return ContinuousRules(
            chain_id=self.chain_id,
            endpoint=Address(parse_address(self.endpoint)),
            open_orders_max=self.open_orders_max,
            partial_cancels=self.cancel_mode == "partial",
            signer_updates_max=self.signer_updates_max,
            band_low_x18=band[0],
            band_high_x18=band[1],
        )

    def product(self, product_id: int, now: Product | None) -> Product | None:
        """A product as it must be from this start on, given what it is now; None where nobody knows it.

        What the operator said about a product that is there stands, unless the configuration says otherwise.
        Raises ConfigError.
        """
        default = next((one for one in PRODUCTS if one.product_id == product_id), None)
        base = default if default is not None else now
        if base is not None and now is not None:
            said = {name: getattr(now, name) for name in ("maker_fee_x18", "taker_fee_x18", "trading_status")}
            base = msgspec.structs.replace(base, **said)
        changes = self.products.get(product_id)
        if changes is None:
            return base
        try:
            return changes.over(base, product_id)
        except ValueError as error:
            raise ConfigError(f"nado.products.{product_id}: {error}") from None

    def product_ids(self) -> list[int]:
        """The products that the venue must have."""
        return sorted({*(one.product_id for one in PRODUCTS), *self.products})


PRODUCT_ID_CONFIGURED_MAX: Final = 999  # answers have arrays by product id


class TokensConfig(_Section):
    """Connection tokens for the feeds (HS256)."""

    secret: SecretStr | None = Field(None, description="at least 32 bytes; required by serve")
    ttl_s: int = Field(3600, ge=10, description="life of a token")


class NamespaceConfig(_Section):
    """What the channels of one namespace may do (centrifugo.md 7, 16). What is left out stays as it is."""

    history_size: int | None = Field(None, ge=0, description="publications kept per channel; 0: none, no recovery")
    history_ttl_s: float | None = Field(None, ge=0, description="how long they are kept after the last one")
    allow_positioning: bool | None = Field(None, description="clients may ask for positions")
    force_positioning: bool | None = Field(None, description="clients get positions, asked for or not")
    allow_recovery: bool | None = Field(None, description="clients may ask for recovery")
    force_recovery: bool | None = Field(None, description="clients recover, asked for or not")
    allow_subscribe_for_client: bool | None = Field(None, description="any named user may subscribe")
    allow_subscribe_for_anonymous: bool | None = Field(None, description="so may users without a name")
    allow_publish_for_client: bool | None = Field(None, description="any named user may publish")
    allow_publish_for_subscriber: bool | None = Field(None, description="subscribers may publish")
    allow_publish_for_anonymous: bool | None = Field(None, description="both extended to users without a name")
    allow_history_for_client: bool | None = Field(None, description="any named user may read the history")
    allow_history_for_subscriber: bool | None = Field(None, description="subscribers may read the history")
    allow_history_for_anonymous: bool | None = Field(None, description="both extended to users without a name")
    allow_presence_for_client: bool | None = Field(None, description="any named user may ask who is there")
    allow_presence_for_subscriber: bool | None = Field(None, description="subscribers may ask who is there")
    allow_presence_for_anonymous: bool | None = Field(None, description="both extended to users without a name")
    presence: bool | None = Field(None, description="who is on a channel can be asked at all")
    join_leave: bool | None = Field(None, description="coming and going is pushed to those who ask for it")
    force_push_join_leave: bool | None = Field(None, description="... and to everybody")
    binary_publications: bool | None = Field(None, description="Protobuf clients may publish what is not JSON")

    def over(self, base: Namespace) -> Namespace:
        """The options of `base` with what is set here on top. Raises ValueError if they contradict each other."""
        given = self.model_dump(exclude_none=True)
        if (ttl_s := given.pop("history_ttl_s", None)) is not None:
            given["history_ttl_ms"] = int(ttl_s * 1000)
        return msgspec.structs.replace(base, **given)


class RealtimeConfig(_Section):
    """The feeds on `/connection/websocket`."""

    ping_interval_s: int = Field(30, ge=2, description="between two pings to a client")
    pong_timeout_s: float = Field(8, gt=0, description="how long a client has to answer one")
    stale_delay_s: float = Field(10, gt=0, description="how long a client has to connect after the handshake")
    message_bytes_max: int = Field(1024 * 1024, ge=262_144, description="largest message of a client")
    subscriptions_max: int = Field(512, ge=1, description="subscriptions of one connection")
    connections_per_user_max: int = Field(0, ge=0, description="connections of one user; 0: as many as they like")
    queue_bytes_soft: int = Field(1024 * 1024, ge=1024, description="queue that is too long after 5 s")
    queue_bytes_hard: int = Field(16 * 1024 * 1024, ge=1024, description="queue that is too long at once")
    recovery_publications_max: int = Field(1000, ge=1, description="publications of one recovery")
    write_window_ms: float = Field(2, ge=0, le=20, description="how long publications gather under load")
    allowed_origins: list[str] = Field([], description="pages of other origins that may connect; * for all")
    private_active_orders: bool = Field(False, description="only its maker may follow active_orders:{maker}")
    personal_channel: bool = Field(False, description="subscribe every named user to #name")
    insecure: bool = Field(False, description="tests only: no token is needed, everything is allowed")
    anonymous_tokens: bool = Field(False, description="tests only: tokens without a subject are accepted")
    anonymous_connections: bool = Field(False, description="tests only: no token makes a user without a name")
    tokens_without_key: bool = Field(False, description="tests only: subjects need not own an API key")
    namespaces: dict[str, NamespaceConfig] = Field({}, description="changes to namespaces, and further ones")
    channels_without_namespace: NamespaceConfig | None = Field(
        None, description="what channels without a namespace may do; left out: there are none"
    )

    def resolved_namespaces(self) -> Namespaces:
        """The venue's own namespaces with what is configured on top. Raises ConfigError."""
        plain, without = Namespace(), self.channels_without_namespace
        try:
            named = {name: further.over(SX_NAMESPACES.get(name, plain)) for name, further in self.namespaces.items()}
            return Namespaces({**SX_NAMESPACES, **named}, None if without is None else without.over(plain))
        except ValueError as error:
            raise ConfigError(f"realtime.namespaces: {error}") from None


class AdminConfig(_Section):
    """The operator routes."""

    token: SecretStr | None = Field(None, description="bearer token, at least 16 characters; required by serve")


class LogConfig(_Section):
    """Structured logs on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level written")
    format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, else JSON")
    requests: Literal["off", "failures", "all"] = Field("failures", description="which requests are logged")


class _Environment(EnvSettingsSource):
    """Reads `OVERROUND_LIMITS=sx-strict` as the section with this profile."""

    def prepare_field_value(self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool) -> Any:
        """A section in the environment is JSON, or its members one by one."""
        if field_name == "limits" and isinstance(value, str) and not value.lstrip().startswith("{"):
            value = msgspec.json.encode({"profile": value}).decode()
        return super().prepare_field_value(field_name, field, value, value_is_complex)


class _File(TomlConfigSettingsSource):
    """Reads `limits = "sx-strict"` as the section with this profile."""

    def __call__(self) -> dict[str, Any]:
        """What the file says; stronger sources are laid over it member by member."""
        found = super().__call__()
        limits = found.get("limits")
        return {**found, "limits": {"profile": limits}} if isinstance(limits, str) else found


class Config(BaseSettings):
    """Everything that can be configured."""

    toml_file: ClassVar[Path | None] = None

    model_config = SettingsConfigDict(env_prefix="OVERROUND_", env_nested_delimiter="__", extra="forbid", frozen=True)

    server: ServerConfig = ServerConfig()  # type: ignore[call-arg]
    limits: LimitsConfig = LimitsConfig()  # type: ignore[call-arg]
    data: DataConfig = DataConfig()  # type: ignore[call-arg]
    time: TimeConfig = TimeConfig()  # type: ignore[call-arg]
    sx: SxConfig = SxConfig()  # type: ignore[call-arg]
    nado: NadoConfig = NadoConfig()  # type: ignore[call-arg]
    tokens: TokensConfig = TokensConfig()  # type: ignore[call-arg]
    realtime: RealtimeConfig = RealtimeConfig()  # type: ignore[call-arg]
    admin: AdminConfig = AdminConfig()  # type: ignore[call-arg]
    log: LogConfig = LogConfig()  # type: ignore[call-arg]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags win over the environment, which wins over the file."""
        del env_settings, dotenv_settings, file_secret_settings
        return init_settings, _Environment(settings_cls), _File(settings_cls, cls.toml_file)


def load(file: Path | None, flags: dict[str, dict[str, Any]] | None = None) -> Config:
    """Read the configuration. Raises ConfigError with one line for every key that is wrong."""
    if file is not None and not file.is_file():
        raise ConfigError(f"the configuration file {file} does not exist")

    class FromFile(Config):
        toml_file: ClassVar[Path | None] = file

    _check_environment()
    try:
        config = FromFile(**cast("Any", flags or {}))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is no TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    except SettingsError as error:
        raise ConfigError(f"the environment cannot be read: {error}") from None
    except ValidationError as error:
        raise ConfigError("\n".join(map(_fault, error.errors()))) from None
    config.realtime.resolved_namespaces()
    config.nado.rules()
    for product_id in config.nado.products:
        if product_id in {one.product_id for one in PRODUCTS}:
            config.nado.product(product_id, None)
    return config


def _fault(error: ErrorDetails) -> str:
    """Which key is wrong, and why; never its value, which may be a secret."""
    reason = "there is no such key" if error["type"] == "extra_forbidden" else error["msg"]
    return f"{'.'.join(map(str, error['loc']))}: {reason}"


def _check_environment() -> None:
    """Name a misspelt section; the settings library only looks at variables of the sections it knows."""
    prefix, delimiter = "OVERROUND_", "__"
    wrong = [
        f"{name}: there is no such section"
        for name in sorted(os.environ)
        if name.upper().startswith(prefix)
        and delimiter in name
        and name[len(prefix) :].split(delimiter)[0].lower() not in Config.model_fields
    ]
    if wrong:
        raise ConfigError("\n".join(wrong))


def check_for_serving(config: Config) -> None:
    """Refuse what a sandbox may have and a real venue may not. Raises ConfigError."""
    faults = []
    if config.data.dir is None:
        faults.append("data.dir: a venue needs a data folder")
    secret = config.tokens.secret.get_secret_value() if config.tokens.secret else ""
    if secret == SANDBOX_TOKEN_SECRET:
        faults.append("tokens.secret: this is the sandbox's secret, which everybody knows")
    elif len(secret.encode()) < TOKEN_SECRET_BYTES_MIN or len(set(secret)) < 8:
        faults.append(f"tokens.secret: a random secret of at least {TOKEN_SECRET_BYTES_MIN} bytes is needed")
    token = config.admin.token.get_secret_value() if config.admin.token else ""
    if token == SANDBOX_ADMIN_TOKEN:
        faults.append("admin.token: this is the sandbox's token, which everybody knows")
    elif len(token) < ADMIN_TOKEN_LENGTH_MIN or len(set(token)) < 6:
        faults.append(f"admin.token: a random token of at least {ADMIN_TOKEN_LENGTH_MIN} characters is needed")
    for name in ("insecure", "anonymous_tokens", "anonymous_connections", "tokens_without_key"):
        if getattr(config.realtime, name):
            faults.append(f"realtime.{name}: this is for tests only")
    if faults:
        raise ConfigError("\n".join(faults))
