"""Has a child process make one preview, and believes nothing that it says: it is given a file and limits, and ended
with whatever it has started when it is done, or when its time is over.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import IO, NamedTuple

from s3gw.previews.kinds import Kind, made_of
from s3gw.previews.limits import LARGEST_RESULT, READY, REASONS, Limits, Refused

CHILD: tuple[str, ...] = (sys.executable, "-I", "-B", "-m", "s3gw.previews.child")
_LONGEST_LINE = 1000  # bytes in which it describes the preview
_LARGEST_SIDE = 1 << 16
_PIECE = 1 << 16
# How it ended, where it said nothing.
_ENDS = {-signal.SIGXCPU: "too_slow", -signal.SIGALRM: "too_slow"}


class Preview(NamedTuple):
    type: str
    width: int
    height: int
    data: bytes


class NotReady(Exception):
    """The child ended before it had read a byte, so it isn't the picture's fault."""


class TookTooLong(Exception):
    """By the clock: the machine may have been busy, so trying again may help."""


async def make(source: IO[bytes], kind: Kind, recipe: str, limits: Limits) -> Preview:
    """`source` is a file with the content. Raises Refused, TookTooLong and NotReady."""
    words = (*CHILD, kind.name, recipe, str(limits.pixels), str(limits.memory), str(limits.seconds))
    try:
        async with asyncio.timeout(2 * limits.seconds), _running(words, source) as process:
            said = await _result(process)
            status = await process.wait()
    except TimeoutError:
        raise TookTooLong(f"it took longer than {2 * limits.seconds:g} seconds") from None
    if not said.startswith(READY):
        raise NotReady(f"a child process ended with {status} before it began")
    expected = made_of(kind, recipe)
    if expected is None or status != 0:
        raise Refused(_ENDS.get(status, "crashed"))
    return _believed(said.removeprefix(READY), expected)


async def _result(process: Process) -> bytes:
    assert process.stdout is not None, "it was asked for"
    said = bytearray()
    while piece := await process.stdout.read(_PIECE):
        said += piece
        if len(said) > len(READY) + _LONGEST_LINE + LARGEST_RESULT:
            raise Refused("too_much_output")
    return bytes(said)


def _believed(said: bytes, expected: Kind) -> Preview:
    """What it said, if it is what was asked for. Raises Refused."""
    line, _, data = said.partition(b"\n")
    try:
        told = json.loads(line[:_LONGEST_LINE])
        if (reason := told.get("refused")) in REASONS:
            raise Refused(reason)
        width, height = int(told["width"]), int(told["height"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Refused("crashed") from None
    is_right = expected.is_one(data[:64]) and 0 < width < _LARGEST_SIDE and 0 < height < _LARGEST_SIDE
    if not is_right or expected.type is None:
        raise Refused("crashed")
    return Preview(expected.type, width, height, data)


@asynccontextmanager
async def _running(words: Sequence[str], source: IO[bytes]) -> AsyncIterator[Process]:
    folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="s3gw-preview-")
    try:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=source, stdout=PIPE, stderr=DEVNULL, env={}, cwd=folder.name, start_new_session=True
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with what it has started
            await process.wait()
    finally:
        await asyncio.to_thread(folder.cleanup)
