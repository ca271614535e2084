"""The first stage of an upload: the bytes of a body, in buffers of which none reaches over the end of a chunk.

A buffer is handed on after a quarter of a second however little is in it, and while a client is silent for longer none
is held: stalled clients hold no memory.
"""

from __future__ import annotations

from typing import Protocol

from s3gw.content.upload_buffers import BUFFER, UploadBuffer
from s3gw.content.upload_window import UploadWindow

_HOLD = 0.25  # seconds that a buffer may wait to become full
_NOTHING = memoryview(b"")


class Body(Protocol):
    """What a client sends. Both methods raise when it isn't what the client announced."""

    @property
    def size(self) -> int | None:
        """In bytes, as announced; None where the client left it open."""

    @property
    def has_ended(self) -> bool:
        """Whether all of it was read."""

    async def read(self) -> bytes:
        """The next piece, or b"" at the end."""

    async def read_into(self, room: memoryview, patience: float) -> int:
        """Fill `room` with what comes next, all of it unless the body ends before or `patience` seconds have passed.
        Gives the number of bytes; 0 when the body `has_ended`, or when nothing came in that time."""


class Receiver:
    """`begun` are the pieces that were read of the body already, and that are taken out of it. For one task."""

    def __init__(self, body: Body, begun: list[bytes], window: UploadWindow, chunk_size: int) -> None:
        self._body, self._window, self._chunk_size = body, window, chunk_size
        self._rest = memoryview(b"".join(begun))
        begun.clear()  # a client may stall for long now: nobody shall keep what was handed on
        self._chunk_left = chunk_size
        self.crc = 0  # CRC-64 of all bytes so far

    async def next(self) -> UploadBuffer | None:
        """A buffer with at least a byte, which is the caller's to lend or put back; None at the end."""
        while self._rest or not self._body.has_ended:
            buffer = await self._window.take()
            try:
                await self._fill(buffer)
            except BaseException:
                self._window.put_back(buffer)
                raise
            if buffer.filled:
                return buffer
            self._window.put_back(buffer)
            if not self._body.has_ended:
                self._rest = memoryview(await self._body.read())
        return None

    async def _fill(self, buffer: UploadBuffer) -> None:
        room = buffer.room(min(BUFFER, self._chunk_left))
        filled = min(len(self._rest), len(room))
        room[:filled] = self._rest[:filled]
        self._rest = self._rest[filled:] if filled < len(self._rest) else _NOTHING  # an empty view keeps all, too
        if filled < len(room) and not self._body.has_ended:
            filled += await self._body.read_into(room[filled:], _HOLD)
        buffer.fill(filled, self.crc)
        self.crc = buffer.crc_after
        self._chunk_left = (self._chunk_left - filled) or self._chunk_size
