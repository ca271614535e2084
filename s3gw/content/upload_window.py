"""The buffers of one upload: at most four at a time, each filled, read by several threads, and given back.

What a thread raises ends the upload: nobody is given a buffer any more, and who waits is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial

from s3gw.content.upload_buffers import BodyMixedUp, BufferMisused, UploadBuffer, UploadBuffers

_MOST = 4  # one being filled, the others with the threads

Submit = Callable[[Callable[[], object]], "Future[object]"]
Job = Callable[[memoryview], object]


class UploadWindow:
    """Used on the event loop only, but `_leave`, which threads call; what it decides it decides by `buffer.leave`."""

    def __init__(self, buffers: UploadBuffers) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffers = buffers
        self._out = 0
        self._changed = asyncio.Event()
        self.error: BaseException | None = None

    async def take(self) -> UploadBuffer:
        """A buffer to fill, to be lent or put back. Raises what a thread raised."""
        await self.until(lambda: self._out < _MOST)
        self._out += 1
        try:
            return await self._buffers.take()
        except BaseException:
            self._out -= 1
            raise

    def put_back(self, buffer: UploadBuffer) -> None:
        """Nothing was lent of it."""
        self._out -= 1
        try:
            self._buffers.give_back(buffer)
        except BufferMisused as error:
            self.fail(error)
        self._changed.set()

    def lend(self, buffer: UploadBuffer, jobs: Iterable[tuple[Submit, Job]], when_read: Callable[[], None]) -> None:
        """Give each job the bytes, in a thread; when all have ended the buffer is put back and `when_read` called."""
        jobs = tuple(jobs)
        view = buffer.lend(len(jobs))
        for submit, job in jobs:
            submit(partial(job, view)).add_done_callback(partial(self._leave, buffer, when_read))

    def _leave(self, buffer: UploadBuffer, when_read: Callable[[], None], ended: Future[object]) -> None:
        # Told before the buffer is left: after that another thread, the last, may say that all is well.
        if (error := ended.exception()) is not None:
            self._loop.call_soon_threadsafe(self.fail, error)
        try:
            is_last = buffer.leave()
        except BodyMixedUp as mixed_up:
            self._loop.call_soon_threadsafe(self.fail, mixed_up)
            is_last = True
        if is_last:
            self._loop.call_soon_threadsafe(self._read_by_all, buffer, when_read)

    def _read_by_all(self, buffer: UploadBuffer, when_read: Callable[[], None]) -> None:
        self.put_back(buffer)
        when_read()

    def fail(self, error: BaseException) -> None:
        self.error = self.error or error
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that a returned buffer makes true. Raises what a thread raised."""
        while self.error is None and not holds():
            await self._change()
        if self.error is not None:
            raise self.error

    async def drain(self) -> None:
        """Wait until no thread reads a buffer any more, whatever happened."""
        while self._out:
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
