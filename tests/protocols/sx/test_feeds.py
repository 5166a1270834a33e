"""What a record says on the channels: payloads, bounds, order (`spec/sx.md` 6.5, 6.6, 6.10, 7.2).

What only fills bring about (WS-11, and the states FILLED and "INACTIVE with something pending") is shown here as
payload; that the venue publishes it waits for fills.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine.desk import ALICE, BOB, CAROL, ELSEWHERE, MATCH, OTHER, PERCENT, USDC, WSX, A, B, C, market
from tests.views.window import Window

from overround.engine.commands import (
    CreateFixture,
    NewOrder,
    PlaceOrders,
    SetFixtureStatus,
    SetMarketStatus,
    UpdateFixture,
    VenueCommand,
)
from overround.engine.order import OrderState
from overround.engine.types import Address, FixtureId, FixtureStatus, MarketHash, OrderHash
from overround.protocols.sx import encode, feeds
from overround.protocols.sx.namespaces import SX_NAMESPACES
from overround.protocols.sx.units import hash_text, pack_salt
from overround.realtime import Hub, Limits, Namespaces, Position
from overround.runtime.feed import Feed, HubPublisher
from overround.signing.address import checksum_address
from overround.views.changes import OrderChange
from overround.views.views import Views

Said = list[tuple[str, Any]]


EXECUTOR: Final = "0x52adf738AAD93c31f798a30b2C74D658e1E9a562"

# The example of 6.6.1, as a book would hold it.
EXAMPLE: Final = NewOrder(
    order_hash=OrderHash(bytes.fromhex("461bfa4329aca105d4d5b6ef25d5561c55d54ebd529e261e49164b2b3fa47087")),
    market_hash=MarketHash(bytes.fromhex("0eeace4a9bbf6235bc59695258a419ed3a05a2c8e3b6a58fb71a0d9e6b031c2b")),
    maker=Address(bytes.fromhex("2c7536e3605d9c16a7a3d7b1898e529396a65c23")),
    base_token=Address(bytes.fromhex("6629ce1cf35cc1329ebb4f63202f3f197b3f050b")),
    total_bet_size=21_600_000,
    percentage_odds=47_750_000_000_000_000_000,
    salt=pack_salt("61882422358902283358380622686147595792242782952753619716150366288606659190035"),
    is_maker_betting_outcome_one=True,
    signature=bytes.fromhex(
        "e622e47aea277b37e6ae34ae4acf3dd46bc424b1fa80040a7fe31f478e4c944c"
        "1dc3e6d709641161b9f136a8253177a44382b8d41f0e167c6673b0751b39c7a51b"
    ),
    api_expiry=1_893_456_000,
)

# The members of the channel's table, and the type that each has in JSON (WS-15, WS-17).
MEMBERS: Final[dict[str, type]] = {
    "orderHash": str,
    "marketHash": str,
    "status": str,
    "fillAmount": str,
    "pendingFillAmount": str,
    "maker": str,
    "totalBetSize": str,
    "percentageOdds": str,
    "expiry": int,
    "apiExpiry": int,
    "salt": str,
    "isMakerBettingOutcomeOne": bool,
    "signature": str,
    "updateTime": str,
    "sportXeventId": str,
}


@pytest.fixture
def window() -> Window:
    """Two fixtures, four markets, 100 for Alice and for Bob, and views that show it."""
    return Window()


def said(window: Window) -> Said:
    """What the last record publishes, decoded."""
    views = window.views
    prices = views.best_odds_changes(window.changes)
    found = feeds.publications(window.records[-1], window.changes.orders, prices, views.catalogue)
    return [(one.channel, json.loads(one.data)) for one in found]


def after(window: Window, command: VenueCommand) -> Said:
    window.events(command)
    return said(window)


def on(channel: str, spoken: Said) -> list[Any]:
    """The payloads of one channel, or of one namespace."""
    return [data for name, data in spoken if name == channel or name.startswith(f"{channel}:")]


def channels_of(order: NewOrder, fixture_id: str = MATCH) -> list[str]:
    return [
        feeds.maker_channel(order.maker),
        feeds.market_channel(order.market_hash),
        feeds.event_channel(fixture_id),
    ]


def crowd(window: Window, count: int, *, market_hash: MarketHash = A) -> list[NewOrder]:
    """Many small orders that were accepted in one request."""
    window.fund(CAROL, 1_000_000)
    orders = [window.order(CAROL, market_hash, 10, odds=20 + number / 8) for number in range(count)]
    assert window.place(*orders) == ["accepted"] * count
    return orders


# ---- one update ----------------------------------------------------------------------------------------------------


@pytest.mark.row("WS-15", "WS-16", "WS-17")
def test_the_example_of_the_specification_comes_out_to_the_letter() -> None:
    change = OrderChange(EXAMPLE, OrderState.OPEN, 0, 10_000_000, 1_785_697_831_141)
    assert msgspec.to_builtins(feeds.order_update(change, "L13772588")) == {
        "orderHash": "0x461bfa4329aca105d4d5b6ef25d5561c55d54ebd529e261e49164b2b3fa47087",
        "marketHash": "0x0eeace4a9bbf6235bc59695258a419ed3a05a2c8e3b6a58fb71a0d9e6b031c2b",
        "status": "ACTIVE",
        "fillAmount": "0",
        "pendingFillAmount": "10000000",
        "maker": "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23",
        "totalBetSize": "21600000",
        "percentageOdds": "47750000000000000000",
        "expiry": 2209006800,
        "apiExpiry": 1893456000,
        "salt": "61882422358902283358380622686147595792242782952753619716150366288606659190035",
        "isMakerBettingOutcomeOne": True,
        "signature": "0xe622e47aea277b37e6ae34ae4acf3dd46bc424b1fa80040a7fe31f478e4c944c"
        "1dc3e6d709641161b9f136a8253177a44382b8d41f0e167c6673b0751b39c7a51b",
        "updateTime": "1785697831141",
        "sportXeventId": "L13772588",
        "baseToken": "0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B",
    }


@pytest.mark.row("WS-14", "WS-15", "WS-16", "WS-17")
def test_every_channel_of_an_order_carries_an_array_of_the_same_update_with_all_members(window: Window) -> None:
    order = window.rest(odds=50)
    spoken = said(window)
    assert [channel for channel, _ in spoken] == [*channels_of(order), "best_odds:global"]
    first, second, third = (data for channel, data in spoken if channel in channels_of(order))
    assert first == second == third
    (update,) = first
    assert {name: type(value) for name, value in update.items()} == MEMBERS | {"baseToken": str}
    for member in ("fillAmount", "pendingFillAmount", "totalBetSize", "percentageOdds", "updateTime"):
        assert update[member].isdecimal()


@pytest.mark.parametrize("salt", ["0", "00017", "0x1f", "0X1F", "0x" + "ab" * 32, str(2**256 - 1)])
def test_a_salt_is_spelt_as_its_maker_spelt_it(salt: str) -> None:
    order = msgspec.structs.replace(EXAMPLE, salt=pack_salt(salt))
    assert feeds.order_update(OrderChange(order, OrderState.OPEN, 0, 0, 1), "L1").salt == salt


@pytest.mark.row("WS-18", "WS-19", "WS-21")
@pytest.mark.parametrize(
    ("state", "status"),
    [
        (OrderState.OPEN, "ACTIVE"),
        (OrderState.HELD, "INACTIVE"),
        (OrderState.SUSPENDED, "INACTIVE"),
        (OrderState.CANCELLED, "INACTIVE"),
        (OrderState.EXPIRED, "INACTIVE"),
        (OrderState.FILLED, "FILLED"),
    ],
)
def test_three_words_tell_six_states_and_amounts_go_beside_them(state: OrderState, status: str) -> None:
    update = feeds.order_update(OrderChange(EXAMPLE, state, 2_681_511_700, 9_165, 5), "L1")
    assert (update.status, update.fillAmount, update.pendingFillAmount) == (status, "2681511700", "9165")


def test_every_state_has_its_word() -> None:
    words = {feeds.order_update(OrderChange(EXAMPLE, one, 0, 0, 1), "L1").status for one in OrderState}
    assert words == {"ACTIVE", "INACTIVE", "FILLED"}


# ---- which channels, in which order --------------------------------------------------------------------------------


@pytest.mark.row("WS-05", "WS-08")
def test_one_channel_carries_all_tokens(window: Window) -> None:
    window.fund(ALICE, 100, WSX)
    orders = [window.order(token=USDC), window.order(token=WSX)]
    window.place(*orders)
    for channel in channels_of(orders[0]):
        (updates,) = on(channel, said(window))
        assert [one["baseToken"] for one in updates] == [checksum_address(one.address) for one in (USDC, WSX)]


@pytest.mark.row("WS-07", "WS-09")
def test_the_event_hears_of_all_its_markets_and_a_market_of_itself_alone(window: Window) -> None:
    orders = [window.order(market_hash=one) for one in (A, B, ELSEWHERE)]
    window.place(*orders)
    spoken = [one for one in said(window) if one[0] != feeds.BEST_ODDS]
    heard = {channel: [one["orderHash"] for one in updates] for channel, updates in spoken}
    names = [hash_text(one.order_hash) for one in orders]
    assert heard == {
        feeds.maker_channel(ALICE): names,
        feeds.market_channel(A): names[:1],
        feeds.event_channel(MATCH): names[:2],
        feeds.market_channel(B): names[1:2],
        feeds.market_channel(ELSEWHERE): names[2:],
        feeds.event_channel(OTHER): names[2:],
    }


def test_a_maker_hears_of_his_own_orders_alone(window: Window) -> None:
    mine, his = window.rest(ALICE), window.rest(BOB)
    spoken = after(window, SetMarketStatus(market_hash=A, active=False))
    for order in (mine, his):
        ((update,),) = on(feeds.maker_channel(order.maker), spoken)
        assert (update["orderHash"], update["status"]) == (hash_text(order.order_hash), "INACTIVE")
    ((first, second),) = on(feeds.market_channel(A), spoken)
    assert [first["orderHash"], second["orderHash"]] == [hash_text(one.order_hash) for one in (mine, his)]


def test_what_was_refused_is_told_to_nobody(window: Window) -> None:
    window.place(window.order(size=101))
    assert said(window) == []
    others = window.rest(ALICE)
    window.do(window.cancel(BOB, others))
    assert said(window) == []


@pytest.mark.row("WS-12", "WS-20", "WS-38")
def test_two_transitions_in_one_millisecond_are_two_updates_with_rising_times(window: Window) -> None:
    order = window.rest()
    ((posted,),) = on("active_orders", said(window))
    ((cancelled,),) = on("active_orders", after(window, window.cancel_all(ALICE)))
    assert posted["orderHash"] == cancelled["orderHash"] == hash_text(order.order_hash)
    assert (posted["status"], cancelled["status"]) == ("ACTIVE", "INACTIVE")
    assert int(cancelled["updateTime"]) == int(posted["updateTime"]) + 1
    changing = {"status", "updateTime"}
    assert {k: v for k, v in posted.items() if k not in changing} == {
        k: v for k, v in cancelled.items() if k not in changing
    }


# ---- bounds --------------------------------------------------------------------------------------------------------


@pytest.mark.row("WS-14")
@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (99, [99]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])]
)
def test_long_arrays_are_split_in_order(window: Window, count: int, sizes: list[int]) -> None:
    orders = crowd(window, count)
    names = [hash_text(one.order_hash) for one in orders]
    for spoken, status in ((said(window), "ACTIVE"), (after(window, window.cancel_all(CAROL)), "INACTIVE")):
        for channel in channels_of(orders[0]):
            arrays = on(channel, spoken)
            assert [len(one) for one in arrays] == sizes
            updates = [update for array in arrays for update in array]
            assert [update["orderHash"] for update in updates] == names
            assert {update["status"] for update in updates} == {status}


@pytest.mark.row("WS-31")
def test_prices_of_many_markets_are_split_as_well(window: Window) -> None:
    """One cancel may empty more sides than a publication can carry; the venue used to stop over it, for good."""
    count = 1_200
    window.fund(CAROL, 1_000_000)
    for number in range(count):
        window.events(market(MarketHash(number.to_bytes(32, "big"))))
    orders = [window.order(CAROL, MarketHash(number.to_bytes(32, "big"))) for number in range(count)]
    window.events(PlaceOrders(orders=tuple(orders)))
    window.events(window.cancel_all(CAROL))
    prices = window.views.best_odds_changes(window.changes)
    assert len(prices) == count
    whole = list(feeds.publications(window.records[-1], window.changes.orders, prices, window.views.catalogue))
    assert max(len(one.data) for one in whole) <= Limits().publication_bytes_max
    arrays = on(feeds.BEST_ODDS, said(window))
    assert [len(one) for one in arrays] == [100] * 12
    assert [one["marketHash"] for array in arrays for one in array] == [
        hash_text(number.to_bytes(32, "big")) for number in range(count)
    ]


@pytest.mark.row("WS-33")
def test_markets_with_the_longest_names_fit_into_a_publication(window: Window) -> None:
    """200 characters that take four bytes each, in six places of a hundred markets."""
    long = "\N{SOCCER BALL}\N{FOX FACE}" * 100
    fixture_id = FixtureId("loud")
    window.events(
        CreateFixture(
            fixture_id=fixture_id,
            sport_id=5,
            league_label=long,
            team_one_name=long,
            team_two_name=long[::-1],
            game_time_s=window.now_ms // 1000 + 60,
        )
    )
    for number in range(100):
        command = market(MarketHash(number.to_bytes(32, "big")), fixture_id)
        window.events(msgspec.structs.replace(command, outcome_one_name=long, outcome_two_name=long))
    window.events(UpdateFixture(fixture_id=fixture_id, live_enabled=True))
    found = list(feeds.publications(window.records[-1], [], [], window.views.catalogue))
    assert max(len(one.data) for one in found) <= Limits().publication_bytes_max
    arrays = on(feeds.MARKETS, said(window))
    assert len(arrays) > 1
    assert [one["marketHash"] for array in arrays for one in array] == [
        hash_text(number.to_bytes(32, "big")) for number in range(100)
    ]


# ---- prices and the world ------------------------------------------------------------------------------------------


@pytest.mark.row("WS-31")
def test_a_price_is_told_when_it_becomes_another(window: Window) -> None:
    order = window.rest(odds=50)
    ((price,),) = on(feeds.BEST_ODDS, said(window))
    assert price == {
        "baseToken": checksum_address(USDC.address),
        "marketHash": hash_text(A),
        "isMakerBettingOutcomeOne": True,
        "percentageOdds": str(50 * PERCENT),
        "updatedAt": window.now_ms,
        "sportId": 5,
        "leagueId": 1,
    }
    assert {name: type(value) for name, value in price.items()} == {
        "baseToken": str,
        "marketHash": str,
        "isMakerBettingOutcomeOne": bool,
        "percentageOdds": str,
        "updatedAt": int,
        "sportId": int,
        "leagueId": int,
    }
    worse = window.rest(odds=40)
    assert on(feeds.BEST_ODDS, said(window)) == []
    window.wait(1)
    better = window.rest(odds=60, one=False)
    ((price,),) = on(feeds.BEST_ODDS, said(window))
    assert (price["isMakerBettingOutcomeOne"], price["percentageOdds"]) == (False, str(60 * PERCENT))
    ((price,),) = on(feeds.BEST_ODDS, after(window, window.cancel(ALICE, order)))
    assert (price["percentageOdds"], price["updatedAt"]) == (str(40 * PERCENT), window.now_ms)
    (prices,) = on(feeds.BEST_ODDS, after(window, window.cancel(ALICE, worse, better)))
    assert [(one["isMakerBettingOutcomeOne"], one["percentageOdds"]) for one in prices] == [(True, None), (False, None)]


@pytest.mark.row("WS-33")
def test_a_market_is_told_as_the_markets_route_lists_it(window: Window) -> None:
    line = MarketHash(b"\7" * 32)
    spoken = after(window, market(line, MATCH, "-1.5"))
    ((told,),) = on(feeds.MARKETS, spoken)
    catalogue = window.views.catalogue
    assert told == msgspec.to_builtins(
        json.loads(msgspec.json.encode(encode.market(catalogue.markets[line], catalogue.fixtures[MATCH])))
    )
    assert (told["status"], told["mainLine"], told["line"]) == ("ACTIVE", True, -1.5)
    assert on(feeds.MAIN_LINE, spoken) == [
        {"marketHash": hash_text(line), "marketType": 3, "sportXEventId": MATCH},
    ]

    ((told,),) = on(feeds.MARKETS, after(window, SetMarketStatus(market_hash=line, active=False)))
    assert told["status"] == "INACTIVE"
    assert on(feeds.MAIN_LINE, said(window)) == []


@pytest.mark.row("WS-33")
def test_a_new_main_line_is_told_with_both_markets(window: Window) -> None:
    old, new = MarketHash(b"\7" * 32), MarketHash(b"\x08" * 32)
    window.do(market(old, MATCH, "-1.5"))
    spoken = after(window, msgspec.structs.replace(market(new, MATCH, "-2.5"), main_line=True))
    (told,) = on(feeds.MARKETS, spoken)
    assert [(one["marketHash"], one["mainLine"]) for one in told] == [(hash_text(old), False), (hash_text(new), True)]
    (line,) = on(feeds.MAIN_LINE, spoken)
    assert line["marketHash"] == hash_text(new)
    assert after(window, market(MarketHash(b"\x09" * 32), MATCH, "3.5"))[0][0] == feeds.MARKETS
    assert on(feeds.MAIN_LINE, said(window)) == []


@pytest.mark.row("WS-33", "WS-34")
def test_a_fixture_is_told_at_every_change_and_with_a_new_start_its_markets(window: Window) -> None:
    (told,) = on(feeds.FIXTURES, after(window, SetFixtureStatus(fixture_id=MATCH, status=FixtureStatus.ABOUT_TO_START)))
    assert told == json.loads(msgspec.json.encode(encode.fixture(window.views.catalogue.fixtures[MATCH])))
    assert told["status"] == FixtureStatus.ABOUT_TO_START.value
    assert on(feeds.MARKETS, said(window)) == []

    start_s = window.now_ms // 1000 + 77
    spoken = after(window, UpdateFixture(fixture_id=MATCH, game_time_s=start_s))
    (markets,) = on(feeds.MARKETS, spoken)
    assert [(one["marketHash"], one["gameTime"]) for one in markets] == [(hash_text(one), start_s) for one in (A, B, C)]
    assert len(on(feeds.FIXTURES, spoken)) == 1

    created = after(
        window,
        CreateFixture(
            sport_id=6,
            league_label="Open",
            team_one_name="One",
            team_two_name="Two",
            game_time_s=start_s,
        ),
    )
    ((channel, told),) = created
    assert (channel, told["leagueLabel"], told["participants"]) == (feeds.FIXTURES, "Open", ["One", "Two"])


@pytest.mark.row("WS-10", "WS-12")
def test_orders_that_the_match_ends_are_told_with_it(window: Window) -> None:
    order = window.rest()
    spoken = after(window, SetFixtureStatus(fixture_id=MATCH, status=FixtureStatus.IN_PROGRESS))
    for channel in channels_of(order):
        ((update,),) = on(channel, spoken)
        assert update["status"] == "INACTIVE"
    assert [one["status"] for one in on(feeds.FIXTURES, spoken)] == [2]


# ---- through the hub -----------------------------------------------------------------------------------------------


class Notebook:
    """A publisher that writes down what it is handed."""

    def __init__(self) -> None:
        self.cursor = 0
        self.pages: list[tuple[str, bytes, int, str]] = []

    def publish(self, channel: str, data: bytes, time_ms: int, message_id: str) -> None:
        self.pages.append((channel, data, time_ms, message_id))

    def advance(self, cursor: int) -> None:
        self.cursor = cursor

    def position(self, channel: str) -> Position | None:
        return None

    def snapshot(self) -> dict[str, Any]:
        return {}


@pytest.mark.row("WS-28")
def test_a_feed_publishes_each_record_once_always_alike_and_gives_every_publication_an_id(window: Window) -> None:
    window.rest()
    window.do(window.cancel_all(ALICE))
    crowd(window, 150)
    live, later = Notebook(), Notebook()
    views = Views()
    following, lagging = Feed(views, live), Feed(views, later)
    for record in window.records:
        changes = views.apply(record)
        count = following.follow(record, changes)
        assert following.follow(record, changes) == 0
        assert lagging.follow(record, changes) == count
    assert live.cursor == later.cursor == len(window.records)
    assert live.pages == later.pages
    ids = [message_id for _, _, _, message_id in live.pages]
    assert all(ids)
    assert len(set(ids)) == len(ids)


def test_the_hub_stands_where_the_journal_says(window: Window) -> None:
    hub = Hub(Namespaces(SX_NAMESPACES), epoch="epoch", boot="boot")
    crowd(window, 150)
    views = Views()
    feed = Feed(views, HubPublisher(hub))
    for record in window.records:
        feed.follow(record, views.apply(record))
    assert hub.cursor == len(window.records)
    assert feed.publisher.position(feeds.maker_channel(CAROL)) == Position(2, "epoch")
    assert feed.publisher.position(feeds.maker_channel(BOB)) == Position(0, "epoch")
    assert feed.publisher.position(feeds.BEST_ODDS) is None


# ---- snapshot and feed ---------------------------------------------------------------------------------------------

MAKERS = (ALICE, BOB, CAROL)
MARKETS = (A, B, ELSEWHERE)


def listed(window: Window, channel: str) -> list[dict[str, Any]]:
    """What `GET /orders` answers when it is asked for what a channel carries."""
    rows = []
    for row in window.views.orders.by_hash.values():
        fixture_id = window.views.catalogue.markets[row.terms.market_hash].fixture_id
        if channel in channels_of(row.terms, fixture_id):
            rows.append(json.loads(msgspec.json.encode(encode.order_row(row, fixture_id, EXECUTOR))))
    return rows


def merged(told: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """A client's book: of each order what has the latest `updateTime`; then whatever is ACTIVE."""
    newest: dict[str, dict[str, Any]] = {}
    for one in told:
        known = newest.get(one["orderHash"])
        if known is None or int(one["updateTime"]) > int(known["updateTime"]):
            newest[one["orderHash"]] = one
    return book(one for one in newest.values() if one.get("status", one.get("orderStatus")) == "ACTIVE")


