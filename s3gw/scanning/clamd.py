"""ClamAV's daemon, asked over its socket by INSTREAM, VERSION.

Source: clamd(8), "COMMANDS": a command begins with z and ends with a zero byte, as its answer does. After INSTREAM come
chunks, each with its length before it (4 bytes, big-endian), and a length of 0 at the end. It answers `stream: OK` or
`stream: NAME FOUND`; beyond its StreamMaxLength it answers an error and closes the connection, in the middle of what is
sent. There is a library for asyncio, which reads all that is to be sent into memory, and has no types.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress

from s3gw.addresses import parse_address
from s3gw.scanning.scanner import Found, Piece, ScanFailed, ScannerDown, TooLargeToScan, printable
from s3gw.scanning.setting import UNIX

_PATIENCE = 10.0  # seconds for a connection, and for its version
_LONGEST_ANSWER = 4096  # bytes
_LIMITS = "Heuristics.Limits.Exceeded"  # with AlertExceedsMax; without it what it didn't look at is OK to it
_OK, _FOUND, _TOO_LARGE = "OK", " FOUND", "INSTREAM size limit exceeded"


class Clamd:
    """A connection for each question. `patience`: seconds that scanning one content may take."""

    def __init__(self, address: str, patience: float) -> None:
        self._address, self._patience = address, patience

    async def version(self) -> str:
        try:
            async with asyncio.timeout(_PATIENCE), self._connected() as connection:
                await connection.send(b"zVERSION\0")
                answer = await connection.answer()
        except (TimeoutError, OSError, ScanFailed) as error:
            raise ScannerDown(f"clamd doesn't say its version: {error or type(error).__name__}") from error
        if not answer:
            raise ScannerDown("clamd doesn't say its version")
        return printable(answer)

    async def scan(self, pieces: AsyncIterable[Piece]) -> Found:
        try:
            async with asyncio.timeout(self._patience), self._connected() as connection:
                return await _scan(connection, pieces)
        except TimeoutError:
            raise ScanFailed(f"clamd said nothing within {self._patience:g} seconds") from None

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[_Connection]:
        try:
            async with asyncio.timeout(_PATIENCE):
                opened = await self._connect()
        except (TimeoutError, OSError) as error:
            raise ScannerDown(f"clamd can't be reached: {error or type(error).__name__}") from error
        try:
            yield _Connection(opened)
        finally:
            opened.close()

    async def _connect(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        if self._address.startswith(UNIX):
            places = [(socket.AF_UNIX, self._address.removeprefix(UNIX))]
        else:
            host, port = parse_address(self._address)
            found = await loop.getaddrinfo(host or "localhost", port, type=socket.SOCK_STREAM)
            places = [(family, place) for family, _, _, _, place in found]  # type: ignore[misc]
        failure = OSError("it has no address")
        for family, place in places:
            opened = socket.socket(family, socket.SOCK_STREAM)
            opened.setblocking(False)
            try:
                await loop.sock_connect(opened, place)
                return opened
            except BaseException as error:
                opened.close()
                if not isinstance(error, OSError):
                    raise
                failure = error
        raise failure


class _Connection:
    """A socket as it is: asyncio's streams forget what was received when sending fails, which is the answer here."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket, self._loop = opened, asyncio.get_running_loop()

    async def send(self, data: Piece) -> None:
        await self._loop.sock_sendall(self._socket, data)

    async def answer(self) -> str:
        said = b""
        while b"\0" not in said:
            more = await self._loop.sock_recv(self._socket, _LONGEST_ANSWER)
            said += more
            if not more or len(said) > _LONGEST_ANSWER:
                raise ScanFailed("clamd broke off without an answer")
        return said.partition(b"\0")[0].decode("utf-8", "replace").strip()


async def _scan(connection: _Connection, pieces: AsyncIterable[Piece]) -> Found:
    answered = asyncio.ensure_future(connection.answer())  # it may come before all is sent
    is_whole = False
    try:
        with suppress(ConnectionError):  # then the answer says why
            is_whole = await _send(connection, pieces, answered)
        found = _meaning(await answered)
    except OSError as error:
        raise ScanFailed(f"clamd broke off: {type(error).__name__}") from error
    finally:
        answered.cancel()
        await asyncio.gather(answered, return_exceptions=True)
    if found.threat is None and not is_whole:
        raise ScanFailed("clamd answered before it had seen all")
    return found


async def _send(connection: _Connection, pieces: AsyncIterable[Piece], answered: asyncio.Future[str]) -> bool:
    """Whether all was sent before it answered."""
    await connection.send(b"zINSTREAM\0")
    async for piece in pieces:
        if piece:
            await connection.send(len(piece).to_bytes(4, "big"))
            await connection.send(piece)
        if answered.done():
            return False
    await connection.send(bytes(4))
    return True


def _meaning(answer: str) -> Found:
    """Whatever isn't said to be clean is not clean."""
    said = answer.removeprefix("stream: ")
    if answer.startswith(_TOO_LARGE):
        raise TooLargeToScan("it is larger than clamd's StreamMaxLength")
    if said == _OK and said != answer:
        return Found(None)
    if said.startswith(_LIMITS):
        raise TooLargeToScan(f"clamd's limits: {printable(said.removesuffix(_FOUND))}")
    if said.endswith(_FOUND) and said != answer:
        return Found(printable(said.removesuffix(_FOUND)) or "?")
    raise ScanFailed(f"clamd answered {printable(answer)!r}")
