"""Who may write a data folder: one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final, Protocol

FILE_NAME: Final = "lock"


class DataFolderInUse(Exception):
    """Another process owns the data folder."""

    def __init__(self, folder: Path, owner: str) -> None:
        super().__init__(folder, owner)
        self.folder, self.owner = folder, owner

    def __str__(self) -> str:
        return (
            f"the data folder {self.folder} is in use by process {self.owner or 'unknown'}; "
            "stop that process or choose another folder with --data-dir"
        )


class DataFolderUnusable(Exception):
    """The data folder cannot be made or written."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder, self.reason = folder, reason

    def __str__(self) -> str:
        return f"the data folder {self.folder} cannot be used: {self.reason}"


class Leadership(Protocol):
    """The right to write, held from `acquire` to `release` or the end of the process."""

    def acquire(self) -> int:
        """Take it and return the epoch to write with. Raises DataFolderInUse and DataFolderUnusable."""

    def release(self) -> None:
        """Give it up."""


class FolderLock:
    """A lock on the data folder that the kernel drops when the process ends, however it ends.

    The owner before is dead by then, so the epoch stays 1.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def acquire(self) -> int:
        """Lock the folder, made if missing."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._folder / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise DataFolderUnusable(self._folder, error.strerror or str(error)) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 20).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise DataFolderInUse(self._folder, owner) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return 1

    def release(self) -> None:
        """Unlock; releasing twice is harmless."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
