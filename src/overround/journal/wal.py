"""Whether SQLite's write-ahead log lost something that was committed (format: https://sqlite.org/walformat.html).

SQLite takes the first bad frame for the torn end of the last write, and drops it and all that follows without a word.
But commits follow each other, each on the disk before the next begins: only the last one can be torn. Where more than
one commit follows a bad frame, the frame was whole once, and acknowledged records would be lost with it. What cannot be
told is damage to the last commit, or to the very mark that ended the one before.
"""

from __future__ import annotations

import struct
import sys
from array import array
from typing import Final

_HEADER: Final = struct.Struct(">8I")  # magic, version, page size, checkpoint, two salts, two checksums
_FRAME: Final = struct.Struct(">6I")  # page number, pages after a commit (else 0), two salts, two checksums
_MAGIC: Final = {0x377F0682: "little", 0x377F0683: "big"}  # and in which byte order checksums see the data
_PAGE_BYTES: Final = 4096  # SQLite's default, for a log whose header cannot be read
_MASK: Final = 0xFFFFFFFF

Sums = tuple[int, int]


def commits_behind_damage(log: bytes) -> int:
    """How many commits in a log lie behind a bad frame, the last one not counted, for it may be torn."""
    if len(log) < _HEADER.size:
        return 0
    magic, _, page_bytes, _, *salts, one, two = _HEADER.unpack_from(log)
    order = _MAGIC.get(magic, "")
    sums: Sums | None = (one, two)
    if not order or _add(log[:24], order, (0, 0)) != sums or page_bytes not in {1 << bits for bits in range(9, 17)}:
        # Nothing says what this log is. It is written before the first frame: take the frames at their own word.
        page_bytes, salts, sums = _PAGE_BYTES, list(_FRAME.unpack_from(log.ljust(80, b"\0"), _HEADER.size)[2:4]), None
    behind = 0
    for start in range(_HEADER.size, len(log) - page_bytes - _FRAME.size + 1, _FRAME.size + page_bytes):
        _, pages, *frame_salts, one, two = _FRAME.unpack_from(log, start)
        if sums is not None:
            page = start + _FRAME.size
            sums = _add(log[page : page + page_bytes], order, _add(log[start : start + 8], order, sums))
            if frame_salts != salts or sums != (one, two):
                sums = None
        if sums is None:
            behind += frame_salts == salts and pages != 0
    return max(0, behind - 1)


def _add(data: bytes, order: str, sums: Sums) -> Sums:
    """SQLite's checksum over pairs of 32-bit words."""
    words = array("I", data)
    if order != sys.byteorder:
        words.byteswap()
    one, two = sums
    pairs = iter(words)
    for first, second in zip(pairs, pairs, strict=True):
        one = one + first + two & _MASK
        two = two + second + one & _MASK
    return one, two
