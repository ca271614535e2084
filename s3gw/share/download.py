"""A file by a link: its page, and its bytes, which are counted before the first of them is sent."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from s3gw.api.file_answer import Asked, file_answer, may_be_shown
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.operations.call import Input, Output
from s3gw.share import pages
from s3gw.share.kinds import said_kind_of
from s3gw.share.visit import Gone, Visit, visit_of

# A page of ours may have it in itself, and what it is can't act, whatever it says to be.
_POLICY = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
)
ALWAYS = {"Content-Security-Policy": _POLICY, "X-Frame-Options": "SAMEORIGIN", "X-Robots-Tag": "noindex, nofollow"}


async def file_page(request: Request, visit: Visit) -> Response:
    """What is shown in it is downloaded for that; so where downloads are few, it is left to the visitor."""
    version = visit.file
    assert version is not None, "it is what was asked for"
    kind = said_kind_of(version)
    at = datetime.fromtimestamp(version.last_modified / 1_000_000, UTC)
    return pages.shown(
        request,
        "file.html",
        name=name_of(version.key),
        size=version.size,
        kind=kind,
        at=f"{at:%Y-%m-%d %H:%M} UTC",
        preview=kind.partition("/")[0] if may_be_shown(kind) and visit.link.max_downloads is None else "",
        may_be_shown=may_be_shown(kind),
    )


async def download(request: Request) -> Response:
    return await _send(request, attachment=True)


async def view(request: Request) -> Response:
    """In the page, where it is of a type that can't act."""
    return await _send(request, attachment=False)


async def _send(request: Request, *, attachment: bool) -> Response:
    visit = await visit_of(request)
    found = _which(request, visit)

    async def ask(operation: str, input: Input) -> Output:
        output = await visit.perform(operation, {**input, **found})
        if operation == "GetObject":
            await _count(visit, found["Key"], output)
        return output

    asked = Asked(visit.link.bucket.name, found["Key"], ask)
    return await file_answer(request, asked, ALWAYS, attachment=attachment)


async def _count(visit: Visit, key: str, output: Output) -> None:
    """Raises Gone where there may be none; nothing of it is sent then."""
    is_counted = False
    try:
        is_counted = await visit.may_download(key)
    finally:
        if not is_counted:
            await output["Body"].aclose()
    if not is_counted:
        raise Gone


def _which(request: Request, visit: Visit) -> Input:
    """A key is text, and no path that could lead elsewhere: it begins with the folder's, whatever comes behind."""
    if visit.file is not None:
        return {"Key": visit.file.key, "FileId": visit.file.file_id}
    path = request.query_params.get("path", "")
    key = f"{visit.link.prefix}{path}"
    if visit.link.kind != "folder" or not path or "\0" in key or len(key.encode("utf-8", "replace")) > LONGEST_PATH:
        raise Gone
    return {"Key": key}


def name_of(key: str) -> str:
    return key.rstrip("/").rpartition("/")[2] or "file"
