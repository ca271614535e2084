"""The HTML of the pages, from templates that escape whatever is put into them, and the headers that it goes out with.

No page has a script or a style within it, so none that somebody has put into a name can run.
"""

from __future__ import annotations

import json
import re
import threading
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from s3gw.console import assets
from s3gw.console.cookie_name import cookie_name
from s3gw.console.forms import as_amount
from s3gw.console.language import LANGUAGES, InWords, language_of, translations
from s3gw.console.navigation import admin_screens_of, screens_of
from s3gw.console.session import Visitor

# What turns the order of characters around, or isn't seen at all: `photo[U+202E]gpj.exe` would look like a picture.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
# With no-referrer browsers would send `Origin: null` with forms, which couldn't be told from another page's then.
_HEADERS = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "same-origin", "X-Robots-Tag": "noindex, nofollow"}
THEME_COOKIE, THEMES = "s3gw_theme", ("auto", "light", "dark")


@cache
def environment(language: str) -> Environment:
    made = Environment(
        autoescape=True,
        loader=PackageLoader("s3gw.console"),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found = translations(language)
    made.install_gettext_callables(found.gettext, found.ngettext, newstyle=True)  # type: ignore[attr-defined]
    words = InWords(language)
    made.filters |= {"visible": visible, "size": words.size, "number": words.number, "moment": words.moment}
    made.filters |= {
        "milliseconds": words.milliseconds,
        "seconds": words.seconds,
        "pretty": _pretty,
        "amount": as_amount,
    }
    made.globals |= {"admin_screens_of": admin_screens_of}
    made.globals |= {"asset": assets.address_of, "language": language, "themes": THEMES, "screens_of": screens_of}
    return made


def begin_to_compile() -> None:
    """All templates, in a thread: each takes up to 25 ms, which the first request for it would else have the event loop
    wait for. One that is asked for earlier is compiled then.
    """
    made = [environment(language) for language in LANGUAGES]
    threading.Thread(target=_compile, args=(made,), name="s3gw-templates", daemon=True).start()


def _compile(made: list[Environment]) -> None:
    for each in made:
        for template in each.list_templates():
            each.get_template(template)


def _pretty(value: Any) -> str:
    """A document of the API's as people read it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def visible(name: object) -> str:
    """As people are shown what somebody has called something."""
    return _UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", str(name))


def language_for(request: Request) -> str:
    return language_of(request.headers.get("accept-language", ""))


def in_words(request: Request, message: str) -> str:
    """A message of the source, marked there by `_`, in the language that is asked for."""
    return translations(language_for(request)).gettext(message)


def theme_of(request: Request) -> str:
    given = request.cookies.get(cookie_name(request, THEME_COOKIE), "")
    return given if given in THEMES else "auto"


def shown(
    request: Request, template: str, status: int = 200, *, visitor: Visitor | None = None, **values: Any
) -> Response:
    """`view`, among the values, is the address of what a frame of the page shows."""
    found = environment(language_for(request)).get_template(template)
    state = request.state
    known = {"visitor": visitor, "csrf": "" if visitor is None else visitor.csrf, "theme": theme_of(request)}
    content = found.render(**known, here=request.url.path, request_id=state.request_id, **values)
    headers = {**_HEADERS, "Vary": "Accept-Language"}
    if values.get("view"):
        scheme, host, *_ = urlsplit(values["view"])
        headers["Content-Security-Policy"] = f"{_POLICY}; frame-src {scheme}://{host}"
    return Response(content.encode("utf-8", "replace"), status, headers, "text/html")
