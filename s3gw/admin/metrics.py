"""`/metrics`: who may see it, and what is answered.

With S3GW_METRICS_TOKEN, whoever has it. Without, whoever asks from this machine and not through a proxy, where the
admin listener is this machine's alone: numbers of users and bytes are nobody else's business.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from s3gw.addresses import is_loopback, parse_address, was_forwarded
from s3gw.metrics.exposition import Exposition

if TYPE_CHECKING:
    from s3gw.config import Settings
    from s3gw.storage import Storage

_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    def __init__(self, storage: Storage) -> None:
        self._settings = storage.settings
        self._exposition = Exposition(storage)

    async def answer(self, request: Request) -> Response:
        if refusal := _refusal(request, self._settings):
            return refusal
        return Response(await self._exposition.text(), media_type=_TYPE)


def _refusal(request: Request, settings: Settings) -> Response | None:
    token = settings.metrics_token
    if token is None:
        if is_loopback(parse_address(settings.admin_listen)[0]) and _asks_from_here(request):
            return None
        return PlainTextResponse("Set S3GW_METRICS_TOKEN to be asked for metrics from elsewhere.\n", 403)
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return None
    return PlainTextResponse("The metrics need S3GW_METRICS_TOKEN.\n", 401, {"WWW-Authenticate": "Bearer"})


def _asks_from_here(request: Request) -> bool:
    return request.client is not None and is_loopback(request.client.host) and not was_forwarded(request.headers)
