"""Random commands, results and publications, for both framings."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from msgspec import Raw

from overround.protocols.centrifugo import wire
from overround.realtime import ClientInfo, Publication

words = st.text(max_size=12).filter(lambda word: not any("\ud800" <= c <= "\udfff" for c in word))
names = st.text('abc:#$_é/"\\\n', min_size=1, max_size=12)
numbers = st.one_of(st.integers(0, 300), st.integers(0, 2**53))
seconds = st.integers(0, 2**32 - 1)
flags = st.booleans()
payloads = st.one_of(
    st.integers(-5, 5), st.lists(st.integers(0, 9), max_size=3), st.dictionaries(words, words, max_size=2)
)


def some(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Any choice of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


positions = some(recover=flags, epoch=words, offset=numbers)
requests: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "connect": some(
        token=words,
        data=payloads,
        name=words,
        version=words,
        subs=st.dictionaries(names, positions, min_size=1, max_size=3),
    ),
    "subscribe": some(
        channel=names,
        token=words,
        data=payloads,
        positioned=flags,
        recoverable=flags,
        join_leave=flags,
        recover=flags,
        epoch=words,
        offset=numbers,
        delta=words,
        flag=st.integers(-(2**63), 2**63 - 1),
        type=st.integers(-(2**31), 2**31 - 1),
    ),
    "unsubscribe": some(channel=names),
    "publish": some(channel=names, data=payloads),
    "presence": some(channel=names),
    "presence_stats": some(channel=names),
    "history": some(
        channel=names,
        limit=st.integers(-(2**31), 2**31 - 1),
        since=some(offset=numbers, epoch=words),
        reverse=flags,
    ),
    "ping": some(),
    "rpc": some(method=words, data=payloads),
    "send": some(data=payloads),
    "refresh": some(token=words),
    "sub_refresh": some(channel=names, token=words),
}
commands = st.one_of(
    *(
        st.fixed_dictionaries({key: request}, optional={"id": st.integers(1, 2**32 - 1)})
        for key, request in requests.items()
    ),
    st.just({}),
)

raw = payloads.map(lambda value: Raw(json.dumps(value).encode()))
infos = st.builds(
    ClientInfo,
    user=words,
    client=words,
    conn_info=payloads.map(lambda value: json.dumps(value).encode()) | st.just(b""),
    chan_info=payloads.map(lambda value: json.dumps(value).encode()) | st.just(b""),
)
publications = st.builds(
    Publication,
    offset=numbers,
    data=payloads.map(lambda value: json.dumps(value).encode()),
    time_ms=st.just(0),
    message_id=words,
    info=st.none() | infos,
)
subscribe_results = st.builds(
    wire.SubscribeResult,
    expires=flags,
    ttl=seconds,
    recoverable=flags,
    epoch=words,
    publications=st.just([]),
    recovered=flags,
    offset=numbers,
    positioned=flags,
    data=raw | st.just(wire.NOTHING),
    was_recovering=flags,
)
results: dict[str, st.SearchStrategy[wire.Result]] = {
    "connect": st.builds(
        wire.ConnectResult,
        client=words,
        version=words,
        expires=flags,
        ttl=seconds,
        data=raw | st.just(wire.NOTHING),
        subs=st.dictionaries(names, subscribe_results, max_size=2),
        ping=seconds,
        pong=flags,
    ),
    "subscribe": subscribe_results,
    "unsubscribe": st.builds(wire.UnsubscribeResult),
    "publish": st.builds(wire.PublishResult),
    "presence": st.builds(
        wire.PresenceResult,
        presence=st.dictionaries(
            names,
            st.builds(
                wire.ClientInfo,
                user=words,
                client=words,
                conn_info=raw | st.just(wire.NOTHING),
                chan_info=raw | st.just(wire.NOTHING),
            ),
            max_size=3,
        ),
    ),
    "presence_stats": st.builds(wire.PresenceStatsResult, num_clients=seconds, num_users=seconds),
    "history": st.builds(wire.HistoryResult, publications=st.just([]), epoch=words, offset=numbers),
    "rpc": st.builds(wire.RPCResult, data=raw),
    "refresh": st.builds(wire.RefreshResult, client=words, version=words, expires=flags, ttl=seconds),
    "sub_refresh": st.builds(wire.SubRefreshResult, expires=flags, ttl=seconds),
}
replies = st.one_of(*(st.tuples(st.just(key), strategy) for key, strategy in results.items()))
