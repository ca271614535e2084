"""Which files and folders a start has made, so that a refused one can remove them."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from s3gw.processes.lock import FILE_NAME

_OF_DATABASE = ("", "-wal", "-shm", ".turn.lock", ".writer.lock")


class Made:
    """To be made before any file is, with the data folder and the path of SQLite's file.

    Only what wasn't there yet when this process got the lock is removed: the rest is another server's data.
    """

    def __init__(self, data: Path, database: Path | None = None) -> None:
        self._data, self._database = data, database
        folders = (data, *data.parents, *(() if database is None else database.parents))
        self._missing = sorted({path for path in folders if not path.exists()}, reverse=True)  # the inner ones first
        self._has_lock = (data / FILE_NAME).exists()
        self._was_there: set[Path] = set()

    def look(self) -> None:
        """To be called with the lock held: from now on no other server makes anything there."""
        self._was_there = self._present()
        if not self._has_lock:
            self._was_there.discard(self._data / FILE_NAME)

    def undo(self) -> None:
        """To be called before the lock is released, and only while no object or user is stored."""
        with suppress(OSError):
            for path in self._present() - self._was_there:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self._missing:
            with suppress(OSError):
                path.rmdir()

    def _present(self) -> set[Path]:
        present = set(self._data.iterdir())
        if self._database is not None:
            names = (self._database.with_name(self._database.name + end) for end in _OF_DATABASE)
            present |= {path for path in names if path.exists()}
        return present
