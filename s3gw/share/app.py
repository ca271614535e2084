"""The pages as an application. It is built when the first request for one comes."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from s3gw.api.door import Door
from s3gw.auth.payload import ClientDisconnected
from s3gw.errors import S3Error
from s3gw.faults import logged
from s3gw.problems import Problem, told_of
from s3gw.services import Services
from s3gw.share import archive, download, drop, drop_uploads, folder, pages, shown, unlock
from s3gw.share.drop_uploads import UPLOADS, SaysTus
from s3gw.share.hidden import PLACE, HiddenToken
from s3gw.share.rate_limit import RateLimit
from s3gw.share.visit import Gone, Locked, visit_of

_OF_UPLOAD = ["HEAD", "PATCH", "DELETE", "POST"]
_logger = logging.getLogger("s3gw.share")


def build_share_app(services: Services) -> ASGIApp:
    handlers = {Gone: _gone, Locked: _locked, Problem: _problem, S3Error: _s3_error, HTTPException: _http_error}
    routes = [
        Route(PLACE, page, name="share_page"),
        Route(PLACE, unlock.unlock, name="share_unlock", methods=["POST"]),
        Route(f"{PLACE}/download", download.download, name="share_download"),
        Route(f"{PLACE}/view", download.view, name="share_view"),
        Route(f"{PLACE}/archive", archive.archive, name="share_archive"),
        Route(f"{PLACE}/upload", drop.upload, name="share_upload", methods=["POST"]),
        Route(UPLOADS, drop_uploads.discover, name="share_discover_uploads", methods=["OPTIONS"]),
        Route(UPLOADS, drop_uploads.begin, name="share_begin_upload", methods=["POST"]),
        Route(f"{UPLOADS}/{{upload_id}}", drop_uploads.discover, name="share_discover_upload", methods=["OPTIONS"]),
        Route(f"{UPLOADS}/{{upload_id}}", drop_uploads.go_on, name="share_go_on", methods=_OF_UPLOAD),
        Route(shown.PLACE, shown.page, name="share_shown"),
        Route(f"{shown.PLACE}/content", shown.content, name="share_shown_content"),
        Route(f"{shown.PLACE}/page", shown.picture, name="share_shown_page"),
        Route("/style.css", pages.style, name="share_style"),
        Route("/drop.js", pages.script, name="share_script"),
        Route("/robots.txt", pages.robots, name="share_robots"),
    ]
    app = Starlette(routes=routes, exception_handlers={**handlers, Exception: _unexpected})
    app.router.redirect_slashes = False
    app.state.services = services
    limit = services.settings.api_rate_limit
    inner: ASGIApp = app if limit == "off" else RateLimit(app, limit)
    return HiddenToken(Door(SaysTus(inner), services.settings, "share"))


async def page(request: Request) -> Response:
    visit = await visit_of(request)
    kinds = {"file": download.file_page, "folder": folder.folder_page, "drop": drop.drop_page}
    return await kinds[visit.link.kind](request, visit)


async def _gone(request: Request, error: Exception) -> Response:
    return pages.refusal(request, 404)


async def _locked(request: Request, error: Exception) -> Response:
    """Asked for at the link's own address, the form is its page; elsewhere it stands in the way."""
    assert isinstance(error, Locked)
    asks = request.method in ("GET", "HEAD") and request.scope["path"] == PLACE
    return pages.password_form(request, 200 if asks else 403)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return pages.refusal(request, error.status, error.error_code, error.retry_after)


async def _s3_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, S3Error)
    return pages.refusal(request, *told_of(error))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return pages.refusal(request, error.status_code)


async def _unexpected(request: Request, error: Exception) -> Response:
    """A database or a disk that fails, or a mistake of ours, which the log tells. Who has gone gets no answer."""
    if isinstance(error, ClientDisconnected | ClientDisconnect):
        raise error
    return pages.refusal(request, *told_of(logged(error, _logger, request.state.request_id)))
