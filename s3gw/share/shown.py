"""A version of a file as it looks, for a frame of the console's: this listener is of another origin, and what is shown
has none at all (sandbox), so nothing of it can act. Who looks is in the token; cookies aren't looked at.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from s3gw.accounts import login
from s3gw.addresses import share_address
from s3gw.api.file_answer import Asked, file_answer, may_be_shown
from s3gw.auth.preview_tokens import ViewClaims
from s3gw.content.open_content import OpenContent
from s3gw.errors import NotImplemented, PreconditionFailed
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.call import Input, Output
from s3gw.operations.previews import GET_PREVIEW, HEAD_PREVIEW, HEAD_VERSION
from s3gw.previews import markdown
from s3gw.previews.recipes import MOST_PAGES, TABLE, page_recipe
from s3gw.problems import NoPreview, NoPreviewOfType, PreviewPending
from s3gw.share import heads, pages
from s3gw.share.frame_words import words_for
from s3gw.share.kinds import kind_of
from s3gw.share.visit import Gone

PLACE = "/shown"
_LONGEST = 2048  # characters of a token
_TRIES = 4  # each waits for as long as operations/previews.py does
_LARGEST = 8 << 20  # bytes of what is read as a whole
# Links of a text open a page of their own, which isn't in the sandbox. Who clicks them is the only one who does that.
_LINKS_ONLY = "sandbox allow-popups allow-popups-to-escape-sandbox"
_IN_WORK = "This is still being made. Open the page again in a moment."
_NOTHING = "There is no preview of this file."
# A page without an origin asks for it, as for all that it shows.
_OF_CONTENT = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "private, no-cache",
}


class Shown(NamedTuple):
    """`asker` is who looks, at the JSON API."""

    claims: ViewClaims
    token: str
    asker: Any
    bucket: Any
    found: Input
    version: ObjectVersion

    @property
    def kind(self) -> str:
        return kind_of(self.version)

    async def ask(self, operation: str, input: Input, row: Any = None) -> Output:
        """Of this version alone, whatever was put there meanwhile. Raises Gone."""
        given = {**input, **self.found, "IfMatch": f'"{self.version.etag}"'}
        try:
            output: Output = await self.asker.perform(self.asker.call(operation, self.bucket, **given), row)
        except PreconditionFailed:
            raise Gone from None
        return output

    async def ask_preview(self, recipe: str, row: Any) -> Output:
        """Raises NoPreview, NoPreviewOfType, NotImplemented, and PreviewPending for what takes long."""
        given = {**self.found, "Recipe": recipe, "Sequence": self.claims.sequence}
        for left in reversed(range(_TRIES)):
            try:
                output: Output = await self.asker.perform(self.asker.call("GetObject", self.bucket, **given), row)
            except PreviewPending:
                if not left:
                    raise
            else:
                return output
        raise AssertionError("the last one raises")


async def _shown_by(request: Request) -> Shown:
    """Raises NotAuthenticated, NotFound and Gone."""
    from s3gw.api.download import find_version  # FastAPI, which this listener needs for nothing else
    from s3gw.api.file_calls import asker_as

    services = request.app.state.services
    token = request.query_params.get("token", "")[:_LONGEST]
    claims = await services.token_keys.verify_view(token)
    caller = await login.caller_in(services, claims.session_id, claims.user_id, request.state.origin)
    request.state.user, request.state.role = caller.principal.name, caller.principal.role
    asker = asker_as(request, caller.principal)
    bucket = await asker.bucket(claims.bucket_id)
    found = await find_version(asker, bucket, claims.file_id, claims.version_id)
    version = (await asker.perform(asker.call("GetObject", bucket, **found), HEAD_VERSION))["Version"]
    if version.sequence != claims.sequence:
        raise Gone
    return Shown(claims, token, asker, bucket, found, version)


async def page(request: Request) -> Response:
    shown = await _shown_by(request)
    way = next((way for is_one, way in _WAYS if is_one(shown.kind)), _text)
    try:
        values = await way(request, shown)
    except (NoPreview, NoPreviewOfType, NotImplemented) as error:
        values = {"way": "words", "words": error.message}
    except PreviewPending:
        values = {"way": "words", "words": _IN_WORK}
    nonce, settings = secrets.token_urlsafe(16), request.app.state.services.settings
    here = urlsplit(share_address(settings.share_url, settings.share_listen))
    # What has no origin is of none: to WebKit a page in a sandbox isn't itself what 'self' names.
    own = f"'self' {here.scheme}://{here.netloc}"
    words = words_for(request)
    given: dict[str, Any] = {"token": shown.token, "nonce": nonce, "say": words.say, "language": words.language}
    answer = pages.shown(request, "shown.html", **given, **values)
    answer.headers["Vary"] = "Accept-Language"
    sandbox = _LINKS_ONLY if values["way"] == "markdown" else "sandbox"
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'none'; img-src {own}; media-src {own}; style-src 'nonce-{nonce}'; base-uri 'none';"
        f" form-action 'none'; frame-ancestors {shown.claims.framed_by}; {sandbox}"
    )
    return answer


async def content(request: Request) -> Response:
    """The bytes of a picture, a sound or a video, for the page."""
    shown = await _shown_by(request)
    if not may_be_shown(shown.kind) or shown.kind.startswith("text/"):
        raise Gone
    asked = Asked(shown.bucket.name, shown.version.key, shown.ask)
    return await file_answer(request, asked, _OF_CONTENT, attachment=False)


async def picture(request: Request) -> Response:
    """A page of a PDF, for the page."""
    shown = await _shown_by(request)
    output = await shown.ask_preview(page_recipe(_number(request)), GET_PREVIEW)
    content = await _whole(output["Body"], output["ContentLength"])
    return Response(content, 200, _OF_CONTENT, output["ContentType"])


async def _medium(request: Request, shown: Shown) -> dict[str, Any]:
    return {"way": shown.kind.partition("/")[0]}


async def _pages(request: Request, shown: Shown) -> dict[str, Any]:
    """One of them, which is made before it is told."""
    number = _number(request)
    await shown.ask_preview(page_recipe(number), HEAD_PREVIEW)
    return {"way": "page", "number": number, "is_last": number == MOST_PAGES}


def _number(request: Request) -> int:
    given = request.query_params.get("number", "1")
    number = int(given) if given.isascii() and given.isdigit() and len(given) < 4 else 0
    if not 1 <= number <= MOST_PAGES:
        raise Gone
    return number


async def _parquet(request: Request, shown: Shown) -> dict[str, Any]:
    output = await shown.ask_preview(TABLE, GET_PREVIEW)
    table = heads.table_of_json(await _whole(output["Body"], output["ContentLength"]))
    return _nothing() if table is None else {"way": "table", "table": table}


async def _table(request: Request, shown: Shown) -> dict[str, Any]:
    text, is_whole = await _read(shown)
    table = None if text is None else heads.table_of_text(text, shown.kind, is_whole=is_whole)
    return await _text(request, shown) if table is None else {"way": "table", "table": table}


async def _json(request: Request, shown: Shown) -> dict[str, Any]:
    text, is_whole = await _read(shown)
    if text is None:
        return _nothing()
    return {
        "way": "text",
        "text": await asyncio.to_thread(heads.pretty, text) if is_whole else text,
        "is_whole": is_whole,
    }


async def _markdown(request: Request, shown: Shown) -> dict[str, Any]:
    """As text where it is too much work. A beginning ends with a line."""
    text, is_whole = await _read(shown)
    if text is None:
        return _nothing()
    if len(text) > markdown.LARGEST:
        text, is_whole = text[: markdown.LARGEST].rpartition("\n")[0], False
    html = await markdown.html_of(text)
    if html is None:
        return {"way": "text", "text": text, "is_whole": is_whole}
    return {"way": "markdown", "html": Markup(html), "is_whole": is_whole}


async def _text(request: Request, shown: Shown) -> dict[str, Any]:
    text, is_whole = await _read(shown)
    return _nothing() if text is None else {"way": "text", "text": text, "is_whole": is_whole}


def _nothing() -> dict[str, Any]:
    return {"way": "words", "words": _NOTHING}


async def _read(shown: Shown) -> tuple[str | None, bool]:
    """The first of it as text, and whether that is all."""
    size, most = shown.version.size, heads.LARGEST_HEAD
    if not size:
        return "", True
    output = await shown.ask("GetObject", {"Range": f"bytes=0-{most - 1}"})
    head = await _whole(output["Body"], min(size, most))
    return heads.text_of(head, is_whole=size <= most), size <= most


async def _whole(content: OpenContent, size: int) -> bytes:
    """Raises Gone for what is larger than any that is made."""
    try:
        if size > _LARGEST:
            raise Gone
        if content.whole is not None:
            return bytes(content.whole)
        return b"".join([bytes(piece) async for piece in content])
    finally:
        await content.aclose()


def _is_medium(kind: str) -> bool:
    return may_be_shown(kind) and not kind.startswith("text/")


_Way = Callable[[Request, Shown], Awaitable[dict[str, Any]]]
_WAYS: tuple[tuple[Callable[[str], bool], _Way], ...] = (
    (_is_medium, _medium),
    (lambda kind: kind == "application/pdf", _pages),
    (lambda kind: kind == "application/vnd.apache.parquet", _parquet),
    (heads.is_table, _table),
    (heads.is_json, _json),
    (lambda kind: kind == "text/markdown", _markdown),
)
