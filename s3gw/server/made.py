"""What a start has made in its data folder, so that one that is refused leaves nothing behind."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from s3gw.server.lock import FILE_NAME


class Made:
    """Made before the folder is touched. Only a folder in which nothing was when we had its lock is cleared again: what
    another server made before that, even in the moment in which we waited, is that one's data.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._missing = [path for path in (data, *data.parents) if not path.exists()]
        self._was_empty = False

    def look(self) -> None:
        """With the lock held: from now on nobody else makes anything there."""
        self._was_empty = all(path.name == FILE_NAME for path in self._data.iterdir())

    def undo(self) -> None:
        """Only while nobody's data is in it, and before the lock is let go."""
        if not self._was_empty:
            return
        with suppress(OSError):
            for path in list(self._data.iterdir()):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self._missing:
            with suppress(OSError):
                path.rmdir()
