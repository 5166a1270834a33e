"""Commands: what may be asked, and that asking survives the journal."""

from __future__ import annotations

from random import Random
from typing import get_args

import msgspec
import pytest
from tests.engine.desk import ALICE, BOB, Desk, number
from tests.properties.traffic import START_MS, Traffic

from overround.engine.base import Command
from overround.engine.commands import CancelAll, NewOrder, Tick, VenueCommand
from overround.engine.engine import Engine
from overround.engine.types import WORD_MAX

COMMANDS: tuple[type, ...] = get_args(VenueCommand)


def samples() -> dict[type, VenueCommand]:
    """A command of every kind, as traffic makes them."""
    traffic, random = Traffic(), Random(1)
    found: dict[type, VenueCommand] = {Tick: Tick(), **{type(one): one for one in traffic.opening()}}
    for kind in dict.fromkeys((*traffic.trading, *traffic.operating)):
        command = kind(random, START_MS)
        found.setdefault(type(command), command)
    return found


def test_traffic_knows_every_command() -> None:
    assert samples().keys() == set(COMMANDS)


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
def test_the_engine_decides_every_command(kind: type) -> None:
    engine = Engine()
    for command in Traffic().opening():
        engine.execute(command, START_MS)
    engine.execute(samples()[kind], START_MS)


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
def test_a_command_is_read_back_as_it_was_written(kind: type) -> None:
    command = samples()[kind]
    payload = msgspec.json.encode(command)
    assert msgspec.json.decode(payload, type=VenueCommand) == command
    assert msgspec.json.decode(payload)["command"] == kind.__name__


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
def test_a_command_does_not_change(kind: type) -> None:
    assert issubclass(kind, Command)
    assert kind.__struct_config__.frozen


def test_the_widest_numbers_survive() -> None:
    order = msgspec.structs.replace(Desk().order(), total_bet_size=WORD_MAX, percentage_odds=10**20 - 1)
    assert msgspec.json.decode(msgspec.json.encode(order), type=NewOrder) == order


def test_a_signed_request_is_known_by_who_signed_and_what() -> None:
    digest, other = number(32, "digest"), number(32, "other")
    keys = {
        CancelAll(maker=maker, digest=signed, timestamp_s=1).replay_key
        for maker in (ALICE, BOB)
        for signed in (digest, other)
    }
    assert len(keys) == 4
    assert CancelAll(maker=ALICE, digest=digest, timestamp_s=1).replay_key in keys


def test_what_the_maker_did_not_sign_stands_apart_at_the_end() -> None:
    assert NewOrder.__struct_fields__[-2:] == ("signature", "api_expiry")
