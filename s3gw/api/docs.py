"""The pages that show the API's document, without anything from elsewhere: `assets/` has what they are made of."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from s3gw.problems import NotFound

_ASSETS = Path(__file__).with_name("assets")
_KINDS = {".js": "text/javascript", ".css": "text/css"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self' data:; connect-src 'self'; worker-src blob:; frame-ancestors 'none'; base-uri 'none';"
    " form-action 'none'"
)
_METHODS = ["GET", "HEAD"]
router = APIRouter(include_in_schema=False)


def _page(title: str, *, scripts: tuple[str, ...], styles: tuple[str, ...] = ()) -> HTMLResponse:
    heads = [f'<link rel="stylesheet" href="docs/assets/{name}">' for name in styles]
    tails = [f'<script src="docs/assets/{name}"></script>' for name in scripts]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    html = f"""<!DOCTYPE html>
<html lang="en">
<head>{head}{"".join(heads)}</head>
<body><div id="docs"></div>{"".join(tails)}</body>
</html>
"""
    return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY})


@router.api_route("/docs", methods=_METHODS)
async def swagger() -> HTMLResponse:
    return _page("s3gw API", scripts=("swagger-ui-bundle.js", "swagger.js"), styles=("swagger-ui.css",))


@router.api_route("/redoc", methods=_METHODS)
async def redoc() -> HTMLResponse:
    return _page("s3gw API", scripts=("redoc.standalone.js", "redoc.js"))


@router.api_route("/docs/assets/{name}", methods=_METHODS)
async def asset(name: str) -> Response:
    path = _ASSETS / name
    if path.parent != _ASSETS or path.suffix not in _KINDS or not path.is_file():
        raise NotFound("there is no such file")
    return FileResponse(path, media_type=_KINDS[path.suffix], headers={"Cache-Control": "max-age=3600"})
