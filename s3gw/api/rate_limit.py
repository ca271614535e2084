"""How much somebody may ask in a time: each user, and each address of those who aren't known (S3GW_API_RATE_LIMIT).

It is there to keep one client from taking a worker for itself, and counted in the worker's memory: exact counts over
all workers and nodes would be a write for each request. So a client whose connections come to several workers may ask
as often at each of them. Wrong passwords have exact limits of their own (accounts/attempts.py).

A page of the console asks for its parts by calls of this API, of which the first counts: a person who opens a page has
asked once.

What is kept of it is bounded (accounts/windows.py). The headers are those of
draft-ietf-httpapi-ratelimit-headers-06: plain numbers, which clients and proxies read today; the fields of later drafts
still change from one to the next.
"""

from __future__ import annotations

import math
import time

from limits import RateLimitItem, parse
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from s3gw.accounts.windows import Windows
from s3gw.addresses import client_of
from s3gw.api.door import INSIDE
from s3gw.api.errors import problem_response
from s3gw.auth.master_key import MasterKeyError
from s3gw.metadata import sessions
from s3gw.metadata.database import DatabaseUnavailable
from s3gw.problems import NotAuthenticated, RateLimited
from s3gw.services import Services


class RateLimit:
    """An ASGI application around the API's."""

    def __init__(self, app: ASGIApp, services: Services, limit: str) -> None:
        self._app = app
        self._services = services
        self._limit: RateLimitItem = parse(limit)
        self._limiter = FixedWindowRateLimiter(Windows())
        self._policy = f"{self._limit.amount};w={self._limit.get_expiry()}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if INSIDE in scope and not scope[INSIDE].is_first:
            await self._app(scope, receive, send)
            return
        subject = await self._subject(scope)
        may = self._limiter.hit(self._limit, subject)
        stats = self._limiter.get_window_stats(self._limit, subject)
        reset = max(1, math.ceil(stats.reset_time - time.monotonic()))
        told = {
            "RateLimit-Limit": str(self._limit.amount),
            "RateLimit-Remaining": str(stats.remaining),
            "RateLimit-Reset": str(reset),
            "RateLimit-Policy": self._policy,
        }

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(raw=message["headers"]).update(told)
            await send(message)

        if may:
            await self._app(scope, receive, answer)
        else:
            refusal = RateLimited(f"more than {self._limit}: try again in {reset} s", retry_after=reset)
            await problem_response(scope["state"], refusal)(scope, receive, answer)

    async def _subject(self, scope: Scope) -> str:
        """Whose token it is, if it is good and its session lasts: an ended one uses up nothing of its user's."""
        headers = dict(scope["headers"])
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() == "bearer":
            try:
                user_id, session_id = await self._services.token_keys.verify(token)
                if await self._services.database.read_shared(sessions.find_user, session_id, user_id) is not None:
                    return f"user:{user_id}"
            except (NotAuthenticated, DatabaseUnavailable, MasterKeyError):
                pass
        return f"address:{client_of(scope['state']['origin'].address)}"
