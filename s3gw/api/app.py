"""The API as an application. It is built when the first request for it comes: FastAPI takes a fifth of a second and
20 MiB, which workers that only serve S3 don't need.
"""

from __future__ import annotations

import threading
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from s3gw.api import (
    access,
    archives,
    audit,
    batch,
    bucket_policy,
    bucket_settings,
    buckets,
    copies,
    dashboard,
    docs,
    download,
    event_targets,
    events,
    file_acls,
    file_list,
    files,
    found_files,
    groups,
    health,
    identity_policies,
    jobs,
    keys,
    links,
    nodes,
    notifications,
    oidc,
    presign,
    previews,
    reports,
    resumable,
    scans,
    schedules,
    scrub,
    service_accounts,
    settings,
    share_links,
    totp,
    trash,
    unpack,
    upload,
    user_quotas,
    users,
    versions,
    views,
    zip_entries,
)
from s3gw.api.door import Door
from s3gw.api.errors import refuse_in_json
from s3gw.api.rate_limit import RateLimit
from s3gw.api.route import LARGEST_BODY
from s3gw.services import Services
from s3gw.threads import in_thread
from s3gw.tus import protocol

# In the order in which /docs and docs/API.md tell them. Of two with the same path the first answers: /buckets/by-name/…
ROUTERS: tuple[APIRouter, ...] = (
    users.router,
    user_quotas.router,
    links.router,
    totp.router,
    oidc.router,
    groups.router,
    buckets.router,
    access.router,
    bucket_policy.router,
    identity_policies.router,
    bucket_settings.router,
    file_acls.router,
    upload.router,
    unpack.router,
    unpack.of_stored,
    resumable.router,
    presign.router,
    file_list.router,
    files.router,
    copies.router,
    found_files.router,
    trash.router,
    batch.router,
    versions.router,
    download.router,
    previews.router,
    views.router,
    archives.router,
    zip_entries.router,
    share_links.router,
    events.router,
    event_targets.router,
    notifications.router,
    jobs.router,
    schedules.router,
    reports.router,
    scans.router,
    scrub.router,
    dashboard.router,
    nodes.router,
    settings.router,
    service_accounts.router,
    keys.router,
    audit.router,
    health.router,
)
# What a web page of another origin may send, and see of an answer.
_CORS_ASKS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    *protocol.ASKS,
)
_DOCUMENT = "/openapi.json"
_making = threading.Lock()
_CORS_TELLS = (
    *protocol.TELLS,
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Idempotent-Replayed",
    "RateLimit-Limit",
    "RateLimit-Policy",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Request-Id",
)


def build_api(services: Services) -> Door:
    app = build_app()
    app.state.services = services
    return Door(_with_cors(_limited(app, services), services.settings.api_cors_origins), services.settings)


def build_app() -> FastAPI:
    """The routes alone, and the document of them."""
    # A redirect to a path without its slash would lead to whatever host the client has named.
    app = Documented(openapi_url=_DOCUMENT, docs_url=None, redoc_url=None, redirect_slashes=False)
    for router in ROUTERS:
        app.include_router(router, prefix="/api/v1", max_body_size=LARGEST_BODY)
    app.include_router(docs.router)
    refuse_in_json(app)
    _prepare(app)
    return app


def _prepare(app: FastAPI) -> None:
    """FastAPI prepares routes when it first looks for one, which takes a quarter of a second: here it is in a thread
    (lazy_app.py), there it would be on the event loop.
    """
    nowhere = {"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": []}
    for route in app.router.routes:
        route.matches(nowhere)


class Documented(FastAPI):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The document takes half a second to be made: on the event loop, health checks would find the node dead."""
        if self.openapi_schema is None and scope["type"] == "http" and scope["path"].endswith(_DOCUMENT):
            await in_thread(None, self.openapi)
        await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Made once, when it is first asked for, as what it needs is loaded then."""
        with _making:
            if self.openapi_schema is None:
                from s3gw.api.openapi import document_of

                self.openapi_schema = document_of(self, ROUTERS)
            return self.openapi_schema


def _limited(app: ASGIApp, services: Services) -> ASGIApp:
    limit = services.settings.api_rate_limit
    return app if limit == "off" else RateLimit(app, services, limit)


def _with_cors(app: ASGIApp, origins: list[str]) -> ASGIApp:
    """Tokens are sent in a header, and no cookie is ever set: so no credentials of the browser's are allowed."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"),
        allow_headers=_CORS_ASKS,
        expose_headers=_CORS_TELLS,
        max_age=600,
    )
