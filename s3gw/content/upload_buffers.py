"""The memory of uploads: buffers of 512 KiB out of a budget that all uploads of a process share.

Who asks first is served first; who can't be served waits without reading, which stops the client through TCP. A
buffer belongs to one upload from `take` to `give_back`, and threads read it through a view that ends with that turn. So
two uploads can't be given the same memory unnoticed: giving back twice, or using a buffer after it was given back,
raises BufferMisused in the upload that does it. Parts of a view outlive it, and what is written through one before
`fill` no CRC-64 shows: so memory is given to the next upload only when no view of any part of it exists. Everything
here runs on the event loop only, but `UploadBuffer.leave`.
"""

from __future__ import annotations

import asyncio
import mmap
from collections import deque

from awscrt.checksums import crc64nvme

BUFFER = 512 * 1024
_KEPT = 16  # for the next uploads: fresh pages cost more than what is written to them


class BufferMisused(Exception):
    """A buffer was used by who doesn't own it any more. The upload ends; its bytes can't be trusted."""


class BodyMixedUp(Exception):
    """What was written or hashed isn't what was received. Nothing of the upload may be named by a row."""


class UploadBuffer:
    """One turn of a piece of memory: filled on the event loop, then read by threads, then given back.

    `crc_before` and `crc_after` are the CRC-64 of the upload's bytes that came before it and up to its end.
    """

    __slots__ = ("_memory", "_readers", "_view", "crc_after", "crc_before", "filled")

    def __init__(self, memory: memoryview) -> None:
        self._memory: memoryview | None = memory
        self._view: memoryview | None = None
        self._readers: list[bool] = []
        self.filled = 0
        self.crc_before = self.crc_after = 0

    @property
    def is_ours(self) -> bool:
        """Whether its turn hasn't ended."""
        return self._memory is not None

    def room(self, most: int) -> memoryview:
        """The memory to fill, at most so many bytes of it, until `fill` is called."""
        if self._memory is None or self._view is not None:
            raise BufferMisused("filled when it was given back, or twice")
        self._view = self._memory[:most]
        return self._view

    def fill(self, size: int, crc_before: int) -> None:
        """The first `size` bytes of the room have come; nobody may write to it any more."""
        if self._memory is None or self._view is None:
            raise BufferMisused("filled when it was given back, or without room")
        self._release_view()
        self._view = self._memory[:size].toreadonly()
        self.filled = size
        self.crc_before, self.crc_after = crc_before, crc64nvme(self._view, crc_before)

    def lend(self, readers: int) -> memoryview:
        """What was filled, for so many threads to read until each of them has called `leave`."""
        if self._memory is None or self._view is None or self._readers:
            raise BufferMisused("lent when it was given back, or twice")
        self._readers = [True] + [False] * (readers - 1)
        return self._view

    def leave(self) -> bool:
        """A thread has done with it. True for the last one, whichever that is: `pop` is the atomic step that decides.

        BodyMixedUp: the memory isn't what it was when it had been filled, so nobody knows what the threads have read.
        """
        if not self._readers.pop():
            return False
        assert self._view is not None, "it was lent"
        try:
            crc = crc64nvme(self._view, self.crc_before)
        except ValueError:
            raise BodyMixedUp("the memory of an upload was given back while threads were reading it") from None
        if crc != self.crc_after:
            raise BodyMixedUp("the memory of an upload changed while threads were reading it")
        return True

    def end_turn(self) -> mmap.mmap:
        """The memory, for its next turn. The view that was lent can't be read any more: that raises ValueError.

        BufferMisused: the turn has ended before, or a thread is reading the view at this moment.
        """
        memory, self._memory = self._memory, None
        if memory is None:
            raise BufferMisused("given back twice")
        self._release_view()
        mapped: mmap.mmap = memory.obj  # type: ignore[assignment]
        memory.release()
        return mapped

    def _release_view(self) -> None:
        try:
            if self._view is not None:
                self._view.release()
        except BufferError:
            raise BufferMisused("given back, or read, while somebody was still writing or reading") from None


class UploadBuffers:
    """At most `total` bytes of buffers, on one event loop."""

    def __init__(self, total: int) -> None:
        self.free = max(1, total // BUFFER)
        self._kept: list[mmap.mmap] = []
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> UploadBuffer:
        """Wait for a buffer of BUFFER bytes; it begins at the beginning of a page, which filesystem.py asks for."""
        if self.free and not self._waiting:
            self.free -= 1
        else:
            await self._turn()
        while self._kept:
            memory = self._kept.pop()
            if _is_free(memory):
                return UploadBuffer(memoryview(memory))
        return UploadBuffer(memoryview(mmap.mmap(-1, BUFFER)))

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
        """Raises BufferMisused. Memory that somebody may still read or write isn't used again.

        Views of it can outlive its turn without anybody's fault: the traceback of a time limit that passed has them in
        its frames, until the garbage collector comes.
        """
        was_ours = buffer.is_ours
        try:
            memory = buffer.end_turn()
            if len(self._kept) < _KEPT and _is_free(memory):
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


def _is_free(memory: mmap.mmap) -> bool:
    """One atomic step decides: Python refuses to resize memory while any view of it exists, and where there is none
    nobody can make one. To its own size that moves no bytes."""
    try:
        memory.resize(BUFFER)
    except BufferError:
        return False
    except SystemError:  # macOS can't resize; that there is no view was found out before
        pass
    return True
