"""Configuration: a TOML file, then `OVERROUND_*` environment variables, then command-line flags.

Nested keys are written `[server] port = 9000` in the file and `OVERROUND_SERVER__PORT=9000` in the environment.
`overround config check` prints the effective values, secrets masked.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from overround.protocols.sx.profile import PROFILES, Profile
from overround.signing.address import AddressError, checksum_address, parse_address

TOKEN_SECRET_BYTES_MIN: Final = 32
ADMIN_TOKEN_LENGTH_MIN: Final = 16
SANDBOX_ADMIN_TOKEN: Final = "sandbox-admin"
SANDBOX_TOKEN_SECRET: Final = "sandbox-token-secret-that-everybody-knows"


class ConfigError(Exception):
    """The configuration cannot be used; the message says which key and why."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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


class DataConfig(_Section):
    """The journal and its snapshots."""

    dir: Path | None = Field(None, description="data folder; required by serve, temporary in a sandbox")
    size_max_mb: int = Field(0, ge=0, description="largest journal file; 0: no bound but the disk")
    snapshot_records: int = Field(100_000, ge=1, description="records after which a snapshot is written")
    snapshot_interval_s: float = Field(600, gt=0, description="time after which a snapshot is written")


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
    lenient_addresses: bool = Field(False, description="filters match addresses in any letter case")
    orders_rows_max: int = Field(20_000, ge=1, description="rows of GET /orders without paging")

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


class TokensConfig(_Section):
    """Connection tokens for the feeds (HS256)."""

    secret: SecretStr | None = Field(None, description="at least 32 bytes; required by serve")
    ttl_s: int = Field(3600, ge=10, description="life of a token")


class AdminConfig(_Section):
    """The operator routes."""

    token: SecretStr | None = Field(None, description="bearer token, at least 16 characters; required by serve")


class LogConfig(_Section):
    """Structured logs on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level written")
    format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, else JSON")
    requests: Literal["off", "failures", "all"] = Field("failures", description="which requests are logged")


class Config(BaseSettings):
    """Everything that can be configured."""

    toml_file: ClassVar[Path | None] = None

    model_config = SettingsConfigDict(env_prefix="OVERROUND_", env_nested_delimiter="__", extra="forbid", frozen=True)

    server: ServerConfig = ServerConfig()  # type: ignore[call-arg]
    data: DataConfig = DataConfig()  # type: ignore[call-arg]
    sx: SxConfig = SxConfig()  # type: ignore[call-arg]
    tokens: TokensConfig = TokensConfig()  # type: ignore[call-arg]
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
        del dotenv_settings, file_secret_settings
        toml = TomlConfigSettingsSource(settings_cls, cls.toml_file)
        return init_settings, env_settings, toml


def load(file: Path | None, flags: dict[str, dict[str, Any]] | None = None) -> Config:
    """Read the configuration. Raises ConfigError with one line for every key that is wrong."""
    if file is not None and not file.is_file():
        raise ConfigError(f"the configuration file {file} does not exist")

    class FromFile(Config):
        toml_file: ClassVar[Path | None] = file

    try:
        return FromFile(**cast("Any", flags or {}))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is no TOML: {error}") from None
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ConfigError("\n".join(lines)) from None


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
    if faults:
        raise ConfigError("\n".join(faults))
