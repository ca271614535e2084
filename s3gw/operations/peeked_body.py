"""A body whose first bytes were looked at before it is read."""

from __future__ import annotations

from collections.abc import Mapping

from s3gw.checksums import Hasher
from s3gw.operations.call import Body


class PeekedBody:
    """A Body (operations/call.py) around another, of which nobody else reads."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.hashers: dict[str, Hasher] = body.hashers
        self._first = b""  # read of it, and not handed on

    @property
    def size(self) -> int | None:
        return self._body.size

    @property
    def checksum_algorithm(self) -> str | None:
        return self._body.checksum_algorithm

    @property
    def has_ended(self) -> bool:
        return not self._first and self._body.has_ended

    async def peek(self, size: int) -> bytes:
        """The first bytes: so many, unless it is shorter."""
        while len(self._first) < size and (piece := await self._body.read()):
            self._first += piece
        return self._first[:size]

    async def read(self) -> bytes:
        first, self._first = self._first, b""
        return first or await self._body.read()

    async def read_into(self, room: memoryview, patience: float) -> int:
        if not self._first:
            return await self._body.read_into(room, patience)
        size = min(len(self._first), len(room))
        room[:size] = self._first[:size]
        self._first = self._first[size:]
        return size

    def verify(self, md5_hex: str, digests: Mapping[str, bytes]) -> None:
        self._body.verify(md5_hex, digests)
