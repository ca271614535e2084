"""Resumable uploads: begun, gone on with, ended and joined. Each is asked for as that operation of multipart uploads
which does the same, and has its needs; the last bytes and the object come in one transaction.

What a client sends is stored in stretches (kept_body.py), each by a Call of its own: rights, quota and room are asked
again for each, and what was stored before a connection broke stays.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from s3gw.checksums import ALGORITHMS, Hasher
from s3gw.errors import NoSuchUpload
from s3gw.metadata import objects, quotas, resumable_uploads, uploads
from s3gw.metadata.change import Change, PartLock
from s3gw.metadata.objects import NewObject, ObjectVersion, Precondition, Stored
from s3gw.metadata.resumable_uploads import Piece, Resumable, Whole
from s3gw.metadata.uploads import Upload
from s3gw.metadata.usage import Usage
from s3gw.operations.allowed_types import patterns_of, require_allowed
from s3gw.operations.call import Call, Output
from s3gw.operations.file_type import FIRST, UNKNOWN, type_of
from s3gw.operations.files import version_of
from s3gw.operations.kept_body import Stretch
from s3gw.operations.new_acl import acl_of_new
from s3gw.operations.object_fields import fields_of
from s3gw.operations.preconditions import for_write
from s3gw.operations.received_body import DEFAULT_ALGORITHM
from s3gw.operations.stored_pieces import first_bytes, hash_stored
from s3gw.operations.table import OPERATIONS, Row
from s3gw.problems import ChecksumMismatch, FileAlreadyExists, OffsetMismatch, TooLarge
from s3gw.running_hashes import Running

_STRETCH = 64 * 1024 * 1024  # bytes that are stored by themselves
_LONG = 64 * 1024  # of less the transaction alone decides whether the quota allows it


class New(NamedTuple):
    """What an upload is begun with. `size` None: it is told later. `made_by`: who may go on with it, and with `link_id`
    at that drop box alone.
    """

    size: int | None
    kind: str
    overwrites: bool
    described: str
    made_by: str
    link_id: str | None = None


class Steps(NamedTuple):
    """The transactions of an upload, each of a call."""

    begin: Callable[[Call, Upload, Resumable], Awaitable[None]]
    keep: Callable[[Call, Resumable, Piece], Awaitable[Resumable]]
    finish: Callable[[Call, Resumable, Piece, Whole], Awaitable[tuple[Resumable, NewObject, Stored]]]


class Digest(NamedTuple):
    """What the bytes that come now must have, by an algorithm of checksums.py."""

    algorithm: str
    value: bytes


def stretch_from(offset: int) -> int:
    """How much is stored by itself there: of long uploads more, so that they have hundreds of pieces and no more."""
    return max(_STRETCH, offset // 64)


async def _begin(call: Call, upload: Upload, made: Resumable) -> None:
    await call.change([call.key_lock(upload.key)], _create, upload, made)


async def _keep(call: Call, found: Resumable, piece: Piece) -> Resumable:
    return await call.change([PartLock(found.upload_id, 0)], resumable_uploads.append, found, piece)


async def _finish(call: Call, found: Resumable, piece: Piece, whole: Whole) -> tuple[Resumable, NewObject, Stored]:
    condition = condition_of(call, found)
    return await call.change([call.key_lock(found.key)], resumable_uploads.finish, found, piece, whole, condition)


_STEPS = Steps(_begin, _keep, _finish)


async def create(call: Call, input: Any, steps: Steps = _STEPS) -> Output:
    """`New` has what isn't CreateMultipartUpload's."""
    new: New = input["New"]
    services, bucket = call.services, call.the_bucket
    if new.size is not None:
        if new.size > services.settings.max_object:
            raise TooLarge(f"a file has at most {services.settings.max_object} bytes")
        services.room.require(new.size)
        if bucket.has_quotas:
            more = Usage(part_bytes=new.size)
            await services.database.read(quotas.require_room_for, bucket.id, input["Key"], more, call.principal.user_id)
    upload = await _upload(call, input)
    made = _row(call, upload, new)
    await steps.begin(call, upload, made)
    return {"Resumable": made}


async def _upload(call: Call, input: Any) -> Upload:
    fields = fields_of(input, call.services.settings.max_metadata)
    owner_id, acl = await acl_of_new(call, input)
    return Upload(
        upload_id=uploads.new_upload_id(call.now),
        bucket_id=call.the_bucket.id,
        key=input["Key"],
        initiated_at=call.now,
        owner_id=owner_id,
        initiator_id=call.principal.user_id,
        storage_class=fields.storage_class,
        checksum_algorithm=None,
        checksum_type=None,
        headers=fields.headers,
        user_metadata=fields.user_metadata,
        tags=fields.tags,
        acl=acl,
        is_resumable=1,
    )


def _row(call: Call, upload: Upload, new: New) -> Resumable:
    return Resumable(
        id=str(uuid.uuid4()),
        upload_id=upload.upload_id,
        bucket_id=upload.bucket_id,
        key=upload.key,
        created_by=new.made_by,
        created_at=call.now,
        changed_at=call.now,
        size=new.size,
        received=0,
        kind=new.kind,
        overwrites=int(new.overwrites),
        described=new.described,
        link_id=new.link_id,
    )


def _create(change: Change, upload: Upload, made: Resumable) -> None:
    top = objects.latest(change.conn, upload.bucket_id, upload.key)
    if made.kind == "whole" and not made.overwrites and top is not None and top.is_current:
        raise FileAlreadyExists("there is a file of this name")
    resumable_uploads.begin(change, upload, made)


def may_end(found: Resumable, size: int | None, stretch: Stretch) -> bool:
    """Whether the upload can be whole when the stretch has come."""
    if found.kind != "whole" or size is None:
        return False
    return stretch.most >= size - found.received and (stretch.size is None or stretch.size >= size - found.received)


async def append(call: Call, input: Any, steps: Steps = _STEPS) -> Output:
    """As `_append`. Where somebody else has ended the upload meanwhile, it has come to its end."""
    try:
        return await _append(call, input, steps)
    except NoSuchUpload:
        now = await call.services.database.read(resumable_uploads.find, input["Resumable"].id)
        if now is None:
            raise
        raise OffsetMismatch(f"the upload has come to byte {now.received}") from None


async def _append(call: Call, input: Any, steps: Steps) -> Output:
    """The body, behind what there is of `Resumable`. `Size` is that of the whole, if it is known by now; `Digest` what
    the body must have. Gives the row, and the `Version` if the upload has ended.
    """
    found, size, digest = input["Resumable"], input["Size"], input["Digest"]
    services, stretch = call.services, call.the_body
    assert isinstance(stretch, Stretch), "whoever calls reads the body in stretches"
    upload = await services.database.read(
        uploads.find, call.the_bucket.id, found.key, found.upload_id, of_any_kind=True
    )
    await _require_quota(call, found, stretch)
    running, ends = services.running_hashes.of(found.upload_id), may_end(found, size, stretch)
    if found.kind == "whole" and (ends or not found.received):
        await _require_allowed(call, upload, found.received, stretch, ends=ends)
    if ends:
        upload = await _with_type(call, upload, found.received, stretch)
        running = await _caught_up(call, running, found)
    hashers: dict[str, Hasher] = {DEFAULT_ALGORITHM: ALGORITHMS[DEFAULT_ALGORITHM].hasher()}
    if is_hashed := running.size == found.received:
        hashers["whole"] = running.hash
    if digest is not None:
        hashers["sent"] = ALGORITHMS[digest.algorithm].hasher()
    async with services.writer.storing(stretch, hashers) as stored:
        if digest is not None and stored.checksums["sent"] != digest.value:
            raise ChecksumMismatch("what came has another checksum")
        crc = base64.b64encode(stored.checksums[DEFAULT_ALGORITHM]).decode()
        piece = Piece(found.received, size, stored.content, stored.md5, DEFAULT_ALGORITHM, crc)
        if ends and found.received + piece.length == size:
            sha256 = base64.b64encode(stored.checksums["whole"]).decode()
            ended = await steps.finish(call, found, piece, Whole(upload, sha256))
            services.running_hashes.forget(found.upload_id)
            return _ended(call, *ended)
        if not piece.length and size == found.size:
            return {"Resumable": found, "Version": None}
        now = await steps.keep(call, found, piece)
    if is_hashed:
        services.running_hashes.keep(found.upload_id, Running(now.received, running.hash))
    return {"Resumable": now, "Version": None}


async def _require_quota(call: Call, found: Resumable, stretch: Stretch) -> None:
    """Of all that is announced, before it is read. Raises QuotaExceeded."""
    left = stretch.body.left or 0
    if call.the_bucket.has_quotas and left >= _LONG:
        named = call.the_bucket.id, found.key
        await call.services.database.read(
            quotas.require_room_for, *named, Usage(part_bytes=left), call.principal.user_id
        )


async def _with_type(call: Call, upload: Upload, received: int, stretch: Stretch) -> Upload:
    """Told by its first bytes, where it isn't said."""
    headers = json.loads(upload.headers or "{}")
    if headers.get("ContentType", UNKNOWN) != UNKNOWN:
        return upload
    first = await _first(call, upload, received, stretch)
    return upload._replace(headers=json.dumps({**headers, "ContentType": type_of(first)}, separators=(",", ":")))


