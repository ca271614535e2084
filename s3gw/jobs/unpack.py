"""Unpacks an archive into files, one after the other, with the rights of who asked: one that was sent for it, or a file
of the bucket.

What is in it is judged before the first file is stored. A file and the note that it is done are one transaction, so an
attempt after a kill goes on behind it, and no file is stored by two. What is refused of a file is reported, and the
others go on; an archive that turns out to be broken in the middle ends the job, and what was stored stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any, cast

from s3gw.archives.stored_zip import THREADS, BadArchive, Fetch, Ranges
from s3gw.archives.unpack import Bounds, Unpacked, unpacked
from s3gw.archives.unpacked_body import UnpackedBody
from s3gw.errors import AccessDenied, NoSuchBucket, PreconditionFailed, S3Error
from s3gw.jobs.asked import Asked, Cancelled, refusal_of
from s3gw.jobs.asker import Asker, Calls, asking
from s3gw.jobs.batch import MOST_TOLD
from s3gw.jobs.pace import paced
from s3gw.metadata import objects
from s3gw.metadata.change import Change
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import NewObject, Precondition, Stored
from s3gw.operations.call import Call, Output
from s3gw.operations.files import tell_type
from s3gw.operations.perform import perform
from s3gw.operations.put_object import store_object
from s3gw.operations.stored_pieces import stored_pieces
from s3gw.operations.table import OPERATIONS
from s3gw.problems import Conflict, FileAlreadyExists, Invalid, PermissionDenied, Problem
from s3gw.threads import in_thread

if TYPE_CHECKING:
    from s3gw.storage import Storage

_AHEAD = 1 << 20  # bytes of the archive that are read at once


class _Unreadable(Exception):
    """The archive can't be read any more: this isn't about the file that is being stored."""

    def __init__(self, error: S3Error | Problem) -> None:
        self.error = error


async def unpack(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
    async with asking(services, asked) as asker:
        work = _Unpacking(asker, asked)
        try:
            await work.run()
        except BadArchive as error:
            progress(work.progress)
            raise Invalid(f"the archive can't be unpacked: {error}") from None
        except _Unreadable as error:
            progress(work.progress)
            raise error.error from None
        except (Cancelled, PermissionDenied, NoSuchBucket):
            progress(work.progress)
            raise
        progress(work.progress)  # of an attempt that is to be repeated the transactions' notes count


class _Unpacking:
    """`done` counts the files of the archive in their order, those of attempts before too."""

    def __init__(self, asker: Asker, asked: Asked) -> None:
        self._asker, self._asked, self._bucket_id = asker, asked, asked.payload["bucket_id"]
        settings = asker.services.settings
        self._bounds = Bounds(settings.max_unpack_job_files, settings.max_unpack_job_size)
        before = asked.before
        self._total: int | None = before.get("total")
        self._succeeded: int = before.get("succeeded", 0)
        self._failed: int = before.get("failed", 0)
        self._failures: list[dict[str, Any]] = before.get("failures", [])
        self._is_cancelled = False  # as the last file's transaction heard

    @property
    def progress(self) -> dict[str, Any]:
        return {"done": self._done, "total": self._total, **self._counts(self._succeeded)}

    @property
    def _done(self) -> int:
        return self._succeeded + self._failed

    def _counts(self, succeeded: int) -> dict[str, Any]:
        return {"succeeded": succeeded, "failed": self._failed, "failures": self._failures}

    async def run(self) -> None:
        """Raises BadArchive and _Unreadable."""
        if self._total is None:
            self._total = await self._count()
        number = 0
        async with aclosing(self._files()) as files:
            async for file in files:
                number += 1
                if number > self._done:
                    await paced(self._do(file))
                    self._asked.result = self._counts(self._succeeded)
                await self._asked.keep(self.progress)
        self._asked.result = self._counts(self._succeeded)

    async def _count(self) -> int:
        """So all of them are judged, and of those of a zip and a plain tar nothing else is read."""
        count = 0
        async with aclosing(self._files()) as files:
            async for _ in files:
                count += 1
                await self._asked.keep(self.progress)
        return count

    async def _files(self) -> AsyncGenerator[Unpacked, None]:
        size = self._asked.payload["size"]
        archive = Ranges(size, self._fetch(), asyncio.get_running_loop(), _AHEAD)
        files = unpacked(cast(IO[bytes], archive), size, self._bounds)
        while (file := await in_thread(THREADS, next, files, None)) is not None:
            yield file

    def _fetch(self) -> Fetch:
        payload = self._asked.payload
        read = self._read_upload if payload.get("kept") is not None else self._read_file

        async def fetch(offset: int, length: int) -> bytes:
            await self._asked.keep(self.progress)  # to pass over a file of a tar.gz may take minutes
            try:
                return await read(offset, length)
            except AccessDenied:
                raise _Unreadable(PermissionDenied("you may not read the archive")) from None
            except PreconditionFailed:
                raise _Unreadable(Conflict("the archive was overwritten meanwhile")) from None
            except (S3Error, Problem) as error:
                if refusal_of(error) is None:
                    raise
                raise _Unreadable(error) from None

        return fetch

    async def _read_upload(self, offset: int, length: int) -> bytes:
        pieces = stored_pieces(self._asker.services, self._asked.payload["kept"], offset, offset + length)
        return b"".join([bytes(piece) async for piece in pieces])

    async def _read_file(self, offset: int, length: int) -> bytes:
        """Asked for as who asks is now, each time."""
        file = self._asked.payload["file"]
        calls = await self._asker.calls_on(self._bucket_id)
        of_range = {"Range": f"bytes={offset}-{offset + length - 1}", "IfMatch": f'"{file["etag"]}"'}
        named = {"Key": file["key"], "FileId": bytes.fromhex(file["file_id"])}
        body = (await perform(calls.call("GetObject", **named, **of_range), OPERATIONS["GetObject"]))["Body"]
        if body.whole is not None:
            return bytes(body.whole)
        async with aclosing(body):
            return b"".join([bytes(piece) async for piece in body])

    async def _do(self, file: Unpacked) -> None:
        calls = await self._asker.calls_on(self._bucket_id)
        key = f"{self._asked.payload['path']}{file.path}"
        try:
            await self._put(calls, key, file)
        except (S3Error, Problem) as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            self._failed += 1
            if len(self._failures) < MOST_TOLD:
                self._failures.append({"file_id": None, "file_path": key} | refusal)

    async def _put(self, calls: Calls, key: str, file: Unpacked) -> None:
        input = {"Key": key, "ChecksumAlgorithm": "SHA256"}
        if not self._asked.payload["overwrite"]:
            input["IfNoneMatch"] = "*"
        call = calls.call("PutObject", **input)
        call.body = _HeededBody(file, lambda: self._asked.keep(self.progress))
        try:
            await perform(call, replace(OPERATIONS["PutObject"], handler=self._store))
        except AccessDenied:
            raise PermissionDenied("you may not do this") from None
        except PreconditionFailed:
            if "IfNoneMatch" in input:
                raise FileAlreadyExists("there is a file of this name") from None
            raise
        if self._is_cancelled:
            raise Cancelled

    async def _store(self, call: Call, input: Any) -> Output:
        await tell_type(call, input)
        await store_object(call, input, self._commit)
        return {}

    async def _commit(
        self, call: Call, new: NewObject, place: Callable[[Connection], int], precondition: Precondition | None
    ) -> Stored:
        noted = {"done": self._done + 1, "total": self._total, **self._counts(self._succeeded + 1)}
        locks = [call.key_lock(new.key)]
        stored, self._is_cancelled = await call.change(locks, _put_noted, self._asked, noted, new, place, precondition)
        self._succeeded += 1
        return stored


class _HeededBody(UnpackedBody):
    """A long one is given up in its middle when the job is cancelled: after each piece it is looked whether it was."""

    def __init__(self, file: Unpacked, look: Callable[[], Awaitable[None]]) -> None:
        super().__init__(file)
        self._look = look

    async def _read(self, most: int) -> bytes:
        piece = await super()._read(most)
        await self._look()
        return piece


def _put_noted(
    change: Change,
    asked: Asked,
    noted: dict[str, Any],
    new: NewObject,
    place: Callable[[Connection], int],
    precondition: Precondition | None,
) -> tuple[Stored, bool]:
    stored = objects.put(change, new, place, precondition)
    return stored, asked.note_in(change.conn, noted)
