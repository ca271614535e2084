"""A drop box: a form whose file goes into the folder as its maker's, beside whatever has its name. Nothing is listed,
and nobody is told under which name it was stored: that would tell which names there are.
"""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from s3gw.api.sent_body import FRAMING, as_put, sent_body
from s3gw.auth.form_body import FormBody
from s3gw.auth.post_policy import SizeRange
from s3gw.errors import AccessDenied
from s3gw.operations.call import Input
from s3gw.operations.drop_file import SUFFIX, Drop, put_dropped
from s3gw.share import pages
from s3gw.share.visit import Gone, Visit, visit_of
from s3gw.wire.form import MOST_BEFORE_FILE, Form
from s3gw.wire.request import join_headers

_CONTROL = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")  # what doesn't show, or turns the rest around
_HEADER_TEXT = re.compile(r"[ -~]{1,255}")
_LONGEST_NAME = 200  # bytes, as far as the folder leaves room for it


async def drop_page(request: Request, visit: Visit) -> Response:
    return pages.shown(request, "drop.html", received="", most=_largest(visit))


async def upload(request: Request) -> Response:
    visit = await visit_of(request)
    kind = request.headers.get("content-type", "")
    if visit.link.kind != "drop":
        raise Gone
    if kind.partition(";")[0].strip().lower() != "multipart/form-data":
        return pages.refusal(request, 415)
    body = await _form_body(request, visit, kind)
    if not body.form.files or not body.form.filename:
        return pages.refusal(request, 400)
    name = _name_of(body.form.filename)
    input: Input = {"Key": f"{visit.link.prefix}{_cut(name, visit)}", "ChecksumAlgorithm": "SHA256"}
    if body.form.file_type is not None and _HEADER_TEXT.fullmatch(body.form.file_type):
        input["ContentType"] = body.form.file_type
    call = visit.call("PutObject", input)
    call.body = body
    try:
        await put_dropped(call, Drop(visit.link.id, visit.actor))
    except AccessDenied:
        raise Gone from None
    return pages.shown(request, "drop.html", received=name, most=_largest(visit))


async def _form_body(request: Request, visit: Visit, kind: str) -> FormBody:
    """All that comes before the file is read."""
    largest, settings = _largest(visit), visit.services.settings
    headers = join_headers(request.scope["headers"])
    framing = {name: value for name, value in headers.items() if name in FRAMING}
    body = FormBody(sent_body(request, settings, framing, largest + 2 * MOST_BEFORE_FILE), Form(kind))
    await body.read_fields()
    body.sizes = (SizeRange(0, largest),)
    body.expect(as_put({}))
    return body


def _largest(visit: Visit) -> int:
    """Bytes of one file."""
    settings, link = visit.services.settings, visit.link
    largest = min(settings.max_put, settings.max_object)
    return largest if link.max_bytes is None else min(largest, link.max_bytes - link.uploaded_bytes)


def _name_of(given: str) -> str:
    """What is behind the last slash of whatever kind, and never a name that some file systems take for a place."""
    name = _CONTROL.sub("", re.split(r"[/\\]", given)[-1]).strip()
    return name if name.strip(".") else "file"


def _cut(name: str, visit: Visit) -> str:
    """As much of it as a key has room for, with its ending, and room for a suffix. Raises Gone for a folder of which
    the keys are so long already.
    """
    left = visit.services.settings.max_key - len(visit.link.prefix.encode()) - SUFFIX
    room = min(left, _LONGEST_NAME)
    if room < 1:
        raise Gone
    stem, dot, ending = name.rpartition(".")
    tail = f"{dot}{ending}".encode() if stem and len(ending.encode()) <= 16 else b""
    if len(tail) >= room:
        tail = b""
    head = (name.encode()[: len(name.encode()) - len(tail)])[: room - len(tail)]
    return head.decode("utf-8", "ignore") + tail.decode()
