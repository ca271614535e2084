"""What is left of a long body, read from the socket right into the memory of whoever asks for it.

Through the HTTP parser a body is copied twice before the application has it, in pieces of what the socket held. While a
body of known length lasts there is nothing to parse: a `BodyProtocol` takes the connection's place at the transport and
gives the place back after the last byte.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

WORTH = 256 * 1024  # bytes that must be left; changing the protocol costs about as much as parsing fewer
_NOBODYS = memoryview(bytearray(64 * 1024))  # for bytes that nobody wants any more; it is never read


class Exchange(Protocol):
    """Whose body it is."""

    response_complete: bool

    def end_body(self) -> None:
        """The last byte has come."""


class Flow(Protocol):
    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Connection(Protocol):
    """In whose place it is, and which is told all that isn't bytes."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport

    @property
    def flow(self) -> Flow: ...

    def take_back(self) -> None:
        """Take the place at the transport again."""

    def discard(self, size: int) -> None:
        """So many bytes came that nobody wants."""

    def eof_received(self) -> None: ...

    def connection_lost(self, exc: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


class BodyProtocol(asyncio.BufferedProtocol):
    """On the event loop only. The transport is read only while somebody waits in `fill`, or to discard what comes
    after the answer was complete."""

    def __init__(self, connection: Connection, exchange: Exchange, left: int) -> None:
        self._connection, self._exchange = connection, exchange
        self._left = left
        self._room: memoryview | None = None
        self._filled = self._least = 0
        self._waiter: asyncio.Future[None] | None = None

    async def fill(self, room: memoryview, filled: int, least: int, patience: float | None) -> int:
        """Read behind the `filled` bytes of `room` until it holds `least` bytes, the body ends, the client has gone, or
        `patience` seconds have passed; gives the number of bytes that it holds then."""
        loop = self._connection.loop
        self._room = room[: filled + self._left]
        self._filled, self._least = filled, min(least, len(self._room))
        self._waiter = loop.create_future()
        timer = None if patience is None else loop.call_later(patience, self._wake)
        self._connection.flow.resume_reading()
        try:
            await self._waiter
        finally:
            if timer is not None:
                timer.cancel()
            self._room = self._waiter = None
            if self._left and not self._exchange.response_complete:
                self._connection.flow.pause_reading()
        return self._filled

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def _is_wanted(self) -> bool:
        return self._room is not None and self._filled < len(self._room)

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._room is not None and self._is_wanted:
            return self._room[self._filled :]
        return _NOBODYS[: self._left]

    def buffer_updated(self, nbytes: int) -> None:
        is_wanted = self._is_wanted
        self._left -= nbytes
        if is_wanted:
            self._filled += nbytes
        elif self._exchange.response_complete:
            self._connection.discard(nbytes)
        else:
            self._connection.transport.abort()  # bytes of a body that somebody will ask for would be missing
        if not self._left:
            self._exchange.end_body()
            self._connection.take_back()
        if is_wanted and (self._filled >= self._least or not self._left):
            if self._left:
                self._connection.flow.pause_reading()
            self._wake()

    def eof_received(self) -> None:
        self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)
        self._wake()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()
