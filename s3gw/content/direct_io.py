"""Past the page cache or through it: which way this disk takes new chunks faster, measured while they are written.

Chunks must be on the disk before they are acknowledged anyhow, and past the cache costs less CPU: no copy, and no fresh
pages of memory, which may cost more than MD5 (bench/README.md). But there are disks that take one large flush much
faster than writes of 512 KiB. What went through the cache is read from memory soon after.
"""

from __future__ import annotations

import threading
from typing import Literal

Mode = Literal["auto", "on", "off"]

MEASURED = 4 << 20  # bytes; smaller files say more about the flush than about the way
_TRIES = 32  # of so many files one goes the slower way, to see whether it still is
_WORTH = 0.8  # seconds through the cache for one past it, from which on the CPU is worth spending
_WEIGHT = 0.2  # of the newest measurement


class DirectIo:
    """Threads write and measure; all that is counted here is under the lock."""

    def __init__(self, mode: Mode = "on") -> None:
        self._mode = mode
        self._lock = threading.Lock()
        self._files = 0
        self._costs: dict[bool, float] = {}  # seconds per byte, by whether past the cache

    def is_wanted(self, size: int | None) -> bool:
        """For the next file, of so many bytes."""
        if self._mode != "auto":
            return self._mode == "on"
        with self._lock:
            if size is None or size < MEASURED:
                return self._is_better()
            self._files += 1
            if len(self._costs) < 2:
                return self._files % 2 == 1
            return self._is_better() != (self._files % _TRIES == 0)

    def _is_better(self) -> bool:
        return self._costs.get(False, 1.0) >= _WORTH * self._costs.get(True, 0.0)

    def measured(self, was_direct: bool, size: int, seconds: float) -> None:
        """A file of so many bytes took the disk so long to write and flush."""
        if size < MEASURED:
            return
        with self._lock:
            cost = seconds / size
            self._costs[was_direct] = (1 - _WEIGHT) * self._costs.get(was_direct, cost) + _WEIGHT * cost
