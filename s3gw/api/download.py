"""Downloading a file: the GetObject of S3, as a browser may be given it.

A file was put there by anybody, and this address has an API that browsers are logged in at: so only types that can't
act are shown in the page, none is guessed (nosniff), and what is shown runs in a sandbox.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from s3gw.api.file_calls import Asker, TheReader
from s3gw.api.models import Id
from s3gw.api.route import Route
from s3gw.content.open_content import OpenContent
from s3gw.errors import S3Error
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.objects import is_version_id
from s3gw.wire.codec import codec
from s3gw.wire.request import Request as WireRequest
from s3gw.wire.target import Target

router = APIRouter(tags=["files"], route_class=Route)
_GET = codec("GetObject")
_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range")
VersionOfFile = Annotated[str | None, Query(max_length=64, description="One of its versions, and not what it is now.")]
_PASSED_ON = frozenset(
    (
        b"accept-ranges",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-range",
        b"content-type",
        b"etag",
        b"last-modified",
    )
)
# PDFs and SVGs run scripts, and are saved. Of a text no browser makes more than that, since it is told not to guess.
_INLINE = frozenset(
    (
        *(f"image/{kind}" for kind in ("apng", "avif", "bmp", "gif", "jpeg", "png", "webp")),
        *(f"audio/{kind}" for kind in ("aac", "flac", "mp4", "mpeg", "ogg", "wav", "wave", "webm", "x-wav")),
        *(f"video/{kind}" for kind in ("mp4", "mpeg", "ogg", "quicktime", "webm")),
        "text/plain",
    )
)
_POLICY = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
)
_ALWAYS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "private, no-cache",  # kept, and asked about again: rights may have ended
    "Vary": "Authorization",
}
_BINARY = {"schema": {"type": "string", "format": "binary"}, "example": "bytes"}
_ANSWERS: dict[int | str, Any] = {
    200: {"content": {"*/*": _BINARY}},
    206: {"description": "The range that was asked for.", "content": {"*/*": _BINARY}},
    304: {"description": "It is as `If-None-Match` or `If-Modified-Since` says."},
    416: {"description": "It has no such range."},
}


class Content(Response):
    """A file or a range of one, as it is read; None: without its bytes."""

    def __init__(self, status: int, headers: dict[str, str], content: OpenContent | None) -> None:
        super().__init__(status_code=status, headers=headers)
        self._content = content

    def init_headers(self, headers: Any = None) -> None:
        """As they are: the library's would have a length of its own."""
        self.raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        content = self._content
        try:
            if content is None or content.whole is not None:
                await send(start)
                whole = b"" if content is None or content.whole is None else content.whole
                await send({"type": "http.response.body", "body": whole})
                return
            piece = await anext(content, b"")  # what can't even begin is an error, not a broken answer
            await send(start)
            while piece:
                await send({"type": "http.response.body", "body": bytes(piece), "more_body": True})
                piece = await anext(content, b"")
            await send({"type": "http.response.body", "body": b""})
        finally:
            if content is not None:
                await content.aclose()


@router.get("/buckets/{bucket_id}/files/{file_id}/download", response_class=Response, responses=_ANSWERS)
async def download_file(
    bucket_id: Id,
    file_id: Id,
    asker: TheReader,
    request: Request,
    attachment: Annotated[
        bool, Query(description="Saved, and not shown, though it is an image, a sound, a video or text.")
    ] = False,
    version_id: VersionOfFile = None,
    if_none_match: Annotated[str | None, Header(max_length=1024, description="Of an ETag: 304.")] = None,
    range_: Annotated[str | None, Header(alias="Range", max_length=1024, description="`bytes=0-99`.")] = None,
) -> Response:
    """With ranges and conditions as HTTP has them. What everybody may read needs no token."""
    return await _answer(asker, request, bucket_id, file_id, version_id, attachment=attachment)


@router.head("/buckets/{bucket_id}/files/{file_id}/download", include_in_schema=False)
async def head_download(
    bucket_id: Id,
    file_id: Id,
    asker: TheReader,
    request: Request,
    attachment: bool = False,
    version_id: VersionOfFile = None,
) -> Response:
    return await _answer(asker, request, bucket_id, file_id, version_id, attachment=attachment)


async def _answer(
    asker: Asker, request: Request, bucket_id: str, file_id: str, version_id: str | None, *, attachment: bool
) -> Response:
    bucket = await asker.bucket(bucket_id)
    found = await _find(asker, bucket, file_id, version_id)
    operation = "HeadObject" if request.method == "HEAD" else "GetObject"
    asked = _GET.decode.head(_as_get(request, bucket.name, found["Key"]))
    asked.pop("Bucket")
    try:
        output = await asker.perform(asker.call(operation, bucket, **{**asked, **found}))
    except S3Error as error:
        if error.status not in (304, 416):
            raise
        return _unsatisfied(request, error)
    content: OpenContent | None = output.pop("Body", None)
    encoded = _GET.encode(output)
    headers = {name.decode(): value.decode("latin-1") for name, value in encoded.headers if name.lower() in _PASSED_ON}
    kind = str(output.get("ContentType", ""))
    return Content(
        encoded.status,
        headers | _ALWAYS | {"Content-Disposition": _disposition(found["Key"], kind, attachment)},
        content,
    )


async def _find(asker: Asker, bucket: Bucket, file_id: str, version_id: str | None) -> dict[str, Any]:
    if version_id is None:
        return await asker.find(bucket, file_id)
    if not is_version_id(version_id):
        raise asker.nothing("there is no such version")
    return {**await asker.locate(bucket, file_id), "VersionId": version_id}


def _as_get(request: Request, bucket: str, key: str) -> WireRequest:
    """A GetObject with those of the headers that it may have here."""
    headers = {name: request.headers[name] for name in _CONDITIONS if name in request.headers}
    target = Target(bucket, key, False)
    return WireRequest("GET", "", "", (), b"", b"", headers, [], {}, "", secure=False, tls_version=None, target=target)


def _unsatisfied(request: Request, error: S3Error) -> Response:
    """Without a body, since what asks is a browser that has the rest already."""
    if error.status == 416:
        request.state.error_code = error.code
    headers = {name: value for name, value in error.headers.items() if name.lower().encode() in _PASSED_ON}
    if error.status == 416:
        headers["content-length"] = "0"
    return Content(error.status, headers | _ALWAYS, None)


def _disposition(key: str, kind: str, attachment: bool) -> str:
    """RFC 6266: a name in ASCII, and the name itself behind it where that is another."""
    shown = "inline" if not attachment and kind.partition(";")[0].strip().lower() in _INLINE else "attachment"
    name = key.rstrip("/").rpartition("/")[2] or "file"
    plain = "".join(
        character if character.isascii() and character.isprintable() and character not in '"\\%' else "_"
        for character in name
    )
    told = f'{shown}; filename="{plain}"'
    return told if plain == name else f"{told}; filename*=UTF-8''{quote(name, safe='')}"
