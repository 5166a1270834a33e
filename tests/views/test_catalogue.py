"""Leagues, teams, fixtures and markets as the reference routes list them."""

from __future__ import annotations

import pytest
from tests.engine.desk import ELSEWHERE, MATCH, OTHER, A, B, C
from tests.views.window import Window

from overround.engine.commands import SetFixtureStatus, SetMarketStatus
from overround.engine.types import FixtureStatus
from overround.views.catalogue import Catalogue


def shown(window: Window, how: str) -> Catalogue:
    return window.views.catalogue if how == "fed" else window.seeded().catalogue


@pytest.mark.parametrize("how", ["fed", "seeded"])
def test_the_world_is_listed_in_the_order_of_creation(window: Window, how: str) -> None:
    catalogue = shown(window, how)
    assert list(catalogue.fixtures) == [MATCH, OTHER]
    assert [market.market_hash for market in catalogue.markets_of(MATCH)] == [A, B, C]
    assert [market.market_hash for market in catalogue.markets_of(OTHER)] == [ELSEWHERE]
    assert [league.label for league in catalogue.leagues.values()] == ["Premier"]
    assert [team.name for team in catalogue.teams.values()] == ["Home", "Away", "Here", "There"]


@pytest.mark.parametrize("how", ["fed", "seeded"])
def test_changes_are_shown_in_place(window: Window, how: str) -> None:
    window.do(SetMarketStatus(market_hash=B, active=False))
    window.do(SetFixtureStatus(fixture_id=OTHER, status=FixtureStatus.IN_PROGRESS))
    catalogue = shown(window, how)
    assert [market.active for market in catalogue.markets_of(MATCH)] == [True, False, True]
    assert (catalogue.fixtures[OTHER].status, catalogue.fixtures[OTHER].begun) == (FixtureStatus.IN_PROGRESS, True)


def test_an_unknown_fixture_has_no_markets(window: Window) -> None:
    assert list(window.views.catalogue.markets_of("nowhere")) == []
