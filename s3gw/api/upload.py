"""Uploading: a form with a `file` or several `files`, or the bytes themselves; either way the PutObject that S3's door
would make of each.

Nothing of a body is read before the path is known, and nothing of the file before it was decided that the caller may
put it there. It streams into the store, and what breaks off or isn't what was announced leaves nothing.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import TypeAdapter, ValidationError

from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.file_models import File, FilesStored, Metadata, Tags, etag_of_file
from s3gw.api.files import KEY
from s3gw.api.idempotency import documented
from s3gw.api.models import Id
from s3gw.api.route import NO_LIMIT, StreamingRoute
from s3gw.api.sent_body import FRAMING, as_put, sent_body
from s3gw.api.upload_once import Sent, SentFile, Stored, read_file, upload_once
from s3gw.auth.form_body import FormBody
from s3gw.auth.form_files import FormFiles
from s3gw.auth.post_policy import SizeRange
from s3gw.errors import PreconditionFailed
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.call import Body, Call, Input
from s3gw.operations.files import PUT_FILE
from s3gw.operations.put_together import put_together
from s3gw.problems import Fault, FileAlreadyExists, Invalid
from s3gw.wire.form import MOST_BEFORE_FILE, Form, FormFile
from s3gw.wire.headers import check_header_text
from s3gw.wire.request import join_headers

router = APIRouter(tags=["files"], route_class=StreamingRoute)
_FORM = "multipart/form-data"
_FORM_OF_PAGE = "application/x-www-form-urlencoded"
_SHA256 = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
MOST_FILES = 100  # of one form: they are put by one transaction
_FIELDS = ("path", "overwrite", "checksum", "tags", "metadata")
_OF_EACH = ("path", "checksum")  # of several files
_TEXTS: Mapping[str, TypeAdapter[dict[str, str]]] = {"tags": TypeAdapter(Tags), "metadata": TypeAdapter(Metadata)}
_TRUTHS = {"true": True, "false": False}
_BINARY = {"type": "string", "format": "binary"}
_TEXT_FIELD = {"type": "string"}
_BODIES = {
    "required": True,
    "content": {
        _FORM: {
            "schema": {
                "type": "object",
                "properties": {
                    **dict.fromkeys(_FIELDS, _TEXT_FIELD),
                    "file": {**_BINARY, "description": "Behind all other fields."},
                    "files": {
                        "type": "array",
                        "items": _BINARY,
                        "description": f"Instead of `file`: up to {MOST_FILES}, and of each its `path`, in their order,"
                        " or one `path` with a slash at its end, below which they have their own names.",
                    },
                },
            },
            "example": {"path": "2026/1.jpg", "file": "bytes"},
        },
        "application/octet-stream": {"schema": _BINARY, "example": "bytes"},
    },
}


class Wanted(NamedTuple):
    """What is said of a file beside its bytes. `checksum` is SHA-256 in hex."""

    path: str
    overwrite: bool = False
    checksum: str | None = None
    tags: Mapping[str, str] | None = None
    metadata: Mapping[str, str] | None = None
    mime_type: str | None = None
    if_match: str | None = None


@router.post(
    "/buckets/{bucket_id}/files",
    status_code=201,
    response_model=File | FilesStored,
    max_body_size=NO_LIMIT,
    dependencies=[Depends(documented)],
    openapi_extra={"requestBody": _BODIES},
)
async def upload_file(
    bucket_id: Id,
    asker: TheAsker,
    request: Request,
    response: Response,
    path: Annotated[
        str | None,
        Query(min_length=1, max_length=LONGEST_PATH, pattern=KEY, description="Its key, where the body is no form."),
    ] = None,
    overwrite: Annotated[bool, Query(description="Whether a file of that name is overwritten; else 409.")] = False,
    checksum: Annotated[
        str | None, Query(pattern="^[0-9A-Fa-f]{64}$", description="SHA-256 in hex, which the bytes must have.")
    ] = None,
    if_match: Annotated[
        str | None, Header(max_length=1024, description="The ETag of the file to be overwritten; else 412.")
    ] = None,
) -> Any:
    """The bytes themselves, or a form with a part `file` behind its fields, of which tags and metadata are JSON. Of a
    form with several `files` all are stored, or none.
    """
    kind = request.headers.get("content-type", "")
    is_form = kind.partition(";")[0].strip().lower() == _FORM
    given = Wanted(path or "", overwrite, checksum, if_match=if_match)
    if not is_form:
        if path is None:
            raise Invalid("a path is needed", faults=(Fault("path", "Field required"),))
        given = given._replace(mime_type=_said(kind))

    async def store() -> Stored:
        bucket = await asker.bucket(bucket_id)
        return await (_store_form if is_form else _store_raw)(asker, request, bucket, bucket_id, given)

    async def read() -> Sent:
        return await (_read_sent_form(asker, request) if is_form else _read_sent(asker, request))

    head = [_FORM if is_form else kind, if_match or "", *([] if is_form else _head_of_raw(request))]
    route = f"POST {request.scope['route'].path}"
    stored = await upload_once(asker.services, asker.principal.user_id, request, route, head, store, read)
    if isinstance(stored, Response):
        return stored
    response.headers.update(stored.headers)
    return stored.answer


def _head_of_raw(request: Request) -> list[str]:
    return [request.headers.get(name, "") for name in ("content-length", "content-md5")]


async def _store_raw(asker: Asker, request: Request, bucket: Bucket, bucket_id: str, given: Wanted) -> Stored:
    body, wanted = _raw(asker, request, given)
    return await _store(asker, bucket, bucket_id, wanted, body, Sent((), [SentFile(None, None, None)]))


async def _store_form(asker: Asker, request: Request, bucket: Bucket, bucket_id: str, given: Wanted) -> Stored:
    sent, form = await _read_form(asker, request)
    if isinstance(sent, FormFiles):
        versions, told = await _put_several(asker, bucket, sent, form, given)
        files = [file._replace(sha256=version.checksum) for file, version in zip(told, versions, strict=True)]
        answer = FilesStored(items=await asker.tell(bucket, bucket_id, versions))
        return Stored(answer, Sent(form.fields, files))
    body, wanted = _of_form(asker, sent, form, given)
    said = Sent(form.fields, [SentFile(form.filename, form.file_type, None)])
    return await _store(asker, bucket, bucket_id, wanted, body, said)


async def _store(asker: Asker, bucket: Bucket, bucket_id: str, wanted: Wanted, body: Body, sent: Sent) -> Stored:
    version = await _put(asker, bucket, wanted, body)
    sent = sent._replace(files=[sent.files[0]._replace(sha256=version.checksum)])
    answer = (await asker.tell(bucket, bucket_id, [version]))[0]
    return Stored(answer, sent, {"ETag": etag_of_file(version)})


async def _read_sent(asker: Asker, request: Request) -> Sent:
    return Sent((), [await read_file(body_of(asker, request, _largest(asker)))])


async def _read_sent_form(asker: Asker, request: Request) -> Sent:
    sent, form = await _read_form(asker, request)
    if not isinstance(sent, FormFiles):
        sent.sizes = (SizeRange(0, _largest(asker)),)
        return Sent(form.fields, [await read_file(sent, form.filename, form.file_type)])
    files = []
    while (body := await sent.next()) is not None:
        body.sizes = (SizeRange(0, _largest(asker)),)
        files.append(await read_file(body, body.file.filename, body.file.file_type))
    return Sent(form.fields, files)


async def _put(asker: Asker, bucket: Bucket, wanted: Wanted, body: Body) -> Any:
    call = asker.call("PutObject", bucket, **input_of(wanted))
    call.body = body
    try:
        return (await asker.perform(call, PUT_FILE))["Version"]
    except PreconditionFailed:
        if "IfNoneMatch" in call.input:
            raise FileAlreadyExists("there is a file of this name") from None
        raise


def input_of(wanted: Wanted) -> Input:
    """As boto3 would be given it."""
    input: Input = {"Key": wanted.path, "ChecksumAlgorithm": "SHA256"}
    if wanted.if_match is not None:
        input["IfMatch"] = _of_bytes(wanted.if_match)
    elif not wanted.overwrite:
        input["IfNoneMatch"] = "*"
    if wanted.mime_type is not None:
        input["ContentType"] = wanted.mime_type
    if wanted.tags:
        input["Tagging"] = urlencode(wanted.tags)
    if wanted.metadata:
        input["Metadata"] = dict(wanted.metadata)
    return input


def _of_bytes(if_match: str) -> str:
    """The tags of a file's bytes, which is what S3 compares: of each what is before the dot."""
    return ",".join(re.sub(r'\.[0-9a-f]{16}("?)$', r"\1", tag.strip()) for tag in if_match.split(","))


