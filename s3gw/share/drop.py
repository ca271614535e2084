"""A drop box: a page whose files go into the folder as its maker's, beside whatever has their names. Nothing is listed,
and nobody is told under which name a file was stored: that would tell which names there are.

The page's script sends them as uploads that resume (drop_uploads.py). Without it the form does, in one request.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from s3gw.api.sent_body import FRAMING, as_put, sent_body
from s3gw.auth.form_body import FormBody
from s3gw.auth.form_files import FormFiles
from s3gw.auth.post_policy import SizeRange
from s3gw.errors import AccessDenied, Refusal, S3Error
from s3gw.operations.call import Input
from s3gw.operations.drop_file import Drop, put_dropped
from s3gw.problems import NotFound, Problem, TooLarge, told_of
from s3gw.share import pages
from s3gw.share.drop_name import dropped_type, key_of, name_of
from s3gw.share.drop_uploads import largest_of
from s3gw.share.visit import Gone, Visit, visit_of
from s3gw.wire.form import MOST_BEFORE_FILE, Form
from s3gw.wire.request import join_headers

MOST_FILES = 100  # of one form
_ANY = 1 << 30  # files that come in one piece are counted here, so that the first 100 are stored whatever comes


class _Sent(NamedTuple):
    """A file of the form, whose bytes are to be read before the next one's."""

    body: FormBody
    filename: str | None
    file_type: str | None


async def drop_page(request: Request, visit: Visit) -> Response:
    return _shown(request, visit, [])


async def upload(request: Request) -> Response:
    """Each file is put by itself. Where one is refused, or one too many, those before it have arrived and none behind
    it. The page says which.
    """
    visit = await visit_of(request)
    kind = request.headers.get("content-type", "")
    if visit.link.kind != "drop":
        raise Gone
    if kind.partition(";")[0].strip().lower() != "multipart/form-data":
        return pages.refusal(request, 415)
    received: list[str] = []
    refused = ""
    try:
        async for sent in _files_of(request, visit, kind):
            if not sent.filename:  # none was chosen
                return pages.refusal(request, 400)
            refused = name_of(sent.filename)
            if len(received) == MOST_FILES:
                raise TooLarge("the form has too many files")
            received.append(await _put(visit, sent))
            refused = ""
    except (Gone, Refusal) as error:
        if not received:
            raise
        status, request.state.error_code = _told(error)
        return _shown(request, visit, received, status, refused)
    return _shown(request, visit, received) if received else pages.refusal(request, 400)


async def _files_of(request: Request, visit: Visit, kind: str) -> AsyncGenerator[_Sent, None]:
    largest, settings = _largest(visit), visit.services.settings
    headers = join_headers(request.scope["headers"])
    framing = {name: value for name, value in headers.items() if name in FRAMING}
    form = Form(kind, _ANY)
    sent = sent_body(request, settings, framing, largest + 2 * MOST_BEFORE_FILE)
    body = FormBody(sent, form)
    await body.read_fields()
    if not form.is_of_many:
        if form.files:
            yield _Sent(body, form.filename, form.file_type)
        return
    files = FormFiles(sent, form)
    while (one := await files.next()) is not None:
        yield _Sent(one, one.file.filename, one.file.file_type)


async def _put(visit: Visit, sent: _Sent) -> str:
    """The name that its sender gave it. Raises Gone."""
    sent.body.sizes = (SizeRange(0, _largest(visit)),)
    sent.body.expect(as_put({}))
    input: Input = {"Key": key_of(sent.filename or "", visit), "ChecksumAlgorithm": "SHA256"}
    if (file_type := dropped_type(sent.file_type)) is not None:
        input["ContentType"] = file_type
    call = visit.call("PutObject", input)
    call.body = sent.body
    try:
        await put_dropped(call, Drop(visit.link.id, visit.actor))
    except AccessDenied:
        raise Gone from None
    return name_of(sent.filename or "")


def _told(error: Gone | Refusal) -> tuple[int, str]:
    if isinstance(error, Problem):
        return error.status, error.error_code
    return told_of(error) if isinstance(error, S3Error) else (404, NotFound.error_code)


def _shown(request: Request, visit: Visit, received: list[str], status: int = 200, refused: str = "") -> Response:
    """`refused`: the name of the first file that has not arrived, if it has come so far."""
    wrong = "" if status == 200 else _reason_of(status, len(received))
    sizes = {"most": largest_of(visit), "most_of_form": _largest(visit), "most_files": MOST_FILES}
    return pages.with_script(request, "drop.html", status, received=received, wrong=wrong, refused=refused, **sizes)


def _reason_of(status: int, received: int) -> str:
    if received == MOST_FILES:
        return f"{MOST_FILES} files are sent at once at most: send the others by themselves."
    return pages.message_of(status).removesuffix(" Nothing was stored.")


def _largest(visit: Visit) -> int:
    """Bytes of one form."""
    return min(visit.services.settings.max_put, largest_of(visit))
