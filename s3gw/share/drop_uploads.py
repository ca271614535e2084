"""Uploads to a drop box that resume (TUS 1.0.0). They are the link maker's, and the link is the only way to them: each
request asks for it, for its password and for its maker's rights again.

They aren't joined of others, and no answer has a name or an id of what they become.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from s3gw.api.sent_body import FRAMING, sent_body
from s3gw.auth.principal import Principal
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.resumable_uploads import Resumable
from s3gw.metadata.share_links import UNFINISHED_FOR
from s3gw.operations.call import Body, Call, Output
from s3gw.operations.drop_file import Drop
from s3gw.operations.drop_upload import rows_of
from s3gw.operations.table import Row
from s3gw.problems import Fault, Invalid
from s3gw.services import Services
from s3gw.share.drop_name import dropped_type, key_of
from s3gw.share.hidden import PLACE
from s3gw.share.pages import place_of
from s3gw.share.visit import Gone, Visit, visit_of
from s3gw.tus import protocol
from s3gw.tus.headers import EXTENSIONS, Described
from s3gw.tus.protocol import Answered, Asked
from s3gw.tus.store import Rows, UploadStore
from s3gw.wire.request import join_headers

UPLOADS = f"{PLACE}/uploads"
_EXTENSIONS = tuple(name for name in EXTENSIONS if name != "concatenation")
_ALWAYS = [(name.lower().encode(), value.encode()) for name, value in protocol.ALWAYS.items()]


class SaysTus:
    """An ASGI application around the others: every answer about uploads says that it is TUS's, refusals too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_as_tus(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_ALWAYS]}
            await send(message)

        await self._app(scope, receive, send_as_tus if scope["path"].startswith(UPLOADS) else send)


class _Asker:
    """The link's maker, as tus/store.py asks for him."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    @property
    def services(self) -> Services:
        return self._visit.services

    @property
    def principal(self) -> Principal:
        return self._visit.principal

    def call(self, operation: str, bucket: Bucket, **input: Any) -> Call:
        return self._visit.call(operation, input)

    async def perform(self, call: Call, row: Row | None = None) -> Output:
        assert row is not None, "each step has one of its own"
        return await self._visit.make(call, row)


class _DropStore(UploadStore):
    """Of what visitors say of a file its name and its type count."""

    def __init__(self, visit: Visit) -> None:
        rows = Rows(*rows_of(Drop(visit.link.id, visit.actor)))
        super().__init__(_Asker(visit), visit.link.bucket, rows, link_id=visit.link.id)
        self._visit = visit

    @property
    def max_size(self) -> int:
        """What is left by unfinished ones the transaction tells."""
        return largest_of(self._visit)

    def expires_at(self, upload: Resumable) -> int | None:
        expires_at = super().expires_at(upload)
        return None if expires_at is None else min(expires_at, upload.changed_at + UNFINISHED_FOR)

    async def create(self, described: Described, size: int | None, kind: str, told: str) -> Resumable:
        named = Described(key_of(described.path or "", self._visit), dropped_type(described.mime_type))
        return await super().create(named, size, kind, told)


def largest_of(visit: Visit) -> int:
    """Bytes of one file."""
    link, largest = visit.link, visit.services.settings.max_object
    return largest if link.max_bytes is None else min(largest, max(link.max_bytes - link.uploaded_bytes, 0))


async def discover(request: Request) -> Response:
    """What there is to be asked for, which is no secret: without a link too."""
    settings = request.app.state.services.settings
    return _answer(protocol.discover(settings.max_object, _EXTENSIONS))


async def begin(request: Request) -> Response:
    store, asked = await _asked(request, goes_on=False)
    if "upload-concat" in asked.headers:
        raise Invalid("uploads aren't joined here", faults=(Fault("upload-concat", "isn't known here"),))
    return _answer(await protocol.create(store, asked))


async def go_on(request: Request) -> Response:
    """HEAD, PATCH and DELETE, and POST for who can't send these."""
    handlers: dict[str, Callable[[UploadStore, Asked, str], Awaitable[Answered]]]
    handlers = {**protocol.OVERRIDES, "POST": protocol.override}
    answered = await handlers[request.method](*await _asked(request, goes_on=True), request.path_params["upload_id"])
    return _answer(answered)


async def _asked(request: Request, *, goes_on: bool) -> tuple[UploadStore, Asked]:
    """Raises Gone and Locked."""
    visit = await visit_of(request, goes_on=goes_on)
    if visit.link.kind != "drop":
        raise Gone
    headers = join_headers(request.scope["headers"])

    def body(limit: int) -> Body:
        framing = {name: value for name, value in headers.items() if name in FRAMING}
        return sent_body(request, visit.services.settings, framing, limit)

    def url_of(upload_id: str) -> str:
        return f"{place_of(request)}/uploads/{upload_id}"

    return _DropStore(visit), Asked(headers, body, url_of)


def _answer(answered: Answered) -> Response:
    told = {name: value for name, value in answered.headers.items() if name != "Upload-File-Id"}
    return Response(status_code=answered.status, headers=told)
