"""Configuration: precedence, what is refused and how, and what a real venue must not have."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from overround.config import (
    SANDBOX_ADMIN_TOKEN,
    SANDBOX_TOKEN_SECRET,
    Config,
    ConfigError,
    check_for_serving,
    load,
)
from overround.engine.continuous.types import X18, TradingStatus
from overround.engine.rules import HeartbeatScope
from overround.protocols.nado.profile import PRODUCTS, CancelMode
from overround.protocols.nado.profile import Profile as NadoProfile
from overround.protocols.sx.profile import PROFILES
from overround.server.main import rules_of

STRONG = {
    "OVERROUND_TOKENS__SECRET": "7b1d0c6f2e9a48d3b5f60718293a4b5c",
    "OVERROUND_ADMIN__TOKEN": "3f9c2b7a1e8d4605",
    "OVERROUND_DATA__DIR": "/var/lib/overround",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A place for a configuration file."""
    return tmp_path / "venue.toml"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OVERROUND_")]:
        monkeypatch.delenv(name)


def _set(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


# ---- where values come from ----------------------------------------------------------------------------------------


def test_defaults_need_nothing() -> None:
    config = load(None)
    assert (config.server.host, config.server.port) == ("127.0.0.1", 8080)
    assert config.data.dir is None


def test_flags_win_over_the_environment_which_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[server]\nhost = 'file'\nport = 1\nbody_bytes_max = 4096\n")
    assert (load(file).server.host, load(file).server.port) == ("file", 1)
    _set(monkeypatch, {"OVERROUND_SERVER__PORT": "2", "OVERROUND_SERVER__HOST": "environment"})
    assert (load(file).server.host, load(file).server.port) == ("environment", 2)
    config = load(file, {"server": {"port": 3}})
    # Key by key: what a stronger source leaves out comes from the next one.
    assert (config.server.host, config.server.port, config.server.body_bytes_max) == ("environment", 3, 4096)


def test_names_in_the_environment_may_have_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("overround_server__port", "2")
    assert load(None).server.port == 2


def test_every_key_can_be_set_in_a_file_and_in_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Config().model_dump(mode="json")
    plain["tokens"]["secret"] = plain["admin"]["token"] = "s" * 40
    plain["data"]["dir"] = "/tmp/x"
    plain["sx"] |= {
        name: getattr(PROFILES["toronto"], name) for name in plain["sx"] if hasattr(PROFILES["toronto"], name)
    }
    plain["sx"] |= {"profile": "toronto", "chain_id": 7}
    plain["realtime"]["channels_without_namespace"] = {}
    plain["limits"]["profile"] = "sx"
    plain["nado"]["builders"] = [1]
    lines = []
    for section, values in plain.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    file.write_text("\n".join(lines))
    from_file = load(file)
    for section, values in plain.items():
        for key, value in values.items():
            text = value if isinstance(value, str) else json.dumps(value)
            monkeypatch.setenv(f"OVERROUND_{section.upper()}__{key.upper()}", text)
    assert load(None).model_dump() == from_file.model_dump()


@pytest.mark.row("HTTP-09")
def test_a_profile_of_limits_can_be_named_alone_and_numbers_laid_over_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(None).limits.resolved(is_sandbox=True).profile == "off"
    assert load(None).limits.resolved(is_sandbox=False).profile == "sx"
    file.write_text("limits = 'sx-strict'\n[server]\nport = 1\n")
    limits = load(file).limits.resolved(is_sandbox=True)
    assert (limits.profile, limits.posts_per_min) == ("sx-strict", 5_500)
    monkeypatch.setenv("OVERROUND_LIMITS", "sx")
    monkeypatch.setenv("OVERROUND_LIMITS__POSTS_PER_MIN", "7")
    limits = load(file).limits
    assert (limits.profile, limits.posts_per_min, limits.others_per_min) == ("sx", 7, 500)
    monkeypatch.setenv("OVERROUND_LIMITS", '{"others_per_min": 8}')
    with pytest.raises(ConfigError, match="take the profile sx to change numbers"):
        load(file)
    assert load(None).limits.others_per_min == 8


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[server]\nprot = 1\n", "server.prot: there is no such key"),
        ("[servr]\nport = 1\n", "servr: there is no such key"),
        ("port = 1\n", "port: there is no such key"),
        ("[server]\nport = 65536\n", "server.port: Input should be less than or equal to 65535"),
        ("[server]\nport = 'http'\n", "server.port: Input should be a valid integer"),
        ("[server]\nheader_timeout_s = nan\n", "server.header_timeout_s: Input should be a finite number"),
        ("[server]\nshutdown_grace_s = inf\n", "server.shutdown_grace_s: Input should be a finite number"),
        ("[data]\nsnapshot_records = 0\n", "data.snapshot_records: Input should be greater than or equal to 1"),
        ("[sx]\nprofile = 'mainet'\n", "sx.profile: Input should be 'mainnet' or 'toronto'"),
        ("[sx]\nusdc = '0x12'\n", "sx.usdc: "),
        ("[sx]\nusdc = '0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050b'\n", "sx.usdc: "),
        ("[realtime.namespaces.x]\nhistroy_size = 1\n", "realtime.namespaces.x.histroy_size: there is no such key"),
        ("server = 1\n", "server: "),
        ("[server]\ntrusted_proxies = ['proxy']\n", "server.trusted_proxies: "),
        ("limits = 'strict'\n", "limits.profile: Input should be 'off', 'sx' or 'sx-strict'"),
        ("limits = 7\n", "limits: "),
        ("[limits]\nposts_per_min = -1\n", "limits.posts_per_min: "),
        ("[limits]\nprofile = 'sx-strict'\nposts_per_min = 7\n", "limits: Value error, sx-strict has posts_per_min"),
        ("[server\n", "is no TOML"),
    ],
)
def test_a_wrong_key_or_value_is_named(file: Path, text: str, complaint: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert complaint in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_everything_that_is_wrong_is_named_at_once(file: Path) -> None:
    file.write_text("[server]\nport = -1\nhots = 'x'\n[log]\nlevel = 'loud'\n")
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == [
        "server.port",
        "server.hots",
        "log.level",
    ]


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("OVERROUND_SERVER__PROT", "1", "server.prot: there is no such key"),
        ("OVERROUND_SERVR__PORT", "1", "OVERROUND_SERVR__PORT: there is no such section"),
        ("OVERROUND_SERVER__PORT", "", "server.port: Input should be a valid integer"),
        ("OVERROUND_SERVER", "8080", "server: "),
        ("OVERROUND_SERVER", "no json", "the environment cannot be read: "),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: a misspelt section was ignored in silence, and text that is no JSON ended in a traceback."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=complaint):
        load(None)


def test_variables_of_others_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """An orchestrator sets such ones by itself for a service of this name."""
    monkeypatch.setenv("OVERROUND_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("OVERROUND_PORT_8080_TCP", "tcp://10.0.0.1:8080")
    assert load(None).server.port == 8080


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, file: Path) -> None:
    with pytest.raises(ConfigError, match=r"the configuration file .*venue\.toml does not exist"):
        load(file)
    with pytest.raises(ConfigError, match="does not exist"):
        load(tmp_path)
    file.write_bytes(b"[server]\nhost = '\xff'\n")
    with pytest.raises(ConfigError, match="is no TOML"):
        load(file)


def test_a_complaint_never_shows_a_secret(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[tokens]\nsecret = ["very-secret"]\n[admin]\ntoken = { value = "very-secret" }\n')
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert "very-secret" not in str(refused.value)
    monkeypatch.setenv("OVERROUND_TOKENS", "very-secret")
    with pytest.raises(ConfigError) as refused:
        load(None)
    assert "very-secret" not in str(refused.value)


# ---- what a real venue must not have -------------------------------------------------------------------------------


def test_a_good_configuration_may_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, STRONG)
    check_for_serving(load(None))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"OVERROUND_DATA__DIR": None}, "data.dir: a venue needs a data folder"),
        ({"OVERROUND_TOKENS__SECRET": None}, "tokens.secret: a random secret of at least 32 bytes is needed"),
        ({"OVERROUND_TOKENS__SECRET": "too-short-but-varied-0123456789"}, "tokens.secret: a random secret"),
        ({"OVERROUND_TOKENS__SECRET": "ab" * 40}, "tokens.secret: a random secret"),
        ({"OVERROUND_TOKENS__SECRET": SANDBOX_TOKEN_SECRET}, "tokens.secret: this is the sandbox's secret"),
        ({"OVERROUND_ADMIN__TOKEN": None}, "admin.token: a random token of at least 16 characters is needed"),
        ({"OVERROUND_ADMIN__TOKEN": "short-0123456"}, "admin.token: a random token"),
        ({"OVERROUND_ADMIN__TOKEN": "a" * 40}, "admin.token: a random token"),
        ({"OVERROUND_ADMIN__TOKEN": SANDBOX_ADMIN_TOKEN}, "admin.token: this is the sandbox's token"),
        ({"OVERROUND_REALTIME__INSECURE": "true"}, "realtime.insecure: this is for tests only"),
        ({"OVERROUND_REALTIME__TOKENS_WITHOUT_KEY": "true"}, "realtime.tokens_without_key: this is for tests only"),
    ],
)
def test_what_may_not_serve(change: dict[str, str | None], complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    merged: dict[str, Any] = STRONG | change
    _set(monkeypatch, {name: value for name, value in merged.items() if value is not None})
    with pytest.raises(ConfigError) as refused:
        check_for_serving(load(None))
    assert str(refused.value).startswith(complaint)
    assert len(str(refused.value).splitlines()) == 1


def test_all_that_may_not_serve_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        check_for_serving(load(None))
    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == [
        "data.dir",
        "tokens.secret",
        "admin.token",
    ]


# ---- profiles ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_alone_is_the_profile(name: str) -> None:
    assert load(None, {"sx": {"profile": name}}).sx.resolved() == PROFILES[name]


def test_what_is_set_lies_on_top_of_the_profile(file: Path) -> None:
    file.write_text("[sx]\nprofile = 'toronto'\nchain_id = 31337\nodds_ladder_step = 0\nmaker_minimum_usdc = 1\n")
    resolved = load(file).sx.resolved()
    assert (resolved.chain_id, resolved.odds_ladder_step, resolved.maker_minimum_usdc) == (31337, 0, 1)
    assert resolved.usdc == PROFILES["toronto"].usdc


def test_an_address_may_come_in_lower_case(file: Path) -> None:
    file.write_text(f"[sx]\nusdc = '{PROFILES['mainnet'].usdc.lower()}'\n")
    assert load(file).sx.usdc == PROFILES["mainnet"].usdc


# ---- the rules of fills --------------------------------------------------------------------------------------------


def test_rules_of_fills_are_what_was_published_unless_they_are_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = rules_of(PROFILES["mainnet"], load(None))
    assert (rules.settlement_delay_ms, rules.fee, rules.fills_in_flight_max, rules.suspends) == (500, 0, 10, True)
    delays = rules.betting_delays
    assert delays.pre_match_ms == 500
    wanted = {(5, "EPL"): 6_000, (5, "Eliteserien"): 10_000, (8, "NFL"): 3_000, (6, "ATP"): 5_000, (17, "x"): 8_000}
    assert {key: delays.in_play(*key) for key in wanted} == wanted

    _set(
        monkeypatch,
        {
            "OVERROUND_SX__SETTLEMENT": "manual",
            "OVERROUND_SX__FEE_BPS": "500",
            "OVERROUND_SX__EXPOSURE_POLICY": "cancel",
            "OVERROUND_SX__RESTRICTION_DIPS": "0",
            "OVERROUND_SX__BETTING_DELAYS_BY_LEAGUE_MS": '{"EPL": 1}',
            "OVERROUND_SX__BETTING_DELAYS_BY_SPORT_MS": '{"17": 2}',
        },
    )
    rules = rules_of(PROFILES["mainnet"], load(None))
    assert (rules.settlement_delay_ms, rules.fee, rules.suspends) == (None, 5 * 10**18, False)
    assert rules.restrictions.dips_max == 0
    wanted |= {(5, "EPL"): 1, (17, "x"): 2}
    assert {key: rules.betting_delays.in_play(*key) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [("SETTLEMENT", "later"), ("FEE_BPS", "10001"), ("BETTING_DELAYS_BY_LEAGUE_MS", '{"EPL": -1}'),
     ("BETTING_DELAY_MS", "3600001"), ("FILLS_IN_FLIGHT_MAX", "0")],
)  # fmt: skip
def test_rules_of_fills_that_make_no_sense_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    _set(monkeypatch, {f"OVERROUND_SX__{name}": value})
    with pytest.raises(ConfigError, match=name.lower()):
        load(None)


# ---- the gateway ---------------------------------------------------------------------------------------------------


def test_the_gateway_is_the_public_testnets_with_three_products() -> None:
    config = load(None).nado
    assert config.resolved() == NadoProfile()
    rules = config.rules()
    assert (rules.chain_id, rules.partial_cancels, rules.open_orders_max) == (763_373, False, 500)
    assert (rules.band_low_x18, rules.band_high_x18) == (0, 0)
    assert [config.product(one, None) for one in config.product_ids()] == list(PRODUCTS)
    assert rules_of(PROFILES["mainnet"], load(None)).heartbeat_scope is HeartbeatScope.BOTH


def test_the_rules_of_the_gateway_can_be_changed(file: Path) -> None:
    file.write_text(
        "[nado]\nchain_id = 7\ncancel_mode = 'partial'\nopen_orders_max = 3\nprice_band_low = 0.8\n"
        "price_band_high = 1.2\nheartbeat_scope = 'nado'\nbuilders = [4500]\n"
        "endpoint = '0x05ec92d78ed421f3d3ada77ffde167106565974e'\n"
    )
    config = load(file)
    rules, profile = config.nado.rules(), config.nado.resolved()
    assert (rules.chain_id, rules.partial_cancels, rules.open_orders_max) == (7, True, 3)
    assert (rules.band_low_x18, rules.band_high_x18) == (8 * 10**17, 12 * 10**17)
    assert rules.endpoint == profile.endpoint == bytes.fromhex("05ec92d78ed421f3d3ada77ffde167106565974e")
    assert (profile.cancel_mode, profile.builders) == (CancelMode.PARTIAL, frozenset({4500}))
    assert rules_of(PROFILES["mainnet"], config).heartbeat_scope is HeartbeatScope.NADO


def test_products_are_changed_and_added(file: Path) -> None:
    file.write_text(
        "[nado.products.2]\ntick = 0.5\nmaker_fee = -0.0001\n"
        "[nado.products.8]\nsymbol = 'SOL-PERP'\nkind = 'perp'\ntick = '0.01'\nlot = '0.1'\nstart_price = 150\n"
        "long_weight = 0.9\nshort_weight = 1.1\n"
    )
    config = load(file).nado
    assert config.product_ids() == [2, 3, 4, 8]
    assert config.product(2, None) == msgspec.structs.replace(PRODUCTS[0], tick_x18=X18 // 2, maker_fee_x18=-(10**14))
    sol = config.product(8, None)
    assert sol is not None
    assert (sol.symbol, sol.is_perp, sol.tick_x18, sol.lot_x18, sol.start_price_x18, sol.long_weight_x18) == (
        "SOL-PERP", True, 10**16, 10**17, 150 * X18, 9 * 10**17,
    )  # fmt: skip


def test_what_the_operator_said_about_a_product_stands_unless_it_is_configured(file: Path) -> None:
    now = msgspec.structs.replace(PRODUCTS[0], taker_fee_x18=7, trading_status=TradingStatus.POST_ONLY, symbol="OLD")
    found = load(None).nado.product(2, now)
    assert found == msgspec.structs.replace(PRODUCTS[0], taker_fee_x18=7, trading_status=TradingStatus.POST_ONLY)
    file.write_text("[nado.products.2]\ntaker_fee = 0\n")
    found = load(file).nado.product(2, now)
    assert found is not None
    assert (found.taker_fee_x18, found.trading_status) == (0, TradingStatus.POST_ONLY)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[nado]\nendpoint = '0xabc'", "nado.endpoint"),
        ("[nado]\ncancel_mode = 'some'", "nado.cancel_mode"),
        ("[nado]\nheartbeat_scope = 'all'", "nado.heartbeat_scope"),
        ("[nado]\nprice_band_low = 0.5", "price_band_low must be at most 1 and price_band_high at least 1"),
        ("[nado]\nprice_band_low = 0.9\nprice_band_high = 0.95", "price_band_low must be at most 1"),
        ("[nado.products.0]\ntick = 1", "a product's id is 1 to 999"),
        ("[nado.products.x]\ntick = 1", "nado.products"),
        ("[nado.products.2]\ntick = 0", "nado.products.2.tick"),
        ("[nado.products.2]\ntick = '0.0000000000000000001'", "tick has more than 18 decimals"),
        ("[nado.products.2]\nlot = '0.000000000000000001'\ntick = '0.1'", "nado.products.2: tick times lot"),
        ("[nado.products.2]\nkind = 'future'", "nado.products.2.kind"),
        ("[nado.products.2]\nmaker_fee = 1", "nado.products.2.maker_fee"),
        ("[nado.products.2]\nname = 'x'", "nado.products.2.name: there is no such key"),
        ("[nado.products.2]\nsymbol = 'btc perp'", "nado.products.2.symbol"),
    ],
)
def test_a_gateway_that_makes_no_sense_is_refused(file: Path, text: str, complaint: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load(file)


def test_a_new_product_needs_what_cannot_be_guessed(file: Path) -> None:
    file.write_text("[nado.products.8]\nsymbol = 'SOL-PERP'\n")
    with pytest.raises(ConfigError, match=r"nado\.products\.8: a new product needs kind, tick, lot, start_price"):
        load(file).nado.product(8, None)
