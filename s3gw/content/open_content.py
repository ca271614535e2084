"""A range of a content, opened for one reader: its verified bytes, and the pin that keeps them from being deleted.

It is one object, so that whoever has it can close it, at whatever point the answer fails. An asynchronous generator
would not do: the `finally` of one that was never started doesn't run.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable

from s3gw.content.read_pins import Pin

Piece = bytes | memoryview


class OpenContent:
    """`whole` has all bytes where they lie in the row; else it is asynchronously iterable, once, in pieces.

    Its owner calls `aclose`, after the last piece too.
    """

    __slots__ = ("_pieces", "_pin", "whole")

    def __init__(
        self, *, whole: bytes | None = None, pieces: AsyncGenerator[Piece, None] | None = None, pin: Pin | None = None
    ) -> None:
        self.whole = whole
        self._pieces, self._pin = pieces, pin

    def __aiter__(self) -> OpenContent:
        return self

    def __anext__(self) -> Awaitable[Piece]:
        assert self._pieces is not None, "it has `whole`"
        return self._pieces.__anext__()

    async def aclose(self) -> None:
        """May be called again."""
        try:
            if self._pieces is not None:
                await self._pieces.aclose()
        finally:
            if self._pin is not None:
                self._pin.close()
