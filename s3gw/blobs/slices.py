"""The memory of uploads: slices of 512 KiB out of a budget that all uploads of a process share.

Who asks first is served first; who can't be served waits without reading, which stops the client through TCP. A
holder gives back within a bounded time (chunked_body.py: a slice is never held for a client that stalls).
"""

from __future__ import annotations

import asyncio
import mmap
from collections import deque

SLICE = 512 * 1024
_KEPT = 16  # for the next uploads: fresh pages cost more than what is written to them


class SlicePool:
    """At most `total` bytes of slices, on one event loop."""

    def __init__(self, total: int) -> None:
        self.free = max(1, total // SLICE)
        self._kept: list[memoryview] = []
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> memoryview:
        """Wait for a slice: SLICE bytes of anything, at the beginning of a page, which filesystem.py asks for."""
        if self.free and not self._waiting:
            self.free -= 1
        else:
            await self._turn()
        return self._kept.pop() if self._kept else memoryview(mmap.mmap(-1, SLICE))

    async def _turn(self) -> None:
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(granted)
        try:
            await granted
        except asyncio.CancelledError:
            if not granted.cancelled():  # granted and cancelled in one turn of the loop
                self._release()
            elif granted in self._waiting:
                self._waiting.remove(granted)
            raise

    def give_back(self, memory: memoryview) -> None:
        if len(self._kept) < _KEPT:
            self._kept.append(memory)
        self._release()

    def _release(self) -> None:
        self.free += 1
        while self._waiting and self.free:
            granted = self._waiting.popleft()
            if not granted.cancelled():
                self.free -= 1
                granted.set_result(None)
