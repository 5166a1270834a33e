"""Snapshots beside the journal: one file each, written whole or not at all, checked before they are believed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from overround.engine.snapshot import AnySection
from overround.journal.journal import Journal

FOLDER_NAME: Final = "snapshots"
KEPT: Final = 2  # the newest, and one to fall back on
_SUFFIX: Final = ".snapshot"

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(AnySection)


class Footer(msgspec.Struct, frozen=True):
    """The last line: where in the journal the snapshot stands, and the digest of all lines before."""

    seq: int
    time_ms: int
    chain_digest: bytes
    content_digest: bytes


class SnapshotStore:
    """The snapshots of one data folder: JSON lines, a section each, then the footer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER_NAME

    def write(self, sections: Iterable[AnySection], *, seq: int, time_ms: int, chain_digest: bytes) -> Path:
        """Write, flush and rename, so that a crash leaves either nothing or all of it; drop the oldest ones."""
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"{seq:020d}{_SUFFIX}"
        partial = target.with_suffix(f".{os.getpid()}.partial")
        content = hashlib.sha256()
        with partial.open("wb") as file:
            for section in sections:
                line = _encoder.encode(section) + b"\n"
                content.update(line)
                file.write(line)
            file.write(_encoder.encode(Footer(seq, time_ms, chain_digest, content.digest())))
            file.flush()
            os.fsync(file.fileno())
        partial.rename(target)
        _sync_folder(self._folder)
        self._drop_old()
        return target

    def newest_good(self, journal: Journal) -> tuple[Footer, Path] | None:
        """The newest snapshot that is whole and belongs to this journal; a damaged one is passed over."""
        for path in sorted(self._paths(), reverse=True):
            footer = _check(path)
            if footer is not None and journal.digest_at(footer.seq) == footer.chain_digest:
                return footer, path
        return None

    @staticmethod
    def read(path: Path) -> Iterator[AnySection]:
        """The sections of a snapshot that `newest_good` found."""
        with path.open("rb") as file:
            for line, is_last in _lines(file):
                if not is_last:
                    yield _decoder.decode(line)

    def _paths(self) -> list[Path]:
        return list(self._folder.glob(f"*{_SUFFIX}"))

    def _drop_old(self) -> None:
        for path in sorted(self._paths())[:-KEPT]:
            path.unlink()
        for leftover in self._folder.glob("*.partial"):
            leftover.unlink(missing_ok=True)


def _check(path: Path) -> Footer | None:
    content = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for line, is_last in _lines(file):
                if is_last:
                    footer = msgspec.json.decode(line, type=Footer)
                    return footer if footer.content_digest == content.digest() else None
                content.update(line)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return None


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