async def _first(call: Call, upload: Upload, received: int, stretch: Stretch) -> bytes:
    first = await first_bytes(call.services, upload.upload_id, min(received, FIRST))
    if len(first) < FIRST:
        first += await stretch.body.peek(FIRST - len(first))
    return first


async def _require_allowed(call: Call, upload: Upload, received: int, stretch: Stretch, *, ends: bool) -> None:
    """When enough of it has come to tell what it is, and before it ends. Raises UnsupportedMediaType."""
    patterns = await patterns_of(call)
    if not patterns:
        return
    first = await _first(call, upload, received, stretch)
    if ends or len(first) == FIRST:
        require_allowed(patterns, _said(upload), first)


def _said(upload: Upload) -> str:
    """The Content-Type that it was begun with."""
    return str(json.loads(upload.headers or "{}").get("ContentType", UNKNOWN))


async def _caught_up(call: Call, running: Running, found: Resumable) -> Running:
    """The hash of all that is stored: what this process didn't see is read back. Raises OffsetMismatch where another
    piece has come since the row was read.
    """
    if running.size > found.received:
        raise OffsetMismatch(f"the upload has come to byte {running.size}")
    await hash_stored(call.services, running.hash, found.upload_id, running.size, found.received)
    return Running(found.received, running.hash)


