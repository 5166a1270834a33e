"""Continuous markets against their slow twin, under random commands, time jumps, and snapshots in between."""

from __future__ import annotations

import os
from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from tests.engine.continuous.desk import START_MS
from tests.engine.continuous.traffic import SENDERS, STEPS_MS, Traffic

from overround.engine.continuous import engine, invariants
from overround.engine.continuous.commands import AnyContinuousCommand
from overround.engine.continuous.engine import ContinuousState
from overround.engine.continuous.events import AnyContinuousEvent
from overround.engine.continuous.rejections import Refusal
from overround.engine.continuous.snapshot import AnyContinuousSection
from overround.engine.continuous.types import wallet_of
from overround.testing.continuous_model import Answer, ContinuousModel, answer_of

STEPS = int(os.environ.get("OVERROUND_MODEL_STEPS", "3000"))
STEPS_PER_DAY = 60
DAYS = max(1, STEPS // STEPS_PER_DAY)

_encode = msgspec.json.Encoder().encode
_decode_events = msgspec.json.Decoder(list[AnyContinuousEvent]).decode
_decode_command = msgspec.json.Decoder(AnyContinuousCommand).decode
_decode_sections = msgspec.json.Decoder(list[AnyContinuousSection]).decode


class Twins:
    """Both, the same commands at the same times. Every command is compared as it is decided."""

    def __init__(self) -> None:
        self.state = ContinuousState()
        self.model = ContinuousModel()
        self.now_ms = START_MS
        self.journal: list[tuple[int, bytes, engine.Outcome]] = []  # what was decided, command as JSON

    def submit(self, command: AnyContinuousCommand) -> Answer:
        """Decide one command, as a journal would bring it back."""
        self.fire()
        before, payload = engine.digest(self.state), _encode(command)
        outcome = engine.execute(self.state, _decode_command(payload), self.now_ms)
        self.journal.append((self.now_ms, payload, outcome))
        answer = self.model.execute(command, self.now_ms)
        assert answer_of(outcome) == answer
        if isinstance(outcome, Refusal):
            assert engine.digest(self.state) == before, "a refusal changed something"
        else:
            assert _decode_events(_encode(outcome)) == outcome
        self.check()
        return answer

    def fire(self) -> None:
        """Fire what is due."""
        due_ms = engine.next_deadline_ms(self.state)
        assert due_ms == self.model.next_deadline_ms()
        if due_ms is not None and due_ms <= self.now_ms:
            events = engine.tick(self.state, self.now_ms)
            self.journal.append((self.now_ms, b"", events))
            assert answer_of(events) == self.model.tick(self.now_ms)
            self.check()

    def reload(self) -> None:
        """Out to JSON and in again."""
        before = engine.digest(self.state)
        self.state = engine.load(_decode_sections(_encode(list(engine.dump(self.state)))))
        assert engine.digest(self.state) == before
        self.check()

    def replay(self) -> None:
        """Everything once more from the beginning comes to the same."""
        state = ContinuousState()
        for now_ms, payload, outcome in self.journal:
            again = engine.execute(state, _decode_command(payload), now_ms) if payload else engine.tick(state, now_ms)
            assert again == outcome
        assert engine.digest(state) == engine.digest(self.state)

    def check(self) -> None:
        """Everything that can be seen is the same in both."""
        invariants.check(self.state)
        state, model = self.state, self.model
        assert (state.rules, state.maintenance) == (model.rules, model.maintenance)
        assert [(one.terms, one.unfilled_x18) for one in state.orders.values()] == [
            (one.terms, one.unfilled) for one in model.orders
        ]
        found = {
            (sender, product_id): (holding.amount_x18, holding.v_quote_x18)
            for sender, subaccount in state.subaccounts.items()
            for product_id, holding in subaccount.holdings.items()
            if holding.amount_x18 or holding.v_quote_x18
        }
        assert found == {
            key: (one.amount, one.v_quote) for key, one in model.balances.items() if one.amount or one.v_quote
        }
        for product_id, market in state.markets.items():
            assert market.product == model.products[product_id]
            assert market.fees_x18 == model.fees.get(product_id, 0)
            if market.product.has_book:
                assert market.mark_x18 == model.mark(product_id)
            for is_buy in (True, False):
                book = [one.terms.digest for one in market.book.side(is_buy=is_buy)]
                assert book == [one.terms.digest for one in model.book(product_id, is_buy=is_buy)]
        assert {one.sender: one.linked for one in state.subaccounts.values() if one.linked} == {
            sender: linked for sender, linked in model.linked.items() if linked
        }
        nonces = {address: wallet.next_tx_nonce for address, wallet in state.wallets.items() if wallet.next_tx_nonce}
        assert nonces == model.tx_nonces


@pytest.mark.row("P-05", "P-06", "P-07", "P-08", "P-09", "P-11", "P-12", "P-16", "C-19", "C-20", "C-27", "C-29")
@pytest.mark.timeout(600 if STEPS <= 3000 else 0)  # a failing day is shortened for some minutes before it is shown
@settings(max_examples=DAYS, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(st.sampled_from(STEPS_MS), st.integers(0, 2**32 - 1)),
        min_size=STEPS_PER_DAY // 2,
        max_size=STEPS_PER_DAY,
    )
)
def test_the_engine_answers_and_shows_what_its_slow_twin_does(steps: list[tuple[int, int]]) -> None:
    twins, traffic = Twins(), Traffic()
    for command in traffic.opening():
        twins.submit(command)
    for step_ms, seed in steps:
        twins.now_ms += step_ms
        random = Random(seed)
        command = traffic.any(random, twins.now_ms)
        note(f"{twins.now_ms}: {command}")
        note(f"    {twins.submit(command)}")
        if random.random() < 0.05:
            twins.reload()
    twins.replay()


def test_a_missed_heartbeat_takes_off_everything_of_the_wallet() -> None:
    for seed in range(20):
        twins, traffic, random = Twins(), Traffic(), Random(seed)
        for command in traffic.opening():
            twins.submit(command)
        for _ in range(40):
            twins.submit(traffic.any(random, twins.now_ms))
        address = wallet_of(random.choice(SENDERS))
        events = engine.cancel_all_of_wallet(twins.state, address, twins.now_ms)
        assert answer_of(events) == twins.model.cancel_all_of_wallet(address)
        twins.check()
        assert not [one for one in twins.state.orders.values() if one.terms.sender.startswith(address)]
