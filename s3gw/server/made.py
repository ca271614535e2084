"""What a start has made in its data folder, so that one that is refused leaves nothing behind."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path


class Made:
    """Looked at before the folder is touched. Only a folder that was missing or empty is cleared again."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._missing = [path for path in (data, *data.parents) if not path.exists()]
        self._was_empty = not self._missing and data.is_dir() and not any(data.iterdir())

    def undo(self) -> None:
        """Only while nobody's data is in it."""
        if self._missing or self._was_empty:
            with suppress(OSError):
                for path in list(self._data.iterdir()):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self._missing:
            with suppress(OSError):
                path.rmdir()
