"""A command that scans what it reads on its standard input.

It exits with 0 where that is clean, and with 1 where it is infected, by what the first line of its output says; any
other status is a failure. It need not read to the end. With --version it tells the version of its signatures.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from s3gw.scanning.scanner import Found, Piece, ScanFailed, ScannerDown, printable

_PATIENCE = 30.0  # seconds for its version
_LONGEST_OUTPUT = 4096  # bytes
_CLEAN, _INFECTED = 0, 1
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")  # of the environment, which has secrets in it


class Command:
    """A process for each question. `patience`: seconds that scanning one content may take."""

    def __init__(self, words: Sequence[str], patience: float) -> None:
        self._words, self._patience = tuple(words), patience

    async def version(self) -> str:
        """ "" of one that doesn't tell it: then nothing is scanned anew."""
        try:
            async with asyncio.timeout(_PATIENCE), _running((self._words[0], "--version"), DEVNULL) as process:
                said, status = await _output(process), await process.wait()
        except TimeoutError as error:
            raise ScannerDown("the scanner doesn't say its version") from error
        return _first_line(said) if status == 0 else ""

    async def scan(self, pieces: AsyncIterable[Piece]) -> Found:
        try:
            async with asyncio.timeout(self._patience), _running(self._words, PIPE) as process:
                said, _ = await asyncio.gather(_output(process), _feed(process, pieces))
                status = await process.wait()
        except TimeoutError:
            raise ScanFailed(f"the scanner said nothing within {self._patience:g} seconds") from None
        if status == _CLEAN:
            return Found(None)
        if status == _INFECTED:
            return Found(_first_line(said) or "?")
        raise ScanFailed(f"the scanner ended with {status}: {_first_line(said)}".rstrip(": "))


@asynccontextmanager
async def _running(words: Sequence[str], stdin: int) -> AsyncIterator[Process]:
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=stdin, stdout=PIPE, stderr=DEVNULL, env=environment, start_new_session=True
        )
    except OSError as error:
        raise ScannerDown(f"the scanner can't be run: {error.strerror}") from error
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with what it has started
        await process.wait()


async def _feed(process: Process, pieces: AsyncIterable[Piece]) -> None:
    assert process.stdin is not None, "it was asked for"
    try:
        async for piece in pieces:
            process.stdin.write(bytes(piece))
            await process.stdin.drain()
    except ConnectionError:  # it has seen enough
        pass
    finally:
        process.stdin.close()


async def _output(process: Process) -> bytes:
    """What it says first; the rest is read and thrown away."""
    assert process.stdout is not None, "it was asked for"
    said = b""
    while piece := await process.stdout.read(_LONGEST_OUTPUT):
        said = said or piece
    return said


def _first_line(said: bytes) -> str:
    return printable(said.decode("utf-8", "replace").partition("\n")[0].strip())