def _said(kind: str) -> str | None:
    """The type that the body is said to have. curl's `--data-binary` says of each that it is a form of a web page."""
    return None if kind.partition(";")[0].strip().lower() == _FORM_OF_PAGE else kind or None


def _raw(asker: Asker, request: Request, wanted: Wanted) -> tuple[Body, Wanted]:
    largest = _largest(asker)
    headers = join_headers(request.scope["headers"])
    kept = {name: value for name, value in headers.items() if name in FRAMING or name == "content-md5"}
    return sent_body(request, asker.services.settings, {**kept, **_expected(wanted)}, largest), wanted


async def _read_form(asker: Asker, request: Request) -> tuple[FormBody | FormFiles, Form]:
    """All that comes before the file."""
    headers = join_headers(request.scope["headers"])
    framing = {name: value for name, value in headers.items() if name in FRAMING}
    sent = sent_body(request, asker.services.settings, framing, _largest(asker) + 2 * MOST_BEFORE_FILE)
    form = Form(request.headers["content-type"], MOST_FILES)
    body = FormBody(sent, form)
    await body.read_fields()
    if not form.files:
        raise Invalid("there is no file in the form", faults=(Fault("file", "Field required"),))
    return (FormFiles(sent, form) if form.is_of_many else body), form


def _of_form(asker: Asker, body: FormBody, form: Form, given: Wanted) -> tuple[Body, Wanted]:
    wanted = _wanted(form.fields, form.filename, form.file_type, given)
    _expect(asker, body, wanted)
    return body, wanted


