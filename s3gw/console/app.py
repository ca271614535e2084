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
    account,
    appearance,
    assets,
    bucket_events,
    bucket_grants,
    bucket_policy,
    bucket_settings,
    buckets,
    chosen,
    connect,
    file,
    file_changes,
    files,
    forgotten,
    keys,
    link,
    links,
    login,
    oidc,
    refusals,
    register,
    second_factor,
    transfer,
    trash,
    verification,
    work,
)
from s3gw.console.admin_routes import ADMIN_ROUTES
from s3gw.console.api_call import Api, ApiRefusal
from s3gw.console.pages import begin_to_compile
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
        *ADMIN_ROUTES,
        *_before_login(),
        *_of_access(),
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
    begin_to_compile()
    return Door(app, services.settings, "console")


def _before_login() -> list[Route]:
    """Ways in beside a password, and what links of messages lead to."""
    return [
        Route(oidc.PLACE, oidc.begin, name="console_begin_oidc"),
        Route(f"{oidc.PLACE}/callback", oidc.finish, name="console_finish_oidc"),
        Route("/console/forgotten", forgotten.page, name="console_forgotten"),
        Route("/console/forgotten", forgotten.ask_for_link, name="console_ask_for_reset", methods=_POST),
        Route("/console/reset", forgotten.page_of_link, name="console_reset_form"),
        Route("/console/reset", forgotten.reset, name="console_reset", methods=_POST),
        Route("/console/verify", verification.page, name="console_verify_form"),
        Route("/console/verify", verification.verify, name="console_verify", methods=_POST),
        Route("/console/register", register.page, name="console_register_form"),
        Route("/console/register", register.register, name="console_register", methods=_POST),
    ]


def _of_access() -> list[Route]:
    """Who one is, and who may do what."""
    return [
        Route(account.PLACE, account.page, name="console_account"),
        Route(account.PLACE, account.change, name="console_change_account", methods=_POST),
        Route(second_factor.PLACE, second_factor.page, name="console_second_factor"),
        Route(second_factor.PLACE, second_factor.change, name="console_change_second_factor", methods=_POST),
        Route(keys.PLACE, keys.page, name="console_keys"),
        Route(keys.PLACE, keys.make, name="console_make_keys", methods=_POST),
        Route(f"{keys.PLACE}/{{key_id}}", keys.page_of_one, name="console_key"),
        Route(f"{keys.PLACE}/{{key_id}}", keys.change, name="console_change_key", methods=_POST),
        Route(f"{_BUCKET}/access", bucket_grants.page, name="console_grants"),
        Route(f"{_BUCKET}/access", bucket_grants.change, name="console_change_grants", methods=_POST),
        Route(f"{_BUCKET}/access/people", bucket_grants.people, name="console_people"),
        Route(f"{_BUCKET}/access/policy", bucket_policy.page, name="console_policy"),
        Route(f"{_BUCKET}/access/policy", bucket_policy.change, name="console_change_policy", methods=_POST),
        Route(f"{_BUCKET}/access/policy/check", bucket_policy.check, name="console_check_policy", methods=_POST),
        Route(f"{_BUCKET}/access/settings", bucket_settings.page, name="console_settings"),
        Route(f"{_BUCKET}/access/settings", bucket_settings.change, name="console_change_settings", methods=_POST),
        Route(f"{_BUCKET}/events", bucket_events.page, name="console_bucket_events"),
        Route(f"{_BUCKET}/events", bucket_events.change, name="console_change_bucket_events", methods=_POST),
    ]


def _of_files() -> list[Route]:
    about = f"{_BUCKET}/files/{{file_id}}/about"
    return [
        Route(about, file.page, name="console_file"),
        Route(about, file_changes.change, name="console_change_file", methods=_POST),
        Route(f"{_BUCKET}/trash", trash.page, name="console_trash"),
        Route(f"{_BUCKET}/trash", trash.change, name="console_change_trash", methods=_POST),
        Route(f"{_BUCKET}/links", links.page, name="console_links"),
        Route(f"{_BUCKET}/links", links.change, name="console_change_links", methods=_POST),
        Route(f"{_BUCKET}/links/{{link_id}}", link.page, name="console_link"),
        Route(f"{_BUCKET}/links/{{link_id}}", link.change, name="console_change_link", methods=_POST),
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