def condition_of(call: Call, found: Resumable) -> Precondition | None:
    return for_write({"Key": found.key} | ({} if found.overwrites else {"IfNoneMatch": "*"}), call.now)


def _ended(call: Call, ended: Resumable, new: NewObject, stored: Stored) -> Output:
    version: ObjectVersion = version_of(call.the_bucket.id, new, stored)
    return {"Resumable": ended, "Version": version}


async def join(call: Call, input: Any) -> Output:
    """Partial uploads (`Parts`), in their order, become one object; no bytes move."""
    parts: Sequence[Resumable] = input["Parts"]
    services = call.services
    about, size = await _upload(call, input), sum(part.received for part in parts)
    if size > services.settings.max_object:
        raise TooLarge(f"a file has at most {services.settings.max_object} bytes")
    made = _row(call, about, input["New"])
    running = services.running_hashes.of(parts[0].upload_id)
    if running.size != parts[0].received:
        running = await _caught_up(call, running, parts[0])
    for part in parts[1:]:
        await hash_stored(services, running.hash, part.upload_id, 0, part.received)
    headers, patterns = json.loads(about.headers or "{}"), await patterns_of(call)
    if patterns or _said(about) == UNKNOWN:
        first = b""
        for part in parts:
            first += await first_bytes(services, part.upload_id, min(FIRST - len(first), part.received))
        require_allowed(patterns, _said(about), first)
    if _said(about) == UNKNOWN:
        about = about._replace(headers=json.dumps({**headers, "ContentType": type_of(first)}, separators=(",", ":")))
    whole = Whole(about, base64.b64encode(running.hash.digest()).decode())
    locks = [call.key_lock(about.key)]
    done = await call.change(locks, resumable_uploads.join, made, parts, whole, condition_of(call, made))
    return _ended(call, *done)


async def terminate(call: Call, input: Any) -> Output:
    """Nothing of it stays, but the object that it has become."""
    found: Resumable = input["Resumable"]
    await call.change([call.key_lock(found.key)], _terminate, found)
    call.services.running_hashes.forget(found.upload_id)
    return {}


def _terminate(change: Change, found: Resumable) -> None:
    try:
        upload = uploads.lock_exclusive(change.conn, change.bucket_id, found.key, found.upload_id, of_any_kind=True)
    except NoSuchUpload:  # it has become an object
        change.check("upload", _nothing(found))
        resumable_uploads.forget(change, found.id)
        return
    change.check("upload", upload)
    uploads.remove(change, upload, frozenset())


def _nothing(found: Resumable) -> Upload:
    """What is left of an upload that has ended, for the question who began it."""
    return Upload(
        found.upload_id,
        found.bucket_id,
        found.key,
        found.created_at,
        "",
        found.created_by,
        "",
        None,
        None,
        None,
        None,
        None,
    )


CREATE = replace(OPERATIONS["CreateMultipartUpload"], handler=create)
APPEND = replace(OPERATIONS["UploadPart"], handler=append)
FINISH = Row(append, OPERATIONS["CompleteMultipartUpload"].needs, "stream", "body", creates_object=True)
JOIN = Row(join, OPERATIONS["PutObject"].needs, room="some", creates_object=True)
TERMINATE = replace(OPERATIONS["AbortMultipartUpload"], handler=terminate)
