"""The JSON API, built in a thread when the first request for it comes: workers that only serve S3 save its memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from s3gw.services import Services


class LazyApi:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._building: asyncio.Future[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._building is None:
            self._building = asyncio.ensure_future(asyncio.to_thread(_build, self._services))
        app = await asyncio.shield(self._building)
        await app(scope, receive, send)


def _build(services: Services) -> ASGIApp:
    from s3gw.api.app import build_api

    return build_api(services)
