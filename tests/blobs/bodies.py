"""Bodies as an upload reads them, for the tests of this room."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable


def random_bytes(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


class PiecedBody:
    """Gives its pieces, then b"" or the error of a body that is wrong."""

    def __init__(self, pieces: Iterable[bytes], error: BaseException | None = None) -> None:
        self._pieces = iter(pieces)
        self._error = error

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        piece = next(self._pieces, b"")
        if not piece and self._error is not None:
            raise self._error
        return piece


class StallingBody:
    """Gives its pieces, then nothing until `resumed` is set, then the end."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self.stalled = asyncio.Event()
        self.resumed = asyncio.Event()

    async def read(self) -> bytes:
        for piece in self._pieces:
            return piece
        self.stalled.set()
        await self.resumed.wait()
        return b""


def body_of(data: bytes, piece: int = 64 * 1024) -> PiecedBody:
    return PiecedBody(data[first : first + piece] for first in range(0, len(data), piece))
