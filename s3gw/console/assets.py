"""The scripts and styles of the pages. vendored.json tells of those that others have made, which a test compares with
the packages that they are from. Their addresses name their content, so browsers keep them for good.
"""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

PLACE = "/console/assets"
NAMES = (
    "style.css",
    "console.js",
    "upload.js",
    "keys.js",
    "htmx.min.js",
    "tus.min.js",
    "icon.svg",
    "charts.js",
    "uplot.min.js",
    "uplot.min.css",
)
_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_KEPT = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    content: bytes
    packed: bytes
    version: str


@cache
def _asset(name: str) -> Asset:
    content = files("s3gw.console").joinpath("static", name).read_bytes()
    return Asset(content, gzip.compress(content, mtime=0), hashlib.sha256(content).hexdigest()[:12])


def address_of(name: str) -> str:
    return f"{PLACE}/{name}?v={_asset(name).version}"


async def asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in NAMES:
        raise HTTPException(404)
    found = _asset(name)
    headers = {"Vary": "Accept-Encoding"}
    if request.url.query == f"v={found.version}":  # another may be of a newer server's, which isn't to be kept
        headers["Cache-Control"] = _KEPT
    content = found.content
    if "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = found.packed, "gzip"
    return Response(content, 200, headers, _KINDS[name.rpartition(".")[2]])
