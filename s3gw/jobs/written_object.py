"""An object that a job writes: bytes that it makes while they are stored, put as a PutObject of who asked for the job.

Nothing of it is there before its last byte.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

from s3gw.operations.files import PUT_FILE
from s3gw.operations.perform import perform

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from s3gw.checksums import Hasher
    from s3gw.jobs.asker import Calls


class MadeBody:
    """A Body (operations/call.py) of pieces that are made one after the other."""

    size = None
    checksum_algorithm = None

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self.hashers: dict[str, Hasher] = {}
        self._pieces, self._held, self._at_end = pieces, b"", False
        self.made = 0  # bytes

    @property
    def has_ended(self) -> bool:
        return self._at_end and not self._held

    async def read(self) -> bytes:
        piece, self._held = self._held or await self._next(), b""
        return piece

    async def read_into(self, room: memoryview, patience: float) -> int:
        piece = self._held or await self._next()
        size = min(len(piece), len(room))
        room[:size], self._held = piece[:size], piece[size:]
        return size

    async def _next(self) -> bytes:
        async for piece in self._pieces:
            if piece:
                self.made += len(piece)
                return piece
        self._at_end = True
        return b""

    def verify(self, md5_hex: str, digests: Mapping[str, bytes]) -> None:
        """Nobody has announced any."""


async def write_object(calls: Calls, key: str, content_type: str, pieces: AsyncGenerator[bytes, None]) -> int:
    """Into the bucket of the calls; how many bytes. Raises S3Error and Problem."""
    async with aclosing(pieces):
        call = calls.call("PutObject", Key=key, ContentType=content_type, ChecksumAlgorithm="SHA256")
        call.body = body = MadeBody(pieces)
        await perform(call, PUT_FILE)
    return body.made
