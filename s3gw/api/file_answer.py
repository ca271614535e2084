"""A file as browsers are given it: GetObject's answer, of which only what is theirs is passed on.

Files were put there by anybody: only types that can't act are shown in a page, and none is guessed (nosniff).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from s3gw.content.open_content import OpenContent
from s3gw.errors import S3Error
from s3gw.operations.call import Input, Output
from s3gw.wire.codec import codec
from s3gw.wire.request import Request as WireRequest
from s3gw.wire.target import Target

_GET = codec("GetObject")
_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range")
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


class Asked(NamedTuple):
    """`ask` performs GetObject or HeadObject, with the range and conditions that the request has."""

    bucket: str
    key: str
    ask: Callable[[str, Input], Awaitable[Output]]


async def file_answer(request: Request, asked: Asked, always: Mapping[str, str], *, attachment: bool) -> Response:
    """`always`: headers of whatever is answered. `attachment`: saved, also where it could be shown."""
    operation = "HeadObject" if request.method == "HEAD" else "GetObject"
    input = _GET.decode.head(_as_get(request, asked.bucket, asked.key))
    del input["Bucket"], input["Key"]
    try:
        output = await asked.ask(operation, input)
    except S3Error as error:
        if error.status not in (304, 416):
            raise
        return _unsatisfied(request, error, always)
    content: OpenContent | None = output.pop("Body", None)
    encoded = _GET.encode(output)
    headers = {name.decode(): value.decode("latin-1") for name, value in encoded.headers if name.lower() in _PASSED_ON}
    kind = str(output.get("ContentType", ""))
    shown = "inline" if not attachment and may_be_shown(kind) else "attachment"
    told = {"Content-Disposition": disposition(asked.key, shown)}
    return Content(encoded.status, {**headers, **always, **told}, content)


def _unsatisfied(request: Request, error: S3Error, always: Mapping[str, str]) -> Response:
    """Without a body, since what asks is a browser that has the rest already."""
    headers = {name: value for name, value in error.headers.items() if name.lower().encode() in _PASSED_ON}
    if error.status == 416:
        request.state.error_code = error.code
        headers["content-length"] = "0"
    return Content(error.status, {**headers, **always}, None)


def _as_get(request: Request, bucket: str, key: str) -> WireRequest:
    """A GetObject with those of the headers that it may have here."""
    headers = {name: request.headers[name] for name in _CONDITIONS if name in request.headers}
    target = Target(bucket, key, False)
    return WireRequest("GET", "", "", (), b"", b"", headers, [], {}, "", secure=False, tls_version=None, target=target)


def may_be_shown(kind: str) -> bool:
    """In a page: a Content-Type that can't act."""
    return kind.partition(";")[0].strip().lower() in _INLINE


def disposition(key: str, shown: str = "attachment") -> str:
    """RFC 6266: a name in ASCII, and the name itself behind it where that is another. `shown`: or inline."""
    name = key.rstrip("/").rpartition("/")[2] or "file"
    plain = "".join(
        character if character.isascii() and character.isprintable() and character not in '"\\%' else "_"
        for character in name
    )
    told = f'{shown}; filename="{plain}"'
    return told if plain == name else f"{told}; filename*=UTF-8''{quote(name, safe='')}"
