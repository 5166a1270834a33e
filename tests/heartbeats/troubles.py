"""Two numbers in a file that two processes share."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_NUMBER = struct.Struct("<q")


class Troubles:
    """What is wrong with a machine at the moment."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(16))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 16)

    @property
    def wall_wrong_ms(self) -> int:
        """By how much its wall clock is ahead."""
        return int(_NUMBER.unpack_from(self._memory, 0)[0])

    @wall_wrong_ms.setter
    def wall_wrong_ms(self, value: int) -> None:
        _NUMBER.pack_into(self._memory, 0, value)

    @property
    def next_commit_ms(self) -> int:
        """How much longer the next commit takes."""
        return int(_NUMBER.unpack_from(self._memory, 8)[0])

    @next_commit_ms.setter
    def next_commit_ms(self, value: int) -> None:
        _NUMBER.pack_into(self._memory, 8, value)
