"""Snapshots beside the journal: one file each, written whole or not at all, checked before they are believed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from overround.engine.base import Section
from overround.engine.snapshot import AnySection
from overround.journal.journal import Journal

FOLDER_NAME: Final = "snapshots"
KEPT: Final = 2  # the newest, and one to fall back on
PAYLOAD_SECTION_BYTES: Final = 1024 * 1024
_SUFFIX: Final = ".snapshot"
_PARTIAL: Final = ".partial"


class PriceSection(Section, frozen=True):
    """Since when each side's best price is the best, as `BestOdds.since` gives it."""

    since: list[tuple[tuple[bytes, bytes, bool], int]]


class VolumeSection(Section, frozen=True):
    """What was matched, as `Volumes.dump` gives it."""

    rows: list[tuple[bytes, bytes, int]]


class PayloadSection(Section, frozen=True):
    """Some of the payloads that the histories in the feed section point to. Comes before it."""

    payloads: list[bytes]


class FeedSection(Section, frozen=True):
    """Positions and histories of all channels, as `Hub.snapshot` gives them, but for the payloads."""

    hub: dict[str, Any]


AnyPart = AnySection | PriceSection | VolumeSection | PayloadSection | FeedSection


def feed_sections(hub: dict[str, Any]) -> Iterator[PayloadSection | FeedSection]:
    """What `Hub.snapshot` gives, in parts: histories are hundreds of megabytes where a venue is busy."""
    payloads, size = [], 0
    for payload in hub["payloads"]:
        payloads.append(payload)
        size += len(payload)
        if size > PAYLOAD_SECTION_BYTES:
            yield PayloadSection(payloads)
            payloads, size = [], 0
    yield PayloadSection(payloads)
    yield FeedSection({**hub, "payloads": []})


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(AnyPart)


class Footer(msgspec.Struct, frozen=True):
    """The last line: where in the journal the snapshot stands, what it holds, and a seal over all of it."""

    seq: int
    time_ms: int
    chain_digest: bytes  # of the journal's record `seq`: the snapshot belongs to no other journal
    state_digest: bytes  # of the state that the sections load to
    seal: bytes = b""  # digest of all lines before, and of the members above


class SnapshotStore:
    """The snapshots of one data folder: JSON lines, a section each, then the footer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER_NAME

    def write(
        self,
        sections: Iterable[AnyPart],
        *,
        seq: int,
        time_ms: int,
        chain_digest: bytes,
        state_digest: bytes,
    ) -> Path:
        """Write, flush and rename, so that a crash leaves either nothing or all of it; drop the oldest ones."""
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"{seq:020d}{_SUFFIX}"
        partial = target.with_suffix(f".{os.getpid()}{_PARTIAL}")
        footer = Footer(seq, time_ms, chain_digest, state_digest)
        try:
            with partial.open("wb") as file:
                content = hashlib.sha256()
                for section in sections:
                    line = _encoder.encode(section) + b"\n"
                    content.update(line)
                    file.write(line)
                file.write(_encoder.encode(msgspec.structs.replace(footer, seal=_seal(content, footer))))
                file.flush()
                os.fsync(file.fileno())
            partial.rename(target)
        except BaseException:
            partial.unlink(missing_ok=True)  # where the disk is full, the space is wanted back
            raise
        _sync_folder(self._folder)
        self._drop_old(target)
        return target

    def whole(self) -> Iterator[tuple[Footer, Path]]:
        """The snapshots that are as they were written, newest first; a damaged one is passed over."""
        for path in sorted(self._paths(), reverse=True):
            footer = _check(path)
            if footer is not None:
                yield footer, path

    def good(self, journal: Journal) -> Iterator[tuple[Footer, Path]]:
        """Those of them that belong to this journal."""
        for footer, path in self.whole():
            if journal.digest_at(footer.seq) == footer.chain_digest:
                yield footer, path

    @staticmethod
    def read(path: Path) -> Iterator[AnyPart]:
        """The sections of a snapshot that `good` found."""
        with path.open("rb") as file:
            for line, is_last in _lines(file):
                if not is_last:
                    yield _decoder.decode(line)

    def _paths(self) -> list[Path]:
        return list(self._folder.glob(f"*{_SUFFIX}"))

    def _drop_old(self, newest: Path) -> None:
        """Keep the last ones up to `newest`; what claims to be newer is of another history, and not counted."""
        for path in sorted(path for path in self._paths() if path <= newest)[:-KEPT]:
            path.unlink(missing_ok=True)
        for leftover in self._folder.glob(f"*{_PARTIAL}"):
            leftover.unlink(missing_ok=True)


def _check(path: Path) -> Footer | None:
    """The footer, if every bit of the file is as it was written."""
    content = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for line, is_last in _lines(file):
                if is_last:
                    footer = msgspec.json.decode(line, type=Footer)
                    is_whole = footer.seal == _seal(content, footer) and _encoder.encode(footer) == line
                    return footer if is_whole else None
                content.update(line)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return None


def _seal(content: hashlib._Hash, footer: Footer) -> bytes:
    sealed = content.copy()
    sealed.update(_encoder.encode(msgspec.structs.replace(footer, seal=b"")))
    return sealed.digest()


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Each line, and whether it is the last one."""
    previous = file.readline()
    for line in file:
        yield previous, False
        previous = line
    yield previous, True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
