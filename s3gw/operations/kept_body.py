"""A body that may break off without being lost: what came before counts, as if it had ended there.

It is read in stretches, each of which is a Body (call.py) of its own and is stored by itself, so that of a long one no
more is lost with this process than the stretch that was being received.
"""

from __future__ import annotations

from collections.abc import Mapping

from s3gw.auth.payload import ClientDisconnected
from s3gw.checksums import Hasher
from s3gw.errors import IncompleteBody, RequestTimeout
from s3gw.operations.call import Body

_BREAKS = (ClientDisconnected, IncompleteBody, RequestTimeout)


class KeptBody:
    """`broken` is what it broke off with. One that isn't `is_kept` raises it instead."""

    def __init__(self, body: Body, *, is_kept: bool) -> None:
        self._body, self._is_kept = body, is_kept
        self._held = b""  # read of it, and not handed on
        self.received = 0
        self.broken: Exception | None = None

    @property
    def has_ended(self) -> bool:
        return not self._held and (self.broken is not None or self._body.has_ended)

    @property
    def left(self) -> int | None:
        """As announced, in bytes."""
        return None if self._body.size is None else max(self._body.size - self.received, 0)

    async def peek(self, size: int) -> bytes:
        """The next bytes, so many unless it ends before; they are still to be read."""
        while len(self._held) < size and (piece := await self._next()):
            self._held += piece
        return self._held[:size]

    async def read(self, most: int) -> bytes:
        if not self._held:
            self._held = await self._next()
        piece, self._held = self._held[:most], self._held[most:]
        self.received += len(piece)
        return piece

    async def read_into(self, room: memoryview, patience: float) -> int:
        if self._held:
            size = min(len(self._held), len(room))
            room[:size] = self._held[:size]
            self._held = self._held[size:]
        else:
            size = await self._read_into(room, patience)
        self.received += size
        return size

    async def _next(self) -> bytes:
        if self.broken is not None:
            return b""
        try:
            return await self._body.read()
        except _BREAKS as error:
            self._break(error)
            return b""

    async def _read_into(self, room: memoryview, patience: float) -> int:
        if self.broken is not None:
            return 0
        try:
            return await self._body.read_into(room, patience)
        except _BREAKS as error:
            self._break(error)
            return 0

    def _break(self, error: Exception) -> None:
        if not self._is_kept:
            raise error
        self.broken = error


class Stretch:
    """The next bytes of a KeptBody, at most so many: a Body. What it is hashed with is given to who stores it."""

    checksum_algorithm = None

    def __init__(self, body: KeptBody, most: int) -> None:
        self.body, self.most = body, most
        self._left = most
        self.hashers: dict[str, Hasher] = {}
        self.size = None if body.left is None else min(body.left, most)

    @property
    def has_ended(self) -> bool:
        return self._left == 0 or self.body.has_ended

    async def read(self) -> bytes:
        piece = await self.body.read(self._left) if self._left else b""
        self._left -= len(piece)
        return piece

    async def read_into(self, room: memoryview, patience: float) -> int:
        size = await self.body.read_into(room[: self._left], patience) if self._left else 0
        self._left -= size
        return size

    def verify(self, md5_hex: str, digests: Mapping[str, bytes]) -> None:
        """There is nothing to compare: what a client says of the bytes it says of all that it sends."""
