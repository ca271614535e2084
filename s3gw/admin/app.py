"""The admin listener's application: the questions that a load balancer, a container or a monitor asks."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from s3gw.auth.payload import ClientDisconnected
from s3gw.content.store import BlobStore
from s3gw.disks.room import Room
from s3gw.health import OK, health_of, writing_of
from s3gw.metadata.database import Database
from s3gw.process_identity import ProcessIdentity

_METHODS = ("GET", "HEAD")
_IF_WRONG = ("scanning", "node", "clock")
_logger = logging.getLogger("s3gw.admin")
Question = Callable[[Request], Awaitable[Response]]


def build_admin_app(
    database: Database,
    store: BlobStore,
    blobs: Path,
    room: Room,
    identity: ProcessIdentity,
    metrics: Question,
    api: ASGIApp,
    console: ASGIApp,
) -> Starlette:
    """`metrics` answers /metrics, `console` what people's browsers ask for, and `api` all other paths."""

    async def healthz(request: Request) -> JSONResponse:
        """The process answers."""
        return JSONResponse({"status": OK})

    async def readyz(request: Request) -> JSONResponse:
        """It can serve: 503 when it can't even read. Of the virus scanner, of what others think of this node, and of
        its clock it tells only what is wrong.
        """
        health = await health_of(database, store, blobs, room, identity)
        told: dict[str, Any] = {
            name: state for name, state in health._asdict().items() if name not in _IF_WRONG or state != OK
        }
        if health.clock != OK:
            told["clock_ahead_seconds"] = round(identity.clock.ahead / 1_000_000, 1)
        return JSONResponse(told, 200 if health.serves else 503)

    async def writing(request: Request) -> JSONResponse:
        """It takes new objects: 503 when it doesn't. For monitors, and for routes of writes alone."""
        state = await writing_of(database, blobs, room, identity)
        return JSONResponse({"writing": state}, 200 if state == OK else 503)

    questions: dict[str, Question] = {
        "/healthz": healthz,
        "/readyz": readyz,
        "/readyz/writing": writing,
        "/metrics": metrics,
    }
    routes = [Route(path, answer, methods=_METHODS) for path, answer in questions.items()]
    app = Starlette(routes=routes, exception_handlers={Exception: _unexpected})
    app.router.redirect_slashes = False
    app.router.default = _Others(api, console)  # a mount would leave out paths with a line break in them
    return app


class _Others:
    def __init__(self, api: ASGIApp, console: ASGIApp) -> None:
        self._api, self._console = api, console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_console = scope["path"] in ("/", "/console") or scope["path"].startswith("/console/")
        await (self._console if is_console else self._api)(scope, receive, send)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ClientDisconnected):  # who asks for health gives up soon, just after a start for instance
        _logger.error("failed %s", request.url.path, exc_info=error)
    return JSONResponse({"detail": "Internal Server Error"}, 500)
