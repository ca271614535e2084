"""How often somebody has asked, counted in one process's memory: bounded, and forgotten oldest first.

The window and the counting are the library's (limits).
"""

from __future__ import annotations

import time
from typing import NamedTuple

from limits.storage import Storage

MOST_SUBJECTS = 20_000  # whose windows are kept, in 4 MiB


class Window(NamedTuple):
    hits: int
    ends_at: float  # by the monotonic clock, which nobody sets


class Windows(Storage):
    """Counters in memory, for the event loop only, in the order in which they began."""

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[str, Window] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        return ArithmeticError  # none is raised

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        window = self._open(key)
        if window is None:
            self._windows.pop(key, None)
            if len(self._windows) >= MOST_SUBJECTS:
                del self._windows[next(iter(self._windows))]
            window = Window(0, time.monotonic() + expiry)
        self._windows[key] = counted = Window(window.hits + amount, window.ends_at)
        return counted.hits

    def get(self, key: str) -> int:
        window = self._open(key)
        return 0 if window is None else window.hits

    def get_expiry(self, key: str) -> float:
        window = self._open(key)
        return time.monotonic() if window is None else window.ends_at

    def _open(self, key: str) -> Window | None:
        window = self._windows.get(key)
        return window if window is not None and window.ends_at > time.monotonic() else None

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        found = len(self._windows)
        self._windows.clear()
        return found

    def clear(self, key: str) -> None:
        self._windows.pop(key, None)
