"""The console as an application. It is built when the first request for it comes."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from s3gw.api.door import Door
from s3gw.console import (
    appearance,
    assets,
    buckets,
    chosen,
    connect,
    file,
    file_changes,
    files,
    links,
    login,
    refusals,
    transfer,
    trash,
    work,
)
from s3gw.console.api_call import Api, ApiRefusal
from s3gw.console.session import SAFE_METHODS, NotLoggedIn, require_own_origin
from s3gw.problems import Problem
from s3gw.services import Services

_POST, _OF_UPLOAD = ["POST"], ["HEAD", "PATCH", "DELETE"]
_BUCKET = "/console/buckets/{bucket_id}"


def build_console(services: Services, api: ASGIApp) -> ASGIApp:
    routes = [
        Route("/", home, name="console_home"),
        Route("/console", home, name="console_home"),
        Route("/console/", home, name="console_home"),
        Route("/console/login", login.form, name="console_login_form"),
        Route("/console/login", login.log_in, name="console_login", methods=_POST),
        Route("/console/logout", login.log_out, name="console_logout", methods=_POST),
        Route("/console/theme", appearance.choose, name="console_theme", methods=_POST),
        Route("/console/buckets", buckets.page, name="console_buckets"),
        Route("/console/buckets", buckets.create, name="console_create_bucket", methods=_POST),
        Route(_BUCKET, files.page, name="console_files"),
        Route(_BUCKET, chosen.change, name="console_change_files", methods=_POST),
        Route(f"{_BUCKET}/files/{{file_id}}", transfer.Download(), name="console_download", methods=["GET", "HEAD"]),
        Route(f"{_BUCKET}/archive", transfer.Archive(), name="console_archive", methods=["GET"]),
        Route(f"{_BUCKET}/uploads", transfer.Uploads(), name="console_begin_upload", methods=_POST),
        Route(f"{_BUCKET}/uploads/{{upload_id}}", transfer.Uploads(), name="console_upload", methods=_OF_UPLOAD),
        *_of_files(),
        Route("/console/connect", connect.page, name="console_connect"),
        Route("/console/connect", connect.make_key, name="console_make_key", methods=_POST),
        Route(f"{assets.PLACE}/{{name}}", assets.asset, name="console_asset"),
    ]
    handlers = {
        NotLoggedIn: login.first,
        ApiRefusal: refusals.of_api,
        Problem: refusals.of_problem,
        HTTPException: refusals.of_http,
        Exception: refusals.unexpected,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    app.state.services, app.state.api = services, Api(api, services)
    app.add_middleware(OwnOrigin)
    return Door(app, services.settings, "console")


def _of_files() -> list[Route]:
    about = f"{_BUCKET}/files/{{file_id}}/about"
    return [
        Route(about, file.page, name="console_file"),
        Route(about, file_changes.change, name="console_change_file", methods=_POST),
        Route(f"{_BUCKET}/trash", trash.page, name="console_trash"),
        Route(f"{_BUCKET}/trash", trash.change, name="console_change_trash", methods=_POST),
        Route(f"{_BUCKET}/links", links.page, name="console_links"),
        Route(f"{_BUCKET}/links", links.change, name="console_change_links", methods=_POST),
        Route("/console/jobs/{job_id}/part", work.part, name="console_work"),
    ]


class OwnOrigin:
    """An ASGI application around the routes: what changes something comes from a page of the console."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if request.method not in SAFE_METHODS:
            try:
                require_own_origin(request)
            except Problem as error:
                await (await refusals.of_problem(request, error))(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def home(request: Request) -> Response:
    return RedirectResponse("/console/buckets", 303)
