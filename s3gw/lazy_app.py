"""An application that is built, in a thread, when the first request for it comes: workers that only serve S3 save its
memory and the time to load it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from s3gw.services import Services


class LazyApp:
    def __init__(self, build: Callable[[Services], ASGIApp], services: Services) -> None:
        self._build = build
        self._services = services
        self._building: asyncio.Future[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._building is None:
            self._building = asyncio.ensure_future(asyncio.to_thread(self._build, self._services))
        app = await asyncio.shield(self._building)
        await app(scope, receive, send)


def json_api(services: Services) -> ASGIApp:
    from s3gw.api.app import build_api

    return build_api(services)


def share_pages(services: Services) -> ASGIApp:
    from s3gw.share.app import build_share_app

    return build_share_app(services)


def console(api: ASGIApp, services: Services) -> ASGIApp:
    from s3gw.console.app import build_console

    return build_console(services, api)
