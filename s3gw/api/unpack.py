"""An archive that is unpacked into files: a small one at once, all of them or none, since one transaction puts them; a
large one, and one that is a file of the bucket, by a job, file after file (jobs/unpack.py).

What was sent for a job is stored as an upload that nobody else goes on with, and counts as such for quotas; it is gone
when the job has ended. What is unpacked at once is kept in a file without a name until it was unpacked, and gone with
the process that has it. A zip's directory is at its end, and what stands before each entry is a guess that programs
read differently: so none is unpacked while it comes. It is no content, since no row is ever to name it.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from s3gw.accounts import jobs
from s3gw.accounts.login import Caller
from s3gw.accounts.origin import Origin
from s3gw.api.caller import TheCaller, TheOrigin
from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.file_models import FilesStored
from s3gw.api.files import KEY
from s3gw.api.jobs import StartedJob, started
from s3gw.api.models import Id
from s3gw.api.route import NO_LIMIT, Route, StreamingRoute
from s3gw.api.upload import Wanted, body_of, input_of
from s3gw.archives.stored_zip import THREADS, BadArchive
from s3gw.archives.unpack import Bounds, Unpacked, unpacked
from s3gw.archives.unpacked_body import UnpackedBody
from s3gw.errors import EntityTooLarge
from s3gw.metadata import uploads
from s3gw.metadata.asked_jobs import AskedJob
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import DatabaseUnavailable
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.metadata.uploads import name_of_unpacking
from s3gw.operations.call import Body, Call
from s3gw.operations.put_together import put_together
from s3gw.problems import Invalid, TooLarge
from s3gw.threads import in_thread
from s3gw.tus.headers import Described
from s3gw.tus.store import UploadStore

router = APIRouter(tags=["files"], route_class=StreamingRoute)
of_stored = APIRouter(tags=["files"], route_class=Route)
_LINES = 20  # of a zip's directory: as much memory as a file takes that waits for the others
_LENGTH_DIGITS = 19
_BINARY = {"schema": {"type": "string", "format": "binary"}, "example": "bytes"}
_BODIES = {"required": True, "content": {"application/octet-stream": _BINARY}}


Folder = Annotated[
    str | None, Query(min_length=1, max_length=LONGEST_PATH, pattern=KEY, description="The folder that they go into.")
]
Overwrite = Annotated[bool, Query(description="Whether files of their names are overwritten; else they are refused.")]


@router.post(
    "/buckets/{bucket_id}/unpack",
    status_code=201,
    response_model=FilesStored,
    responses={202: {"model": StartedJob}},
    max_body_size=NO_LIMIT,
    openapi_extra={"requestBody": _BODIES},
)
async def unpack(
    bucket_id: Id,
    asker: TheAsker,
    caller: TheCaller,
    origin: TheOrigin,
    request: Request,
    path: Folder = None,
    overwrite: Overwrite = False,
    as_job: Annotated[
        bool, Query(description="By a job, which is the answer (202); always where it is too large to be done at once.")
    ] = False,
) -> FilesStored | Response:
    """The body is a zip, or a tar that may be packed with gzip; its files are stored, all or none. Links, devices and
    names that lead elsewhere are refused, and what is larger than the settings allow. By a job they are stored one by
    one, what is refused of a file is in its report (`result`, as of a batch), and the others go on.
    """
    bucket = await asker.bucket(bucket_id)
    if not await asker.sees(asker.call("PutObject", bucket)):  # the rest is decided when it is known what is in it
        raise asker.nothing("there is no such bucket")
    settings = asker.services.settings
    bounds = Bounds(settings.max_unpack_files, settings.max_unpack_size)
    folder = _folder(path)
    if as_job or _announced(request) > bounds.size:
        order = {"bucket_id": bucket_id, "path": folder, "overwrite": overwrite}
        return started(await _send_to_job(asker, caller, origin, bucket, order, request))
    body = body_of(asker, request, bounds.size)
    with asker.services.open_archives.holding(_LINES * bounds.files):
        async with _nameless_file(settings.data) as archive:
            length = await _receive(asker, body, archive)
            calls = _calls(asker, bucket, _unpacked(archive, length, bounds), Wanted(folder, overwrite))
            try:
                versions = await put_together(calls, asker.perform)
            except BadArchive as error:
                raise Invalid(f"the archive can't be unpacked: {error}") from None
    return FilesStored(items=await asker.tell(bucket, bucket_id, versions))


@of_stored.post("/buckets/{bucket_id}/files/{file_id}/unpack", status_code=202, response_model=StartedJob)
async def unpack_file(
    bucket_id: Id,
    file_id: Id,
    asker: TheAsker,
    caller: TheCaller,
    origin: TheOrigin,
    path: Folder = None,
    overwrite: Overwrite = False,
) -> Response:
    """A zip or tar that is a file of the bucket, by a job, file after file: what is refused of one is in its report
    (`result`, as of a batch), and the others go on. The archive stays; where it is overwritten meanwhile, the job ends.
    """
    bucket = await asker.bucket(bucket_id)
    version = await asker.head(bucket, **await asker.find(bucket, file_id))
    if version.size > asker.services.settings.max_unpack_job_size:
        raise TooLarge("the archive is too large to be unpacked")
    file = {"key": version.key, "file_id": UUID(file_id).hex, "etag": version.etag}
    order = {"bucket_id": bucket_id, "path": _folder(path), "overwrite": overwrite, "size": version.size, "file": file}
    return started(await jobs.ask(asker.services, caller, origin, "unpack", order, bucket.name))


def _folder(path: str | None) -> str:
    return f"{path.rstrip('/')}/" if path else ""


def _announced(request: Request) -> int:
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < _LENGTH_DIGITS else 0


async def _send_to_job(
    asker: Asker, caller: Caller, origin: Origin, bucket: Bucket, order: dict[str, Any], request: Request
) -> AskedJob:
    """What breaks off leaves nothing: nobody could go on with it."""
    store = UploadStore(asker, bucket)
    size = _announced(request) or None
    body = body_of(asker, request, asker.services.settings.max_unpack_job_size)
    if size is not None and size > asker.services.settings.max_unpack_job_size:
        raise TooLarge("the archive is too large to be unpacked")
    made = await store.create(Described(f"{order['path']}{uuid.uuid4()}"), size, "archive", "")
    try:
        sent = (await store.append(made, size, body)).upload
        order |= {"size": sent.received, "kept": made.upload_id}
        name = name_of_unpacking(made.id)
        return await jobs.ask(asker.services, caller, origin, "unpack", order, bucket.name, singleton=name)
    except EntityTooLarge:
        await _forget(asker, made.upload_id)
        raise TooLarge("the archive is too large to be unpacked") from None
    except BaseException:
        await _forget(asker, made.upload_id)
        raise


async def _forget(asker: Asker, upload_id: str) -> None:
    """Where this doesn't succeed, a job does it (jobs/expire_uploads.py)."""
    with suppress(DatabaseUnavailable):
        await asker.services.database.write(uploads.abort, upload_id)


