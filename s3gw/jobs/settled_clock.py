"""A clock for what is deleted because it is old: one that was set forward is believed only after an hour.

What the wall clock says is compared with what it said before, and the time that has passed since by a clock that nobody
can set. A process that has run for less than an hour has nothing to compare it with, and deletes nothing for its age.
"""

from __future__ import annotations

import time
from collections import deque

SETTLES = 3600.0  # seconds


class SettledClock:
    """To be asked regularly, because it compares with the times that it was asked with before. For one thread."""

    def __init__(self) -> None:
        self._told: deque[tuple[float, int]] = deque()  # monotonic seconds, and the wall clock's microseconds

    def settle(self, now: int) -> int | None:
        """The earliest time that it may be, when the wall clock says `now`; None: that can't be told yet."""
        at = time.monotonic()
        self._told.append((at, now))
        while len(self._told) > 1 and self._told[1][0] <= at - SETTLES:
            self._told.popleft()
        if self._told[0][0] > at - SETTLES:
            return None
        return min(told + int((at - when) * 1_000_000) for when, told in self._told)