def book(orders: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Rows of a snapshot or updates of a feed by hash, as far as both have the same members."""
    return {one["orderHash"]: {member: one[member] for member in MEMBERS if member != "status"} for one in orders}


makers, markets = st.sampled_from(MAKERS), st.sampled_from(MARKETS)
STEPS = st.one_of(
    st.tuples(st.just("post"), makers, markets, st.integers(20, 80), st.booleans(), st.sampled_from([2, 5, 600])),
    st.tuples(st.just("post"), makers, markets, st.integers(20, 80), st.booleans(), st.sampled_from([2, 5, 600])),
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("cancel event"), makers, st.sampled_from([MATCH, OTHER])),
    st.tuples(st.just("cancel all"), makers),
    st.tuples(st.just("close"), markets, st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([0.001, 0.999, 1, 3])),
)


class Followed(Window):
    """A window whose publications are kept, by channel."""

    def __init__(self) -> None:
        self.orders: list[NewOrder] = []
        self.told: dict[str, list[dict[str, Any]]] = defaultdict(list)
        super().__init__()
        for maker in MAKERS:
            self.fund(maker, 1_000)

    def step(self, kind: str, *how: Any) -> None:
        match kind:
            case "post":
                maker, market_hash, odds, one, life_s = how
                order = self.order(maker, market_hash, odds=odds, one=one, expires_in_s=life_s)
                self.place(order)
                self.orders.append(order)
            case "cancel" if self.orders:
                order = self.orders[how[0] % len(self.orders)]
                self.do(self.cancel(order.maker, order))
            case "cancel event":
                self.do(self.cancel_fixture(*how))
            case "cancel all":
                self.do(self.cancel_all(*how))
            case "close":
                self.do(SetMarketStatus(market_hash=how[0], active=how[1]))
            case "wait":
                self.wait(how[0])

    def _execute(self, command: VenueCommand) -> Any:
        count = len(self.records)
        outcome = super()._execute(command)
        if len(self.records) > count:
            for channel, data in said(self):
                if channel.startswith(("active_orders:", "order_book:")):
                    self.told[channel] += data
        return outcome


CHANNELS = [
    *(feeds.maker_channel(maker) for maker in MAKERS),
    *(feeds.market_channel(market_hash) for market_hash in MARKETS),
    feeds.event_channel(MATCH),
    feeds.event_channel(OTHER),
]


@pytest.mark.row("WS-20", "WS-36", "WS-37", "WS-38")
@given(data=st.data(), before=st.lists(STEPS, max_size=8), between=st.lists(STEPS, max_size=8))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_permutation_of_snapshot_and_feed_converges_by_update_time(
    data: st.DataObject, before: list[tuple[Any, ...]], between: list[tuple[Any, ...]]
) -> None:
    """Subscribe, read the snapshot at any later moment, then take both in any order, any of it more than once."""
    rest = data.draw(st.lists(STEPS, min_size=1, max_size=8), label="rest")
    followed = Followed()
    for step in before:
        followed.step(*step)
    subscribed = {channel: len(followed.told[channel]) for channel in CHANNELS}
    for step in between:
        followed.step(*step)
    snapshots = {channel: listed(followed, channel) for channel in CHANNELS}
    for step in rest:
        followed.step(*step)

    for channel in CHANNELS:
        assert_rising(followed.told[channel])
        told = snapshots[channel] + followed.told[channel][subscribed[channel] :]
        repeated = data.draw(st.lists(st.sampled_from(told), max_size=5)) if told else []
        shuffled = data.draw(st.permutations(told + repeated), label=channel)
        assert merged(shuffled) == book(listed(followed, channel))


def assert_rising(told: Iterable[dict[str, Any]]) -> None:
    """Of one order, every further update has a later time."""
    times: dict[str, int] = {}
    for one in told:
        time = int(one["updateTime"])
        assert times.get(one["orderHash"], 0) < time
        times[one["orderHash"]] = time
