"""What a start has made, so that one that is refused leaves nothing behind."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from s3gw.processes.lock import FILE_NAME

_OF_DATABASE = ("", "-wal", "-shm", ".turn.lock", ".writer.lock")


class Made:
    """Made before anything is touched, with the data folder and SQLite's file, wherever that is.

    Only what wasn't there when we had the lock is removed again: what another server made before that, even in the
    moment in which we waited, is that one's data.
    """

    def __init__(self, data: Path, database: Path | None = None) -> None:
        self._data, self._database = data, database
        folders = (data, *data.parents, *(() if database is None else database.parents))
        self._missing = sorted({path for path in folders if not path.exists()}, reverse=True)  # the inner ones first
        self._has_lock = (data / FILE_NAME).exists()
        self._was_there: set[Path] = set()

    def look(self) -> None:
        """With the lock held: from now on nobody else makes anything there."""
        self._was_there = self._present()
        if not self._has_lock:
            self._was_there.discard(self._data / FILE_NAME)

    def undo(self) -> None:
        """Only while nobody's data is in it, and before the lock is let go."""
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
