"""A file of an archive as the body of a PutObject, read as it is stored."""

from __future__ import annotations

from collections.abc import Mapping

from s3gw.archives.stored_zip import PIECE, THREADS
from s3gw.archives.unpack import Unpacked
from s3gw.checksums import Hasher
from s3gw.threads import in_thread


class UnpackedBody:
    """A Body (operations/call.py). What comes out of the archive is known to be as it says when all of it was read."""

    checksum_algorithm = None

    def __init__(self, file: Unpacked) -> None:
        self.size, self._left = file.size, file.size
        self.hashers: dict[str, Hasher] = {}
        self._file = file

    @property
    def has_ended(self) -> bool:
        return self._left == 0

    async def read(self) -> bytes:
        return await self._read(PIECE) if self._left else b""

    async def read_into(self, room: memoryview, patience: float) -> int:
        piece = await self._read(min(PIECE, len(room))) if self._left else b""
        room[: len(piece)] = piece
        return len(piece)

    async def _read(self, most: int) -> bytes:
        piece = await in_thread(THREADS, self._file.read, most)
        self._left -= len(piece)
        return piece

    def verify(self, md5_hex: str, digests: Mapping[str, bytes]) -> None:
        """Nobody has announced any."""
