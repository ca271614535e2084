"""An archive that is unpacked into files, all of them or none. It is for small ones: they are put by one transaction.

The archive is kept in a file without a name until it was unpacked, and gone with the process that has it. A zip's
directory is at its end, and what stands before each entry is a guess that programs read differently: so none is
unpacked while it comes. It is no content, since no row is ever to name it.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import IO, Annotated

from fastapi import APIRouter, Query, Request

from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.file_models import FilesStored
from s3gw.api.files import KEY
from s3gw.api.models import Id
from s3gw.api.route import NO_LIMIT, StreamingRoute
from s3gw.api.upload import Wanted, body_of, input_of
from s3gw.archives.stored_zip import PIECE, THREADS, BadArchive
from s3gw.archives.unpack import Bounds, Unpacked, unpacked
from s3gw.checksums import Hasher
from s3gw.errors import EntityTooLarge
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.operations.call import Body, Call
from s3gw.operations.put_together import put_together
from s3gw.problems import Invalid, TooLarge
from s3gw.threads import in_thread

router = APIRouter(tags=["files"], route_class=StreamingRoute)
_LINES = 20  # of a zip's directory: as much memory as a file takes that waits for the others
_BINARY = {"schema": {"type": "string", "format": "binary"}, "example": "bytes"}
_BODIES = {"required": True, "content": {"application/octet-stream": _BINARY}}


@router.post(
    "/buckets/{bucket_id}/unpack", status_code=201, max_body_size=NO_LIMIT, openapi_extra={"requestBody": _BODIES}
)
async def unpack(
    bucket_id: Id,
    asker: TheAsker,
    request: Request,
    path: Annotated[
        str | None,
        Query(min_length=1, max_length=LONGEST_PATH, pattern=KEY, description="The folder that they go into."),
    ] = None,
    overwrite: Annotated[bool, Query(description="Whether files of their names are overwritten; else 409.")] = False,
) -> FilesStored:
    """The body is a zip, or a tar that may be packed with gzip; its files are stored, all or none. Links, devices and
    names that lead elsewhere are refused, and what is larger than the settings allow.
    """
    bucket = await asker.bucket(bucket_id)
    if not await asker.sees(asker.call("PutObject", bucket)):  # the rest is decided when it is known what is in it
        raise asker.nothing("there is no such bucket")
    settings = asker.services.settings
    bounds = Bounds(settings.max_unpack_files, settings.max_unpack_size)
    folder = f"{path.rstrip('/')}/" if path else ""
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
            call.body = _UnpackedBody(file)
            yield call


class _UnpackedBody:
    """A Body (operations/call.py). What comes out of the archive is known to be as it says when all of it was read."""

    checksum_algorithm = None

    def __init__(self, file: Unpacked) -> None:
        self.size, self._left = file.size, file.size
        self.hashers: dict[str, Hasher] = {}
        self._file = file

    @property
    def has_ended(self) -> bool:
        return self._left == 0

    async def read(self) -> bytes:
        return await self._read(PIECE) if self._left else b""

    async def read_into(self, room: memoryview, patience: float) -> int:
        piece = await self._read(min(PIECE, len(room))) if self._left else b""
        room[: len(piece)] = piece
        return len(piece)

    async def _read(self, most: int) -> bytes:
        piece = await in_thread(THREADS, self._file.read, most)
        self._left -= len(piece)
        return piece

    def verify(self, md5_hex: str, digests: Mapping[str, bytes]) -> None:
        """Nobody has announced any."""
