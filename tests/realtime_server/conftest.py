"""What the rooms of the socket share: an operator, makers, and connections that are hung up in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import httpx
import pytest
from tests.protocols.operating import Operator
from tests.realtime_server.peer import Peer
from tests.realtime_server.trader import Trader, token_for

from overround.testing.server import ServerProcess


class Dial(Protocol):
    """Makes connections. They are connected with a good token unless `token` says otherwise; None: not at all."""

    def __call__(self, framing: str = "json", *, token: str | None = "", **how: Any) -> Peer: ...


@pytest.fixture(params=["json", "protobuf"])
def framing(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def operator(http: httpx.Client) -> Operator:
    return Operator(http)


@pytest.fixture(scope="module")
def token(http: httpx.Client, world: dict[str, Any]) -> str:
    """A good connection token of one of the sandbox's accounts."""
    return token_for(http, world["accounts"][0]["apiKey"])


@pytest.fixture
def dial(sandbox: ServerProcess, token: str) -> Iterator[Dial]:
    good = token
    with ExitStack() as open_ones:

        def dial(framing: str = "json", *, token: str | None = "", **how: Any) -> Peer:
            peer = open_ones.enter_context(Peer(sandbox, framing=framing, **how))
            if token is not None:
                peer.connect(token or good)
            return peer

        yield dial


@pytest.fixture
def new_trader(http: httpx.Client) -> Callable[[], Trader]:
    return lambda: Trader(http)


@pytest.fixture
def trader(http: httpx.Client) -> Trader:
    return Trader(http)


@pytest.fixture
def market(operator: Operator) -> str:
    """A market of its own."""
    return operator.market()
