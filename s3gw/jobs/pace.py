"""The pace of background work. What writes in steps pauses after each for as long as that took, so that writers of
requests have at least half of the time, and more when they are many. What reads files has so many bytes a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def paced(step: Awaitable[T]) -> T:
    began_at = time.monotonic()
    outcome = await step
    await asyncio.sleep(time.monotonic() - began_at)
    return outcome


class ByteRate:
    """So many bytes a second at most, 0: as many as there are. Who was slower than that isn't given it back later.

    On the event loop only.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._began = self._next = time.monotonic()

    async def turn(self) -> None:
        """Wait until something may be read."""
        await asyncio.sleep(max(0.0, self._next - time.monotonic()))
        self._began = time.monotonic()

    def spent(self, count: int) -> None:
        """Of the turn that was waited for last."""
        if self._per_second:
            self._next = self._began + count / self._per_second