def _expect(asker: Asker, body: FormBody, wanted: Wanted) -> None:
    body.sizes = (SizeRange(0, _largest(asker)),)
    body.expect(as_put(_expected(wanted)))


async def _put_several(
    asker: Asker, bucket: Bucket, files: FormFiles, form: Form, given: Wanted
) -> tuple[list[ObjectVersion], list[SentFile]]:
    """With what the form says of each."""
    told: list[SentFile] = []

    async def calls() -> AsyncGenerator[Call, None]:
        paths: list[str] = []
        while (body := await files.next()) is not None:
            wanted = _wanted_of(form.fields, len(paths), body.file, given)
            if wanted.path in paths:
                raise _fault("path", "stands twice")
            paths.append(wanted.path)
            _expect(asker, body, wanted)
            told.append(SentFile(body.file.filename, body.file.file_type, None))
            call = asker.call("PutObject", bucket, **input_of(wanted))
            call.body = body
            yield call
        for name in _OF_EACH:
            if len(_values(form.fields, name)) > max(len(paths), 1):
                raise _fault(name, "stands more often than there are files")

    if given.if_match is not None or given.checksum is not None:
        raise _fault("checksum" if given.if_match is None else "If-Match", "is of one file")
    return await put_together(calls(), asker.perform), told


def _values(fields: Sequence[tuple[str, str]], name: str) -> list[str]:
    return [value for field, value in fields if field == name]


def _wanted_of(fields: Sequence[tuple[str, str]], number: int, file: FormFile, given: Wanted) -> Wanted:
    """Of one of several: what each has of its own is told in their order, all else is of all."""
    own = [(name, value) for name, value in fields if name not in _OF_EACH]
    paths, checksums = _values(fields, "path") or [given.path or ""], _values(fields, "checksum")
    if len(paths) == 1 and (not paths[0] or paths[0].endswith("/")):
        paths = [f"{paths[0]}{_base_name(file.filename)}"] * (number + 1)
    for name, values in (("path", paths), ("checksum", checksums)):
        if number < len(values):
            own.append((name, values[number]))
        elif values:
            raise _fault(name, "is missing for one of the files")
    return _wanted(own, file.filename, file.file_type, given._replace(path=""))


def _largest(asker: Asker) -> int:
    settings = asker.services.settings
    return min(settings.max_put, settings.max_object)


def body_of(asker: Asker, request: Request, limit: int) -> Body:
    """The bytes themselves, at most so many, of a request that says nothing else about them."""
    headers = join_headers(request.scope["headers"])
    framing = {name: value for name, value in headers.items() if name in FRAMING}
    return sent_body(request, asker.services.settings, framing, limit)


def _expected(wanted: Wanted) -> dict[str, str]:
    if wanted.checksum is None:
        return {}
    return {"x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(wanted.checksum)).decode()}


def _base_name(filename: str | None) -> str:
    return re.split(r"[/\\]", filename or "")[-1]


def _wanted(
    given_fields: Sequence[tuple[str, str]], filename: str | None, file_type: str | None, given: Wanted
) -> Wanted:
    """What the form says counts more than the query. Raises Invalid."""
    fields: dict[str, str] = {}
    for name, value in given_fields:
        if name not in _FIELDS or name in fields:
            raise _fault(name, "isn't known" if name not in _FIELDS else "stands twice")
        fields[name] = value
    path = fields.get("path") or given.path or _base_name(filename)
    if not path or "\0" in path or len(path) > LONGEST_PATH:
        raise _fault("path", "should have 1 to 1024 characters, and no NUL")
    checksum = fields.get("checksum", given.checksum)
    if checksum is not None and not _SHA256.fullmatch(checksum):
        raise _fault("checksum", "should be a SHA-256 in hex")
    if fields.get("overwrite", "true") not in _TRUTHS:
        raise _fault("overwrite", "should be true or false")
    overwrite = _TRUTHS[fields["overwrite"]] if "overwrite" in fields else given.overwrite
    if file_type is not None:
        check_header_text("Content-Type", file_type)
    texts = {name: _texts(name, fields[name]) for name in ("tags", "metadata") if name in fields}
    given = given._replace(path=path, overwrite=overwrite, checksum=checksum, mime_type=file_type)
    return given._replace(tags=texts.get("tags"), metadata=texts.get("metadata"))


def _texts(name: str, text: str) -> dict[str, str]:
    try:
        return _TEXTS[name].validate_json(text)
    except ValidationError:
        raise _fault(name, "should be a JSON object of strings, of whose names headers can be made") from None


def _fault(name: str, message: str) -> Invalid:
    return Invalid("the form isn't valid", faults=(Fault(name, message),))
