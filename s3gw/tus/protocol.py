"""The requests of TUS, as a store of uploads is asked for them: from headers to the store, and from it to headers.

A door that mounts it says who asks (store.py), where an upload is, and how a refusal is rendered; on every answer,
refusals too, it has to set `ALWAYS`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from s3gw.metadata.resumable_uploads import Resumable
from s3gw.operations.call import Body
from s3gw.problems import (
    Conflict,
    Fault,
    Invalid,
    OffsetMismatch,
    PermissionDenied,
    PreconditionFailed,
    TooLarge,
    UnsupportedMediaType,
)
from s3gw.tus.headers import (
    ALGORITHMS,
    BODY_TYPE,
    EXTENSIONS,
    VERSION,
    concat_of,
    described_in,
    digest_of,
    http_date,
    number_of,
    size_of,
)
from s3gw.tus.store import Come, UploadStore

ALWAYS = {"Tus-Resumable": VERSION, "Tus-Version": VERSION}
# What web pages of other origins send and see.
ASKS = (
    "Tus-Resumable",
    "Upload-Checksum",
    "Upload-Concat",
    "Upload-Defer-Length",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    "X-HTTP-Method-Override",
    "X-Request-Id",
    "X-Requested-With",
)
TELLS = (
    "Location",
    "Tus-Checksum-Algorithm",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Concat",
    "Upload-Defer-Length",
    "Upload-Expires",
    "Upload-File-Id",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
)


class Asked(NamedTuple):
    """A request: its headers by their names in lower case, its body, of at most so many bytes, and the URL of an upload
    by its id.
    """

    headers: Mapping[str, str]
    body: Callable[[int], Body]
    url_of: Callable[[str], str]

    @property
    def has_body(self) -> bool:
        return self.headers.get("content-length", "0") != "0" or "transfer-encoding" in self.headers


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]


def discover(max_size: int, extensions: Sequence[str] = EXTENSIONS) -> Answered:
    return Answered(
        204,
        {
            "Tus-Extension": ",".join(extensions),
            "Tus-Max-Size": str(max_size),
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        },
    )


async def create(store: UploadStore, asked: Asked) -> Answered:
    """POST to the collection."""
    _require_version(asked)
    headers = asked.headers
    told, concat = headers.get("upload-metadata", ""), concat_of(headers)
    described = described_in(told)
    if concat is not None and concat.kind == "final":
        if "upload-length" in headers or "upload-defer-length" in headers or asked.has_body:
            raise _fault("upload-length", "what is joined has that of its parts, and no bytes of its own")
        return _created(store, asked, await store.join(described, told, concat.ids))
    size = size_of(headers)
    if size is not None and size > store.max_size:
        raise TooLarge(f"a file has at most {store.max_size} bytes")
    if asked.has_body:
        _require_body_type(asked)
    digest = digest_of(headers)  # before anything is made
    made = await store.create(described, size, "whole" if concat is None else concat.kind, told)
    come = Come(made)
    if asked.has_body or made.is_whole:
        come = await store.append(made, size, asked.body(_room(asked, store, made, size)), digest)
    return _created(store, asked, come)


def _created(store: UploadStore, asked: Asked, come: Come) -> Answered:
    headers = {"Location": asked.url_of(come.upload.id), **_progress(store, come)}
    if come.upload.kind == "final":
        del headers["Upload-Offset"]
    return Answered(201, headers)


async def head(store: UploadStore, asked: Asked, upload_id: str) -> Answered:
    _require_version(asked)
    found = await _find(store, upload_id)
    headers = {**_progress(store, Come(found)), "Cache-Control": "no-store"}
    headers |= {"Upload-Defer-Length": "1"} if found.size is None else {"Upload-Length": str(found.size)}
    if found.described:
        headers["Upload-Metadata"] = found.described
    if found.kind == "final":
        parts = (found.joined_of or "").split()
        headers["Upload-Concat"] = f"final;{' '.join(map(asked.url_of, parts))}"
    elif found.kind == "partial":
        headers["Upload-Concat"] = "partial"
    return Answered(200, headers)


async def patch(store: UploadStore, asked: Asked, upload_id: str) -> Answered:
    _require_version(asked)
    _require_body_type(asked)
    offset = number_of(asked.headers, "upload-offset")
    if offset is None:
        raise _fault("upload-offset", "Field required")
    digest, found = digest_of(asked.headers), await _find(store, upload_id)
    if found.kind == "final":
        raise PermissionDenied("what was joined can't be gone on with")
    size = _size_now(asked, store, found)
    if offset != found.received:
        raise OffsetMismatch(f"the upload has come to byte {found.received}")
    room = _room(asked, store, found, size)
    if found.is_whole:
        return Answered(204, _progress(store, Come(found)))
    come = await store.append(found, size, asked.body(room), digest)
    return Answered(204, _progress(store, come))


async def delete(store: UploadStore, asked: Asked, upload_id: str) -> Answered:
    _require_version(asked)
    await store.terminate(await _find(store, upload_id))
    return Answered(204, {})


def _size_now(asked: Asked, store: UploadStore, found: Resumable) -> int | None:
    """With what the request says of it, if it wasn't known."""
    said = number_of(asked.headers, "upload-length")
    if said is None or said == found.size:
        return found.size
    if found.size is not None:
        raise Conflict(f"the upload has {found.size} bytes, as was said before")
    if said < found.received:
        raise _fault("upload-length", "more has come already")
    if said > store.max_size:
        raise TooLarge(f"a file has at most {store.max_size} bytes")
    return said


