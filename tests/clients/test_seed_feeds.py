"""The feed samples of the three documentation pages that this project began with, as bots of our own.

The published SDKs make the same calls; the Python ones with the names that centrifuge-python really has (`spec/sx.md`
OP-29). Orders and cancels come from the programs that sign them (`test_seed_samples.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.clients.followers import Follower

from overround.testing.server import ServerProcess

if TYPE_CHECKING:
    from tests.clients.conftest import Bots, Maker

pytestmark = pytest.mark.xdist_group("seed feeds")

javascript = pytest.param("javascript/{}.mjs", id="centrifuge-js", marks=pytest.mark.row("CLI-01"))
python = pytest.param("python/{}.py", id="centrifuge-python", marks=pytest.mark.row("CLI-02"))
languages = pytest.mark.parametrize("language", [javascript, python])

Watch = Callable[..., Follower]


@pytest.fixture
def api_key(http: httpx.Client, world: dict[str, Any]) -> Callable[[Maker], str]:
    """Issues a maker's API key."""

    def issue(maker: Maker) -> str:
        bearer = {"Authorization": f"Bearer {world['adminToken']}"}
        answer = http.post("/admin/api-keys", json={"address": maker.address}, headers=bearer)
        return str(answer.json()["data"]["apiKey"])

    return issue


@pytest.fixture
def watch(world: dict[str, Any]) -> Iterator[Watch]:
    """Starts programs that follow feeds of this module's sandbox."""
    running: list[Follower] = []

    def start(program: str, *arguments: str, **environment: str) -> Follower:
        urls = {"BASE_URL": world["baseUrl"], "WS_URL": world["wsUrl"]}
        running.append(Follower(program, *arguments, **urls, **environment))
        return running[-1]

    yield start
    for one in running:
        one.__exit__()


def markets_of(world: dict[str, Any], event: str) -> list[str]:
    return [one["marketHash"] for one in world["markets"] if one["sportXeventId"] == event]


def token_for(http: httpx.Client, key: str) -> str:
    return str(http.get("/user/realtime-token/api-key", headers={"x-api-key": key}).json()["token"])


@pytest.mark.row("ENV-01", "ENV-02", "USR-01", "USR-03", "WS-03", "WS-04", "WS-05", "WS-10", "WS-12", "WS-20", "WS-22")
@languages
def test_a_maker_watches_its_orders_come_and_go(
    bots: Bots,
    world: dict[str, Any],
    new_maker: Callable[[], Maker],
    api_key: Callable[[Maker], str],
    watch: Watch,
    language: str,
) -> None:
    maker, other = new_maker(), new_maker()
    watching = watch(language.format("follow_orders"), SX_API_KEY=api_key(maker), SX_PRIVATE_KEY=maker.private_key)
    watching.wait_for("subscribed", channel=f"active_orders:{maker.address}")

    one, two, three = (markets_of(world, event) for event in ("L1000001", "L1000002", "L1000003"))
    names = bots.post(language, maker, one[0], one[1], two[0], three[2])
    named, same_event, elsewhere, further = names
    bots.post(language, other, one[0])
    watching.wait_for("update", 4)
    steps = bots.run(language.format("cancel_orders"), maker, "L1000001", named)
    watching.wait_for("update", 8)

    assert [step["answer"]["data"]["cancelledCount"] for step in steps] == [1, 1, 2]
    cancelled = [named, same_event, elsewhere, further]
    assert watching.updates() == [(name, "ACTIVE") for name in names] + [(name, "INACTIVE") for name in cancelled]
    told = watching.finish()
    assert [one["event"] for one in told].count("token") == 1
    (book,) = watching.told("book")
    assert {name: update["status"] for name, update in book["book"].items()} == dict.fromkeys(names, "INACTIVE")
    assert {update["maker"] for update in book["book"].values()} == {maker.address}


@pytest.mark.row("ENV-02", "USR-04", "WS-03", "WS-06", "WS-07", "WS-08", "WS-09", "WS-10", "WS-12", "WS-23", "WS-27")
@languages
def test_a_market_and_its_event_are_watched_with_a_fixed_token(
    bots: Bots,
    http: httpx.Client,
    world: dict[str, Any],
    maker: Maker,
    watch: Watch,
    language: str,
) -> None:
    """The Python sample asks for no positions."""
    first, second, _ = markets_of(world, "L1000002")
    of_market, of_event = f"order_book:market_{first}", "order_book:event_L1000002"
    token = token_for(http, world["accounts"][1]["apiKey"])
    watching = watch(language.format("follow_channels"), of_market, of_event, TOKEN=token)
    for channel in (of_market, of_event):
        watching.wait_for("subscribed", channel=channel)

    in_first, in_second = bots.post(language, maker, first, second)
    bots.post(language, maker, markets_of(world, "L1000003")[0])
    bots.run(language.format("cancel_orders"), maker, "L1000002", in_first)

    watching.wait(lambda one: len(one.updates(of_event)) == 4 and len(one.updates(of_market)) == 2)
    assert watching.updates(of_market) == [(in_first, "ACTIVE"), (in_first, "INACTIVE")]
    assert watching.updates(of_event) == [
        (in_first, "ACTIVE"),
        (in_second, "ACTIVE"),
        (in_first, "INACTIVE"),
        (in_second, "INACTIVE"),
    ]
    ids = [one["id"] for one in watching.told("publication")]
    assert len(set(ids)) == len(ids)
    for channel in (of_market, of_event):
        offsets = watching.offsets(channel)
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
    watching.finish()
    (books,) = watching.told("books")
    assert {update["status"] for book in books["books"].values() for update in book.values()} == {"INACTIVE"}
    assert books["books"][of_market][in_first] == books["books"][of_event][in_first]


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A sandbox that pings after one or two seconds."""
    file: Path = tmp_path_factory.mktemp("config") / "venue.toml"
    file.write_text("[realtime]\nping_interval_s = 2\npong_timeout_s = 1.9\n")
    with ServerProcess("--config", str(file)) as server:
        yield server


@pytest.mark.row("CLI-05", "WS-01", "WS-02", "WS-23", "WS-30")
def test_a_bot_that_writes_its_frames_by_hand_answers_pings_and_stays(lively: ServerProcess) -> None:
    with lively.client() as http:
        world = http.get("/sandbox").json()
        channel = f"active_orders:{world['accounts'][0]['address']}"
        token = token_for(http, world["accounts"][0]["apiKey"])
        arguments = ("2", channel, "order_book:event_L1000001", "best_odds:global", "nothing:here")
        with Follower("python/raw_feed_bot.py", *arguments, WS_URL=world["wsUrl"], TOKEN=token) as bot:
            connected, *frames = bot.ended()
    assert (connected["id"], connected["connect"]["ping"], connected["connect"]["pong"]) == (1, 2, True)
    maker, event, prices, unknown, *rest = frames
    assert [one["id"] for one in (maker, event, prices, unknown)] == [2, 3, 4, 5]
    assert maker["subscribe"].keys() == event["subscribe"].keys() == {"recoverable", "epoch", "positioned"}
    assert prices["subscribe"] == {}
    assert unknown["error"]["code"] == 102
    assert rest == [{}, {}]
