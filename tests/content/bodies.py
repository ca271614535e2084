"""Bodies as an upload reads them, for the tests of this room."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable


def random_bytes(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


class _Body:
    """`read_into` on top of a `_next` that gives pieces and, at the end, b""."""

    size: int | None = None

    def __init__(self) -> None:
        self._rest = b""
        self._waiting: asyncio.Task[bytes] | None = None
        self.has_ended = False

    async def _next(self) -> bytes:
        raise NotImplementedError

    async def read(self) -> bytes:
        self._waiting = self._waiting or asyncio.ensure_future(self._next())
        try:
            piece = await self._waiting
        except asyncio.CancelledError:
            self._waiting.cancel()
            raise
        self._waiting = None
        self.has_ended = not piece
        return piece

    async def read_into(self, room: memoryview, patience: float) -> int:
        filled = 0
        while filled < len(room) and not self.has_ended:
            if not self._rest:
                self._waiting = self._waiting or asyncio.ensure_future(self._next())
                done, _ = await asyncio.wait([self._waiting], timeout=patience)
                if not done:
                    break
                self._rest = await self.read()
            size = min(len(room) - filled, len(self._rest))
            room[filled : filled + size] = self._rest[:size]
            self._rest = self._rest[size:]
            filled += size
        return filled


class PiecedBody(_Body):
    """Gives its pieces, then b"" or the error of a body that is wrong."""

    def __init__(self, pieces: Iterable[bytes], error: BaseException | None = None) -> None:
        super().__init__()
        self._pieces = iter(pieces)
        self._error = error

    async def _next(self) -> bytes:
        await asyncio.sleep(0)
        piece = next(self._pieces, b"")
        if not piece and self._error is not None:
            raise self._error
        return piece


class StallingBody(_Body):
    """Gives its pieces, then nothing until `resumed` is set, then the end."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__()
        self._pieces = iter(pieces)
        self.stalled = asyncio.Event()
        self.resumed = asyncio.Event()

    async def _next(self) -> bytes:
        for piece in self._pieces:
            return piece
        self.stalled.set()
        await self.resumed.wait()
        return b""


def body_of(data: bytes, piece: int = 64 * 1024) -> PiecedBody:
    return PiecedBody(data[first : first + piece] for first in range(0, len(data), piece))
