"""A range of a content, opened for one reader: its verified pieces, and the pin that keeps them from being deleted.

It is one object, so that whoever has it can close it, at whatever point the answer fails. An asynchronous generator
would not do: the `finally` of one that was never started doesn't run.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable

from s3gw.blobs.read_pins import Pin

Piece = bytes | memoryview


class OpenContent:
    """Asynchronously iterable once. Its owner calls `aclose`, after the last piece too."""

    def __init__(self, pieces: AsyncGenerator[Piece, None], pin: Pin) -> None:
        self._pieces, self._pin = pieces, pin

    def __aiter__(self) -> OpenContent:
        return self

    def __anext__(self) -> Awaitable[Piece]:
        return self._pieces.__anext__()

    async def aclose(self) -> None:
        """May be called again."""
        try:
            await self._pieces.aclose()
        finally:
            self._pin.close()
