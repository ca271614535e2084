"""`Place`: where backups lie. The contract of every kind of place; files in it have names like `chunks/ab/<digest>`.

A place knows nothing of what is in its files, all of which fit into memory. All methods block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class BackupError(Exception):
    """The backup can't be used like that; the message is for whoever gave the command."""


class NotInBackup(BackupError):
    """There is no such file."""


class Place(Protocol):
    def create(self) -> None:
        """Make it, unless it is there. Raises BackupError where something else is."""

    def require(self) -> None:
        """Raises BackupError where there is no backup, or one that this program doesn't know."""

    def locked(self, *, alone: bool) -> AbstractContextManager[None]:
        """Within: nobody changes the backup but us; `alone`: nobody uses it. Raises BackupError where others do."""

    def scratch(self) -> AbstractContextManager[Path]:
        """A folder of this machine, within `locked`, for what isn't to stay."""

    def names(self, folder: str) -> Iterator[str]:
        """The files in a folder, in no order, without its own name. None where there is no folder."""

    def read(self, name: str) -> bytes:
        """Raises NotInBackup, and OSError where it can't be read."""

    def write(self, name: str, data: bytes) -> None:
        """As a whole or not at all, over what is there. Several threads may. It lasts once `flush` has returned."""

    def flush(self) -> None:
        """Return when all that was written and removed outlives a loss of power."""

    def remove(self, name: str) -> None:
        """Nothing happens when there is nothing."""

    def set_aside(self, name: str) -> None:
        """Put it where nothing looks for it, so that it counts as missing."""