def _room(asked: Asked, store: UploadStore, found: Resumable, size: int | None) -> int:
    """How many bytes may come. Raises TooLarge where more are announced."""
    room = (store.max_size if size is None else size) - found.received
    if "upload-checksum" in asked.headers:
        room = min(room, store.max_checked)
    announced = number_of(asked.headers, "content-length") or 0
    if announced > room:
        raise TooLarge(f"at most {room} bytes may come now")
    return room


async def _find(store: UploadStore, upload_id: str) -> Resumable:
    try:
        return await store.find(str(UUID(upload_id)))
    except ValueError:
        return await store.find("")  # of nobody


def _progress(store: UploadStore, come: Come) -> dict[str, str]:
    upload, expires_at = come.upload, store.expires_at(come.upload)
    headers = {"Upload-Offset": str(upload.received)}
    if expires_at is not None:
        headers["Upload-Expires"] = http_date(expires_at)
    if upload.file_id is not None:
        headers["Upload-File-Id"] = str(UUID(bytes=bytes(upload.file_id)))
    return headers


def _require_version(asked: Asked) -> None:
    if asked.headers.get("tus-resumable") != VERSION:
        raise PreconditionFailed(f"Tus-Resumable should be {VERSION}")


def _require_body_type(asked: Asked) -> None:
    if asked.headers.get("content-type", "").partition(";")[0].strip().lower() != BODY_TYPE:
        raise UnsupportedMediaType(f"the body's type should be {BODY_TYPE}")


def _fault(field: str, message: str) -> Invalid:
    return Invalid("the request isn't valid", faults=(Fault(field, message),))


Handler = Callable[[UploadStore, Asked, str], Awaitable[Answered]]
OVERRIDES: Mapping[str, Handler] = {"PATCH": patch, "DELETE": delete, "HEAD": head}


async def override(store: UploadStore, asked: Asked, upload_id: str) -> Answered:
    """POST to an upload, by who can't send other methods: X-HTTP-Method-Override names the one that is meant."""
    handler = OVERRIDES.get(asked.headers.get("x-http-method-override", "").upper())
    if handler is None:
        raise _fault("x-http-method-override", f"should be one of {', '.join(OVERRIDES)}")
    return await handler(store, asked, upload_id)
