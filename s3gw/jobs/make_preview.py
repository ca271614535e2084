"""Makes a preview of a content: its bytes into a file without a name, a child process that may do next to nothing
(previews/making.py), and what that has made into a content.

What is wrong with a picture ends the job well, as a refusal that is remembered. An attempt counts before it is made, so
a picture that takes the job process down with it is refused when it has done so often enough.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import IO, TYPE_CHECKING, Any

from s3gw.content.reader import ContentReader
from s3gw.content.writer import BodyWriter
from s3gw.metadata import previews
from s3gw.metadata.contents import Content
from s3gw.metadata.previews import Preview
from s3gw.previews import making
from s3gw.previews.kinds import FIRST, extra_of, is_installed, kind_of, made_of
from s3gw.previews.limits import UNSUPPORTED, Refused, limits_of
from s3gw.previews.making import NotReady, TookTooLong

if TYPE_CHECKING:
    from s3gw.storage import Storage

MOST_ATTEMPTS = 3
_MEMORY = 4 << 20  # bytes, for what was made on its way to the disk


async def make_preview(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    """`payload`: source and recipe. Fails where trying again may help."""
    database = services.database
    with services.pins.open() as pin:  # before the row is read
        found = await database.write(previews.pending, bytes.fromhex(payload["source"]), payload["recipe"])
        if found is None:
            return
        preview, content = found
        pin.keep_content(content.id)
        try:
            made = await _make(services, preview, content)
        except Refused as refused:
            await database.write(previews.refuse, preview, refused.reason)
            progress({"refused": refused.reason})
            return
    await _store(services, preview, made)
    progress({"bytes": len(made.data)})


async def _make(services: Storage, preview: Preview, content: Content) -> making.Preview:
    limits = limits_of(services.settings)
    if preview.attempts >= MOST_ATTEMPTS:  # whoever made it died each time
        raise Refused("crashed")
    if content.size > limits.size:
        raise Refused("too_large")
    services.room.require(content.size)
    async with _copied(services, content) as (source, first):
        kind = kind_of(first)
        if kind is None or made_of(kind, preview.recipe) is None:
            raise Refused(UNSUPPORTED)
        if not is_installed(kind):
            raise LookupError(f"the extra s3gw[{extra_of(kind)}] isn't installed here")
        await services.database.write(previews.begin, preview)
        try:
            return await making.make(source, kind, preview.recipe, limits)
        except NotReady:
            await services.database.write(previews.take_back, preview)
            raise
        except TookTooLong:
            if preview.attempts + 1 < MOST_ATTEMPTS:
                raise
            raise Refused("too_slow") from None


@asynccontextmanager
async def _copied(services: Storage, content: Content) -> AsyncIterator[tuple[IO[bytes], bytes]]:
    """A file with its bytes, and the first of them. What is done with the disk is done in threads."""
    reader, first = ContentReader(services.database, services.store), b""
    file: IO[bytes] = await asyncio.to_thread(tempfile.TemporaryFile, "w+b", dir=services.settings.data)
    try:
        async with aclosing(reader.read(content)) as pieces:
            async for piece in pieces:
                first = first if len(first) >= FIRST else (first + bytes(piece[:FIRST]))[:FIRST]
                await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(file.flush)
        yield file, first
    finally:
        await asyncio.to_thread(file.close)
        await reader.close()


class _Body:
    """What was made, as it is stored (content/receive.py)."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._left = memoryview(data)

    @property
    def has_ended(self) -> bool:
        return not self._left

    async def read(self) -> bytes:
        piece, self._left = bytes(self._left), self._left[:0]
        return piece

    async def read_into(self, room: memoryview, patience: float) -> int:
        count = min(len(room), len(self._left))
        room[:count], self._left = self._left[:count], self._left[count:]
        return count


async def _store(services: Storage, preview: Preview, made: making.Preview) -> None:
    settings, process = services.settings, services.process_identity
    writer = BodyWriter(
        services.database,
        services.store,
        process.name,
        services.pins,
        inline_limit=settings.inline_limit,
        chunk_size=settings.chunk_size,
        memory=_MEMORY,
        numbers=process.numbers,
    )
    try:
        async with writer.storing(_Body(made.data)) as stored:
            size = made.width, made.height
            await services.database.write(previews.made, preview, stored.content, made.type, size)
    finally:
        await writer.close()
