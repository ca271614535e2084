"""The HTML of the pages, from templates that escape whatever is put into them, and the headers that it goes out with.

What strangers have put there is shown as text. No page runs a script but that of a drop box, whose policy allows one
alone.
"""

from __future__ import annotations

import math
import secrets
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from starlette.requests import Request
from starlette.responses import Response

from s3gw.problems import NotFound
from s3gw.share.hidden import token_of

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; frame-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {"Content-Security-Policy": _POLICY, "X-Robots-Tag": "noindex, nofollow"}
# What is told of a refusal; nothing of why a link isn't good.
_MESSAGES = {
    403: ("Not allowed", "This can't be done with this link."),
    404: ("Not found", "There is no such link, or it isn't good any more. Ask whoever gave it to you."),
    405: ("Not allowed", "This can't be done with this link."),
    413: ("Too large", "There isn't so much room here. Nothing was stored."),
    415: ("Not taken", "Files of this type aren't taken here. Nothing was stored."),
    429: ("Too many attempts", "Wait a moment, and try again."),
    503: ("Not now", "This can't be had just now. Try again later."),
    507: ("No room", "There is no room here just now. Nothing was stored."),
}
_OTHERS = ("That didn't work", "This could not be done.")
_SIZES = ("bytes", "KiB", "MiB", "GiB", "TiB")


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        loader=PackageLoader("s3gw.share"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["size"] = size_in_words
    return environment


def shown(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """`address`, which makes URLs of this link, is known to all templates."""
    found: Template = _environment().get_template(template)
    content = found.render(address=_Address(request), root=root_of(request), **values)
    return Response(content.encode("utf-8", "replace"), status, dict(_HEADERS), "text/html")


def with_script(request: Request, template: str, status: int, **values: Any) -> Response:
    """As `shown`, with a script that has this answer's nonce and may ask this server alone."""
    nonce = secrets.token_urlsafe(16)
    answer = shown(request, template, status, nonce=nonce, **values)
    answer.headers["Content-Security-Policy"] = f"{_POLICY}; script-src 'nonce-{nonce}'; connect-src 'self'"
    return answer


def message_of(status: int) -> str:
    return _MESSAGES.get(status, _OTHERS)[1]


def refusal(request: Request, status: int, error_code: str = "", retry_after: float | None = None) -> Response:
    request.state.error_code = error_code or {404: NotFound.error_code}.get(status, "-")
    title, message = _MESSAGES.get(status, _OTHERS)
    answer = shown(request, "refusal.html", status, title=title, message=message)
    if retry_after is not None:
        answer.headers["Retry-After"] = str(math.ceil(retry_after))
    return answer


def password_form(request: Request, status: int, message: str = "") -> Response:
    return shown(request, "password.html", status, message=message)


class _Address:
    def __init__(self, request: Request) -> None:
        self._place = place_of(request)

    def __call__(self, below: str = "", **query: str) -> str:
        told = f"{self._place}/{below}" if below else self._place
        given = {name: value for name, value in query.items() if value}
        return f"{told}?{urlencode(given)}" if given else told


def root_of(request: Request) -> str:
    """What a proxy has before all paths here."""
    return urlsplit(request.app.state.services.settings.share_url or "").path if "app" in request.scope else ""


def place_of(request: Request) -> str:
    """The path of the link's own page."""
    return f"{root_of(request)}/{token_of(request)}"


def size_in_words(size: int) -> str:
    power = min((size.bit_length() - 1) // 10, len(_SIZES) - 1) if size else 0
    return f"{size} bytes" if not power else f"{size / (1 << 10 * power):.1f} {_SIZES[power]}"


async def style(request: Request) -> Response:
    content = files("s3gw.share").joinpath("templates", "style.css").read_bytes()
    return Response(content, 200, {"Cache-Control": "max-age=3600"}, "text/css")


async def script(request: Request) -> Response:
    """Of drop boxes."""
    content = files("s3gw.share").joinpath("templates", "drop.js").read_bytes()
    return Response(content, 200, {"Cache-Control": "max-age=3600"}, "text/javascript")


async def robots(request: Request) -> Response:
    return Response(b"User-agent: *\nDisallow: /\n", 200, None, "text/plain")