@asynccontextmanager
async def _nameless_file(folder: Path) -> AsyncIterator[IO[bytes]]:
    """Its room on the disk is given back in a thread, since a large file takes a while."""
    file: IO[bytes] = await in_thread(THREADS, lambda: tempfile.TemporaryFile("w+b", dir=folder))  # noqa: SIM115
    try:
        yield file
    finally:
        await in_thread(THREADS, file.close)


async def _receive(asker: Asker, body: Body, archive: IO[bytes]) -> int:
    room, length = asker.services.room, 0
    room.require(body.size or 0)
    try:
        while piece := await body.read():
            room.require()
            length += await in_thread(THREADS, archive.write, piece)
    except EntityTooLarge:
        raise TooLarge("the archive is too large to be unpacked") from None
    await in_thread(THREADS, archive.seek, 0)
    return length


async def _unpacked(archive: IO[bytes], length: int, bounds: Bounds) -> AsyncGenerator[Unpacked, None]:
    files = unpacked(archive, length, bounds)
    while (file := await in_thread(THREADS, next, files, None)) is not None:
        yield file


async def _calls(
    asker: Asker, bucket: Bucket, files: AsyncGenerator[Unpacked, None], wanted: Wanted
) -> AsyncGenerator[Call, None]:
    async with aclosing(files):
        async for file in files:
            each = wanted._replace(path=f"{wanted.path}{file.path}")
            call = asker.call("PutObject", bucket, **input_of(each))
            call.body = UnpackedBody(file)
            yield call
