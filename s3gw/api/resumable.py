"""Uploads that resume (TUS 1.0.0): the routes under which tus/ is mounted here, for who has an access token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from starlette.types import Message, Receive, Scope, Send

from s3gw.api.caller import TheServices
from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.models import Id
from s3gw.api.route import NO_LIMIT, StreamingRoute
from s3gw.api.upload import body_of
from s3gw.operations.call import Body
from s3gw.tus import protocol
from s3gw.tus.headers import BODY_TYPE
from s3gw.tus.protocol import Answered, Asked
from s3gw.tus.store import UploadStore
from s3gw.wire.request import join_headers

_ALWAYS = [(name.lower().encode(), value.encode()) for name, value in protocol.ALWAYS.items()]


class TusRoute(StreamingRoute):
    """Every answer says that it is TUS's, refusals too."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_as_tus(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_ALWAYS]}
            await send(message)

        await super().handle(scope, receive, send_as_tus)


router = APIRouter(tags=["uploads"], route_class=TusRoute)
_UPLOADS, _UPLOAD = "/buckets/{bucket_id}/uploads", "/buckets/{bucket_id}/uploads/{upload_id}"
_BODY = {"content": {BODY_TYPE: {"schema": {"type": "string", "format": "binary"}, "example": "bytes"}}}
_OFFSET = {"description": "Bytes that are stored.", "schema": {"type": "integer", "minimum": 0}}
_TEXT = {"schema": {"type": "string"}}
_PROGRESS: Mapping[str, Any] = {
    "Upload-Offset": _OFFSET,
    "Upload-Expires": {"description": "When it is removed if nothing more comes.", **_TEXT},
    "Upload-File-Id": {"description": "Of the file that it has become.", **_TEXT},
}
Resumable = Annotated[str | None, Header(max_length=16, alias="Tus-Resumable", description="`1.0.0`; else 412.")]
Offset = Annotated[str | None, Header(max_length=32, alias="Upload-Offset", description="Where the bytes belong.")]
Length = Annotated[str | None, Header(max_length=32, alias="Upload-Length", description="Bytes of the whole.")]
Defer = Annotated[
    str | None, Header(max_length=8, alias="Upload-Defer-Length", description="`1`: the length comes later.")
]
Checksum = Annotated[
    str | None,
    Header(max_length=256, alias="Upload-Checksum", description="`sha256 <base64>` of what comes: else 460."),
]
Concat = Annotated[
    str | None,
    Header(alias="Upload-Concat", description="`partial`, or `final;` and the URLs of partial uploads."),
]
Described = Annotated[
    str | None,
    Header(
        alias="Upload-Metadata",
        description="Names with base64: `path` (or `filename`, `name`), `filetype`, `overwrite`, and `tags` and"
        " `metadata`, which are JSON.",
    ),
]
Override = Annotated[
    str | None, Header(max_length=16, alias="X-HTTP-Method-Override", description="PATCH, DELETE or HEAD.")
]


async def _asked(asker: Asker, request: Request, bucket_id: str) -> tuple[UploadStore, Asked]:
    bucket = await asker.bucket(bucket_id)
    store = UploadStore(asker, bucket, sees_all=asker.principal.role == "admin")

    def body(limit: int) -> Body:
        return body_of(asker, request, limit)

    def url_of(upload_id: str) -> str:
        return f"{asker.base_url}/api/v1/buckets/{bucket_id}/uploads/{upload_id}"

    return store, Asked(join_headers(request.scope["headers"]), body, url_of)


def _answer(answered: Answered) -> Response:
    return Response(status_code=answered.status, headers=answered.headers)


@router.options(_UPLOADS, status_code=204, include_in_schema=False)
@router.options(_UPLOAD, status_code=204, include_in_schema=False)
async def discover_uploads(services: TheServices) -> Response:
    return _answer(protocol.discover(services.settings.max_object))


@router.post(
    _UPLOADS,
    status_code=201,
    response_class=Response,
    max_body_size=NO_LIMIT,
    openapi_extra={"requestBody": _BODY},
    responses={201: {"headers": {"Location": _TEXT, **_PROGRESS}}},
)
async def begin_upload(
    bucket_id: Id,
    asker: TheAsker,
    request: Request,
    tus_resumable: Resumable = None,
    upload_length: Length = None,
    upload_defer_length: Defer = None,
    upload_metadata: Described = None,
    upload_checksum: Checksum = None,
    upload_concat: Concat = None,
) -> Response:
    """Its URL is the answer's `Location`. It may have first bytes as its body, and is a file when all have come."""
    return _answer(await protocol.create(*await _asked(asker, request, bucket_id)))


async def _about(
    handler: Callable[[UploadStore, Asked, str], Awaitable[Answered]],
    asker: Asker,
    request: Request,
    bucket_id: str,
    upload_id: str,
) -> Response:
    store, asked = await _asked(asker, request, bucket_id)
    return _answer(await handler(store, asked, upload_id))


@router.head(_UPLOAD, response_class=Response, responses={200: {"headers": dict(_PROGRESS)}})
async def show_upload(
    bucket_id: Id, upload_id: Id, asker: TheAsker, request: Request, tus_resumable: Resumable = None
) -> Response:
    """How much of it is stored: from there it is gone on with."""
    return await _about(protocol.head, asker, request, bucket_id, upload_id)


@router.patch(
    _UPLOAD,
    status_code=204,
    response_class=Response,
    max_body_size=NO_LIMIT,
    openapi_extra={"requestBody": _BODY},
    responses={204: {"headers": dict(_PROGRESS)}},
)
async def append_to_upload(
    bucket_id: Id,
    upload_id: Id,
    asker: TheAsker,
    request: Request,
    tus_resumable: Resumable = None,
    upload_offset: Offset = None,
    upload_length: Length = None,
    upload_checksum: Checksum = None,
) -> Response:
    """Bytes that belong behind those that are stored. Of what breaks off all that has come is kept."""
    return await _about(protocol.patch, asker, request, bucket_id, upload_id)


@router.delete(_UPLOAD, status_code=204, response_class=Response)
async def end_upload(
    bucket_id: Id, upload_id: Id, asker: TheAsker, request: Request, tus_resumable: Resumable = None
) -> Response:
    """Nothing of it stays, but the file that it has become."""
    return await _about(protocol.delete, asker, request, bucket_id, upload_id)


@router.post(_UPLOAD, response_class=Response, max_body_size=NO_LIMIT, include_in_schema=False)
async def override_method(
    bucket_id: Id, upload_id: Id, asker: TheAsker, request: Request, x_http_method_override: Override = None
) -> Response:
    """As the method that X-HTTP-Method-Override names."""
    return await _about(protocol.override, asker, request, bucket_id, upload_id)
