"""How much an address may ask of a worker: as much as of the JSON API (S3GW_API_RATE_LIMIT), before a token is looked
at, so nobody tries tokens, or fills the audit log by a link that he has, faster than that.
"""

from __future__ import annotations

import math
import time

from limits import parse
from limits.strategies import FixedWindowRateLimiter
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from s3gw.accounts.windows import Windows
from s3gw.addresses import client_of
from s3gw.problems import RateLimited
from s3gw.share import pages


class RateLimit:
    """An ASGI application around the pages."""

    def __init__(self, app: ASGIApp, limit: str) -> None:
        self._app = app
        self._limit = parse(limit)
        self._limiter = FixedWindowRateLimiter(Windows())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = client_of(scope["state"]["origin"].address)
        if self._limiter.hit(self._limit, client):
            await self._app(scope, receive, send)
            return
        over = self._limiter.get_window_stats(self._limit, client).reset_time - time.monotonic()
        refusal = pages.refusal(Request(scope), 429, RateLimited.error_code, max(1, math.ceil(over)))
        await refusal(scope, receive, send)
