"""The memory of uploads: buffers of 512 KiB out of a budget that all uploads of a process share.

Who asks first is served first; who can't be served waits without reading, which stops the client through TCP. A
buffer belongs to one upload from `take` to `give_back`, and threads read it through views that end with that turn. So
two uploads can't be given the same memory unnoticed: giving back twice, or using a buffer after it was given back,
raises BufferMisused in the upload that does it. Everything here runs on the event loop only.
"""

from __future__ import annotations

import asyncio
import mmap
from collections import deque

BUFFER = 512 * 1024
_KEPT = 16  # for the next uploads: fresh pages cost more than what is written to them


class BufferMisused(Exception):
    """A buffer was used by who doesn't own it any more. The upload ends; its bytes can't be trusted."""


class UploadBuffer:
    """One turn of a piece of memory: filled on the event loop, then read by threads, then given back."""

    __slots__ = ("_lent", "_memory", "filled", "readers")

    def __init__(self, memory: memoryview) -> None:
        self._memory: memoryview | None = memory
        self._lent: list[memoryview] = []
        self.filled = 0
        self.readers = 0  # jobs in threads that haven't been heard of yet

    @property
    def is_ours(self) -> bool:
        """Whether its turn hasn't ended."""
        return self._memory is not None

    def fill(self, data: bytes | memoryview) -> None:
        """Append a copy of `data`, for which there must be room."""
        end = self.filled + len(data)
        if self._memory is None or self._lent or end > BUFFER:
            raise BufferMisused("filled when it was given back, lent to a thread or full")
        self._memory[self.filled : end] = data
        self.filled = end

    def lend(self) -> memoryview:
        """What was filled, for a thread to read until the buffer is given back."""
        if self._memory is None:
            raise BufferMisused("lent after it was given back")
        view = self._memory[: self.filled]
        self._lent.append(view)
        return view

    def end_turn(self) -> memoryview:
        """The memory, for its next turn. A view that was lent can't be read any more: that raises ValueError.

        BufferMisused: the turn has ended before, or a thread is reading a view at this moment.
        """
        memory, self._memory = self._memory, None
        if memory is None:
            raise BufferMisused("given back twice")
        try:
            for view in self._lent:
                view.release()
        except BufferError:
            raise BufferMisused("given back while a thread was reading it") from None
        return memory


class UploadBuffers:
    """At most `total` bytes of buffers, on one event loop."""

    def __init__(self, total: int) -> None:
        self.free = max(1, total // BUFFER)
        self._kept: list[memoryview] = []
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> UploadBuffer:
        """Wait for a buffer of BUFFER bytes; it begins at the beginning of a page, which filesystem.py asks for."""
        if self.free and not self._waiting:
            self.free -= 1
        else:
            await self._turn()
        return UploadBuffer(self._kept.pop() if self._kept else memoryview(mmap.mmap(-1, BUFFER)))

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

    def give_back(self, buffer: UploadBuffer) -> None:
        """Raises BufferMisused; memory that a thread may still be reading isn't used again then."""
        was_ours = buffer.is_ours
        try:
            memory = buffer.end_turn()
            if len(self._kept) < _KEPT:
                self._kept.append(memory)
        finally:
            if was_ours:
                self._release()

    def _release(self) -> None:
        self.free += 1
        while self._waiting and self.free:
            granted = self._waiting.popleft()
            if not granted.cancelled():
                self.free -= 1
                granted.set_result(None)
