"""The memory of signed requests that were obeyed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.engine.desk import ALICE, Desk, number

from overround.engine.replays import ReplayMemory


def test_what_was_remembered_is_known_until_its_second_is_forgotten() -> None:
    memory = ReplayMemory()
    for second in (30, 10, 20, 10):
        memory.remember(number(52, second, len(memory)), second)
    assert len(memory) == 4
    assert memory.oldest_s == 10
    assert memory.forget_before(10) == []
    assert {second for second, _ in memory.forget_before(20)} == {10}
    assert [second for second, _ in memory.items()] == [20, 30]
    assert memory.oldest_s == 20
    assert len(memory.forget_before(10**9)) == 2
    assert list(memory.items()) == []
    assert len(memory) == 0
    assert memory.oldest_s is None


@given(
    requests=st.lists(st.tuples(st.binary(min_size=1, max_size=3), st.integers(0, 20)), unique_by=lambda one: one[0]),
    floors=st.lists(st.integers(0, 25), max_size=5),
)
def test_it_holds_exactly_what_was_signed_since(requests: list[tuple[bytes, int]], floors: list[int]) -> None:
    memory, expected = ReplayMemory(), dict(requests)
    for key, second in requests:
        memory.remember(key, second)
    for floor in floors:
        forgotten = memory.forget_before(floor)
        assert {key for _, key in forgotten} == {key for key, second in expected.items() if second < floor}
        expected = {key: second for key, second in expected.items() if second >= floor}
        assert {key: second for second, key in memory.items()} == expected
        assert all((key in memory) == (key in expected) for key, _ in requests)
        assert len(memory) == len(expected)


def test_memory_is_bounded_by_the_window(desk: Desk) -> None:
    for _ in range(30):
        desk.wait(60)
        desk.do(desk.cancel_all(ALICE))
    assert len(desk.engine.state.replays) == 11  # a window of ten minutes, both ends included
