"""For how long this process may count on being taken for alive: until then it begins files, and then it stops.

Others take a process of another machine for dead after a silence that is longer than this (process_identity.py). So one
that was stopped, or that can't reach the database, begins no file that the sweep of another could have missed. What it
had begun is named by no row: each commit that names new chunks asks the database whether its process is dead.
"""

from __future__ import annotations

import math
import time
from itertools import count

from s3gw.metadata.database import DatabaseUnavailable

LENGTH = 40.0  # seconds after the last heartbeat that was written


class LeaseLost(DatabaseUnavailable):
    """This process wasn't heard of for too long, or was declared dead."""


class Lease:
    """An iterator of the numbers of this process's files, each given once, in one atomic step, while the lease lasts.

    One that `lasts_for_ever` needs no renewal, but can be ended. The event loop renews and ends it, any thread asks.
    """

    def __init__(self, *, lasts_for_ever: bool = False) -> None:
        self._numbers = count(1)
        self._length = math.inf if lasts_for_ever else LENGTH
        self._ends_at = now() + self._length
        self.is_too_old = False

    def renew(self, since: float) -> None:
        """`since`: when the heartbeat that was written began, by `now`. An ended lease stays ended."""
        if not self.is_ended:
            self._ends_at = since + self._length

    def end(self, is_too_old: bool = False) -> None:
        """For good: this process was declared dead, or its program `is_too_old` for the schema."""
        self.is_too_old = is_too_old
        self._ends_at = -math.inf

    @property
    def is_ended(self) -> bool:
        return self._ends_at == -math.inf

    @property
    def lasts(self) -> bool:
        return now() < self._ends_at

    def __iter__(self) -> Lease:
        return self

    def __next__(self) -> int:
        """Raises LeaseLost."""
        if not self.lasts:
            raise LeaseLost("this process wasn't heard of for too long, so others may take it for dead")
        return next(self._numbers)


def now() -> float:
    """Seconds by a clock that nobody sets; on Linux it goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
