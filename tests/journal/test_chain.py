"""The chain of digests."""

from __future__ import annotations

import hashlib

from overround.journal.chain import GENESIS, link


def test_a_link_is_the_digest_of_the_one_before_and_the_payload() -> None:
    assert link(GENESIS, b"payload") == hashlib.sha256(GENESIS + b"payload").digest()


def test_every_link_depends_on_everything_before_it() -> None:
    assert link(link(GENESIS, b"a"), b"b") != link(link(GENESIS, b"b"), b"a")
    assert link(link(GENESIS, b"a"), b"b") != link(GENESIS, b"ab")
    assert link(GENESIS, b"") != GENESIS


def test_the_beginning_is_fixed() -> None:
    """Journals on disk begin with it: changing it makes every one of them foreign."""
    assert GENESIS.hex() == "9cbf1a9ddd90579a0823b73fcf572e9c29ff4c46a8d851680cf7dc171f08545f"
