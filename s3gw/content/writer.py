"""Bodies become contents: small ones inline, without thread or disk; larger ones in chunks that are durable here.

`async with writer.storing(body, hashers) as stored:` the block checks what the client said about the body and runs
the transaction that inserts `stored.content`. Files are removed when the block is left, if no row names them then;
where the outcome of the transaction is unknown they are left to the sweep. Nothing is visible before the commit.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any, NamedTuple

from s3gw.content.read_pins import ReadPins
from s3gw.content.receive import Body
from s3gw.content.store import BlobStore, StoreUnavailable
from s3gw.content.upload import Hasher, Upload, UploadServices
from s3gw.content.upload_buffers import UploadBuffers
from s3gw.metadata import blobs
from s3gw.metadata.contents import NewContent, inline
from s3gw.metadata.database import Database, DatabaseUnavailable

__all__ = ["Body", "BodyWriter", "Hasher", "StoredBody", "Storing"]

INLINE_LIMIT = 16 * 1024
CHUNK_SIZE = 8 * 1024 * 1024
MEMORY = 256 * 1024 * 1024
_REMOTE = 16  # threads where they wait for a network; each may have a chunk in memory


class StoredBody(NamedTuple):
    """A body whose bytes are durable or inline. `checksums` holds the digest of each hasher by its name."""

    content: NewContent
    size: int
    md5: str
    checksums: dict[str, bytes]


class BodyWriter:
    """One for all that a process serves, or for a job. Memory for uploads is at most `memory` bytes, whatever their
    number and size. `numbers` are those of the process, where it has several writers: none may be used twice.
    """

    def __init__(
        self,
        database: Database,
        store: BlobStore,
        process: str,
        pins: ReadPins,
        *,
        inline_limit: int = INLINE_LIMIT,
        chunk_size: int = CHUNK_SIZE,
        memory: int = MEMORY,
        numbers: Iterator[int] | None = None,
    ) -> None:
        cores = os.cpu_count() or 1
        numbers = count(1) if numbers is None else numbers
        self.inline_limit = inline_limit
        self.buffers = UploadBuffers(memory)
        self._services = UploadServices(
            database,
            store,
            pins,
            self.buffers,
            ThreadPoolExecutor(max(2, cores), "s3gw-hash"),
            ThreadPoolExecutor(_REMOTE if store.is_remote else max(8, 2 * cores), "s3gw-disk"),
            lambda: f"{process}-{next(numbers):08x}",
            chunk_size,
        )
        self._cleanups: set[asyncio.Task[Any]] = set()

    def storing(self, body: Body, hashers: Mapping[str, Hasher] | None = None) -> Storing:
        """The context in which a body is stored and registered; see the top of this file."""
        return Storing(self, body, hashers or {})

    async def receive(self, body: Body, hashers: Mapping[str, Hasher]) -> tuple[StoredBody, Upload | None]:
        """Read a body to its end, in chunks unless it is small. `storing` is the way to call this."""
        pieces: list[bytes] = []
        size = 0
        while size <= self.inline_limit:
            piece = await body.read()
            if not piece:
                return _inline(b"".join(pieces), hashers), None
            pieces.append(piece)
            size += len(piece)
        del piece
        upload = Upload(self._services, hashers)
        try:
            content, md5 = await upload.receive(body, pieces)
            checksums = {name: hasher.digest() for name, hasher in hashers.items()}
        except BaseException:
            await self._finish_even_if_cancelled(upload.discard())
            raise
        return StoredBody(content, content.size, md5, checksums), upload

    async def remove_unreferenced(self, locations: list[str]) -> None:
        """Remove those of the files that no row names. Only when nothing can name them any more."""
        await self._finish_even_if_cancelled(self._remove_files_without_row(locations))

    async def _remove_files_without_row(self, locations: list[str]) -> None:
        try:
            unnamed = await self._services.database.read(blobs.unnamed, locations)
        except DatabaseUnavailable:
            return  # the sweep will
        if unnamed:
            delete = partial(self._services.store.delete, *unnamed)
            with suppress(StoreUnavailable):  # the sweep will
                await asyncio.get_running_loop().run_in_executor(self._services.disk, delete)

    async def _finish_even_if_cancelled(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for it; it goes on to its end even when the caller is cancelled."""
        task = asyncio.get_running_loop().create_task(work)
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)
        await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for what runs on, then end the threads."""
        if self._cleanups:
            await asyncio.wait(self._cleanups)
        self._services.hashing.shutdown()
        self._services.disk.shutdown()


class Storing:
    """From the first byte of a body to the known outcome of its transaction."""

    def __init__(self, writer: BodyWriter, body: Body, hashers: Mapping[str, Hasher]) -> None:
        self._writer, self._body, self._hashers = writer, body, hashers
        self._upload: Upload | None = None
        self._locations: list[str] = []

    async def __aenter__(self) -> StoredBody:
        stored, self._upload = await self._writer.receive(self._body, self._hashers)
        if self._upload is not None:
            bad = [chunk.replaces for chunk in stored.content.chunks if chunk.replaces is not None]
            self._locations = self._upload.locations + bad
        return stored

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._locations and _is_known(error):
                await self._writer.remove_unreferenced(self._locations)
        finally:
            if self._upload is not None:
                self._upload.close()


def _is_known(error: BaseException | None) -> bool:
    """Whether the transaction has ended for certain. A cancelled caller's may still be in the queue."""
    return error is None or (isinstance(error, Exception) and not isinstance(error, DatabaseUnavailable))


def _inline(data: bytes, hashers: Mapping[str, Hasher]) -> StoredBody:
    for hasher in hashers.values():
        hasher.update(memoryview(data))
    checksums = {name: hasher.digest() for name, hasher in hashers.items()}
    return StoredBody(inline(data), len(data), hashlib.md5(data, usedforsecurity=False).hexdigest(), checksums)
