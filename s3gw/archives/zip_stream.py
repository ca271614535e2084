"""Files as a zip that is made while it is sent: at any time it holds two pieces of one of them, and a line for each
that is in it already.

What comes in the middle and is wrong ends it without its directory: a zip that looks whole is whole.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from s3gw.archives.entry_names import EntryNames
from s3gw.archives.zip_writer import Entry, ZipWriter
from s3gw.content.open_content import OpenContent, Piece
from s3gw.threads import in_thread

_SENT_AT_ONCE = 64 << 10  # bytes, so that small files don't go out one by one
_IN_THREAD = 32 << 10  # bytes from which on a piece is compressed in a thread
_TURN = 0.001  # seconds, after which others have theirs: a request of theirs needs several
_COMPRESSIBLE = frozenset(
    (
        *(f"application/{kind}" for kind in ("javascript", "json", "sql", "wasm", "x-ndjson", "x-sh", "xml", "yaml")),
        "image/bmp",
        "image/svg+xml",
    )
)


class Opened(NamedTuple):
    """A file whose turn it is; `path` as the archive is to have it, as far as that can be. It is closed here."""

    path: str
    size: int
    modified: int
    mime_type: str
    content: OpenContent


async def zipped(files: AsyncGenerator[Opened, None]) -> AsyncGenerator[bytes, None]:
    """`files` in the order of their paths, and each opened when its turn comes. Close it when it isn't read to its
    end.
    """
    names, archive = EntryNames(), ZipWriter()
    turned_at = time.perf_counter()
    try:
        async with aclosing(files):
            async for file in files:
                async with aclosing(_entry(archive, names, file)) as pieces:
                    async for piece in pieces:
                        yield piece
                if time.perf_counter() - turned_at > _TURN:
                    await asyncio.sleep(0)
                    turned_at = time.perf_counter()
        await in_thread(None, archive.close)
        yield archive.take()
    finally:
        archive.discard()


async def _entry(archive: ZipWriter, names: EntryNames, file: Opened) -> AsyncGenerator[bytes, None]:
    try:
        is_folder = file.path.endswith("/") and not file.size
        name = names.of(file.path, is_folder=is_folder)
        entry = Entry(name, file.modified, file.size, _is_compressible(file.mime_type))
        if is_folder:
            if name:
                archive.folder(entry)
        elif file.content.whole is not None:
            archive.begin(entry)
            archive.write(file.content.whole)
            archive.end()
        else:
            archive.begin(entry)
            async for piece in file.content:
                await _write(archive, piece)
                del piece  # its buffer is used again when nobody has it
                if archive.waiting >= _SENT_AT_ONCE:
                    yield archive.take()
            archive.end()
        if archive.waiting >= _SENT_AT_ONCE:
            yield archive.take()
    finally:
        await file.content.aclose()


async def _write(archive: ZipWriter, piece: Piece) -> None:
    """CRC and compression take milliseconds of a long piece, for which zlib doesn't need the interpreter."""
    if len(piece) < _IN_THREAD:
        archive.write(piece)
    else:
        await in_thread(None, archive.write, piece)


def _is_compressible(mime_type: str) -> bool:
    kind = mime_type.partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind.endswith(("+json", "+xml")) or kind in _COMPRESSIBLE
