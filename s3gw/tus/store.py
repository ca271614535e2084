"""Resumable uploads of a bucket, for one who asks: each step is a Call (operations/resumable.py).

Who asks is whoever the door says: it gives what makes Calls and performs them, and under which name the upload can be
gone on with. Neither HTTP nor how somebody is known is of concern here.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

from s3gw.auth.principal import Principal
from s3gw.errors import NoSuchUpload, PreconditionFailed
from s3gw.metadata import resumable_uploads
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.objects import ObjectVersion
from s3gw.metadata.resumable_uploads import Resumable, ids_of
from s3gw.operations import resumable
from s3gw.operations.call import Body, Call, Input, Output
from s3gw.operations.kept_body import KeptBody, Stretch
from s3gw.operations.resumable import Digest, New, may_end, stretch_from
from s3gw.operations.table import Row
from s3gw.problems import Conflict, FileAlreadyExists, NotFound
from s3gw.services import Services
from s3gw.tus.headers import Described

_DAY = 86_400_000_000  # microseconds


class Asker(Protocol):
    """Who asks, as a door knows him. `perform` says what a refusal is to him."""

    @property
    def services(self) -> Services: ...
    @property
    def principal(self) -> Principal: ...
    def call(self, operation: str, bucket: Bucket, **input: Any) -> Call: ...
    async def perform(self, call: Call, row: Row | None = None) -> Output: ...


class Rows(NamedTuple):
    """Of operations/table.py's kind: what the steps need, and who does them."""

    create: Row
    append: Row
    finish: Row


ROWS = Rows(resumable.CREATE, resumable.APPEND, resumable.FINISH)


class Come(NamedTuple):
    """How far an upload has come; `version` is the file, if that is what the request has made of it."""

    upload: Resumable
    version: ObjectVersion | None = None


class UploadStore:
    """The asker's own uploads. `sees_all`: he may go on with those of others. With `link_id` they are those of a drop
    box, and nobody goes on with them elsewhere.
    """

    def __init__(
        self, asker: Asker, bucket: Bucket, rows: Rows = ROWS, *, link_id: str | None = None, sees_all: bool = False
    ) -> None:
        self._asker, self._bucket, self._rows, self._sees_all = asker, bucket, rows, sees_all
        self._made_by, self._link_id = asker.principal.user_id, link_id

    @property
    def max_size(self) -> int:
        return self._asker.services.settings.max_object

    @property
    def max_checked(self) -> int:
        """Of bytes that are compared with a checksum before any of them counts."""
        return self._asker.services.settings.max_put

    def expires_at(self, upload: Resumable) -> int | None:
        """When it is removed if nothing more comes, in microseconds; None of one that is a file."""
        if upload.ended_at is not None:
            return None
        return upload.changed_at + int(self._asker.services.settings.upload_expiry * _DAY)

    async def create(self, described: Described, size: int | None, kind: str, told: str) -> Resumable:
        """`kind`: whole, partial or archive; `told` is what describes it, as it was sent."""
        new = New(size, kind, described.overwrite, told, self._made_by, self._link_id)
        input = _input(described, default_path=str(uuid.uuid4()) if kind == "partial" else None)
        call = self._asker.call("CreateMultipartUpload", self._bucket, **input, New=new)
        made: Resumable = (await self._asker.perform(call, self._rows.create))["Resumable"]
        return made

    async def find(self, id: str) -> Resumable:
        """Raises NotFound, also for what somebody else has begun."""
        found = await self._asker.services.database.read(resumable_uploads.find, id)
        if found is None or found.bucket_id != self._bucket.id or found.link_id != self._link_id:
            raise NotFound("there is no such upload")
        if found.kind == "archive":  # it is a job's
            raise NotFound("there is no such upload")
        if found.created_by != self._made_by and not self._sees_all:
            raise NotFound("there is no such upload")
        return found

    async def append(self, found: Resumable, size: int | None, body: Body, digest: Digest | None = None) -> Come:
        """Until the body ends. What comes before it breaks off is kept, unless it can't be compared with its digest;
        then what it broke off with is raised.
        """
        kept, come = KeptBody(body, is_kept=digest is None), Come(found)
        while True:
            most = stretch_from(come.upload.received) if digest is None else self.max_checked
            come = await self._append(come.upload, size, Stretch(kept, most), digest)
            if kept.broken is not None:
                raise kept.broken
            if kept.has_ended:
                return come

    async def _append(self, found: Resumable, size: int | None, stretch: Stretch, digest: Digest | None) -> Come:
        named = {"Key": found.key, "UploadId": found.upload_id, "Resumable": found, "Size": size, "Digest": digest}
        ends = may_end(found, size, stretch)
        call = self._asker.call("CompleteMultipartUpload" if ends else "UploadPart", self._bucket, **named)
        call.body = stretch
        return await self._come(call, self._rows.finish if ends else self._rows.append)

    async def join(self, described: Described, told: str, ids: Sequence[str]) -> Come:
        """Raises Conflict where one of them isn't whole, or no part. Who asks the same again, even at the same time, is
        told what was made.
        """
        parts = [await self.find(id) for id in ids]
        if (joined := await self._joined(parts, told)) is not None:
            return Come(joined)
        new = New(None, "final", described.overwrite, told, self._made_by)
        call = self._asker.call("CompleteMultipartUpload", self._bucket, **_input(described), New=new, Parts=parts)
        try:
            if any(part.kind != "partial" or not part.is_whole or part.final_id is not None for part in parts):
                raise Conflict("a partial upload isn't whole, or was used before")  # maybe between two of these reads
            return await self._come(call, resumable.JOIN)
        except (Conflict, FileAlreadyExists, NoSuchUpload) as error:
            joined = await self._joined([await self.find(id) for id in ids], told)
            if joined is not None:
                return Come(joined)
            if isinstance(error, NoSuchUpload):  # somebody else has joined one of them just now
                raise Conflict("a partial upload was used just now") from None
            raise

    async def _joined(self, parts: Sequence[Resumable], told: str) -> Resumable | None:
        """What was made of these and no others, if it was described in the same words."""
        made = {part.final_id for part in parts}
        if len(made) != 1 or (final := made.pop()) is None:
            return None
        joined = await self.find(final)
        return joined if joined.described == told and joined.joined_of == ids_of(parts) else None

    async def terminate(self, found: Resumable) -> None:
        named = {"Key": found.key, "UploadId": found.upload_id}
        call = self._asker.call("AbortMultipartUpload", self._bucket, **named, Resumable=found)
        await self._asker.perform(call, resumable.TERMINATE)

    async def _come(self, call: Call, row: Row) -> Come:
        try:
            output = await self._asker.perform(call, row)
        except PreconditionFailed:
            raise FileAlreadyExists("there is a file of this name") from None
        return Come(output["Resumable"], output["Version"])


def _input(described: Described, default_path: str | None = None) -> Input:
    """As boto3 would be given it. Raises Invalid."""
    input: Input = {"Key": described.require_path(default_path)}
    if described.mime_type is not None:
        input["ContentType"] = described.mime_type
    if described.tags:
        input["Tagging"] = urlencode(described.tags)
    if described.metadata:
        input["Metadata"] = dict(described.metadata)
    return input
