"""Uploads under an Idempotency-Key: stored once, and answered again to who repeats them (idempotency.py has the rules).

What tells one from another isn't known before all of it came: what is asked for, without the boundary of a form, and
then its fields and the SHA-256 of each file, which is computed anyway. Of a repeat the body is read and hashed, and
nothing of it is stored. An upload may take hours: as long as it lasts, its row says every half minute that it does.

The digests are under no key, so they last over another master key: the answer beside them has what they are of, the
SHA-256 of each file too.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from fastapi import Request, Response
from pydantic import BaseModel

from s3gw.api.idempotency import FORM, end, replayed
from s3gw.auth.request_digests import open_digest
from s3gw.metadata import idempotency_keys
from s3gw.metadata.database import DatabaseUnavailable
from s3gw.metadata.idempotency_keys import Begun, Done, Scope
from s3gw.operations.call import Body
from s3gw.problems import IdempotencyMismatch
from s3gw.services import Services
from s3gw.threads import in_thread

_RENEW = 30.0  # seconds; a row that isn't renewed is taken over after two minutes


class SentFile(NamedTuple):
    """`sha256` in base64; the others as the form says them."""

    filename: str | None
    file_type: str | None
    sha256: str | None


class Sent(NamedTuple):
    """What a body said. `fields` are those of a form."""

    fields: Sequence[tuple[str, str]]
    files: Sequence[SentFile]


class Stored(NamedTuple):
    answer: BaseModel
    sent: Sent
    headers: Mapping[str, str] = {}


Store = Callable[[], Awaitable[Stored]]
Read = Callable[[], Awaitable[Sent]]


async def upload_once(
    services: Services, user_id: str, request: Request, route: str, head: Sequence[str], store: Store, read: Read
) -> Response | Stored:
    """`head` tells what is asked for, as far as it isn't the body; `read` reads that without storing anything."""
    key = request.headers.get("idempotency-key", "")
    if not re.fullmatch(FORM, key):
        return await store()
    digest = open_digest(request.url.path.encode(), request.url.query.encode(), _json(head))
    scope = Scope(user_id, route, key)
    found = await services.database.write(idempotency_keys.begin, scope, digest, keys=(scope.turn,))
    if isinstance(found, Done):
        if _of_body(await read()) != found.body:
            raise IdempotencyMismatch("this Idempotency-Key was used for an upload of something else")
        return replayed(found)
    async with _holding(services, found) as held:
        try:
            stored = await store()
        except Exception:
            await held.end(None)
            raise
        kept = {"etag": stored.headers.get("ETag"), "content": stored.answer.model_dump(mode="json")}
        await held.end(Done(201, json.dumps(kept), _of_body(stored.sent)))
    return stored


class _Held:
    """A row that is begun, renewed until its end. On the event loop only."""

    def __init__(self, services: Services, begun: Begun) -> None:
        self._services, self._begun = services, begun
        self._has_ended = asyncio.Event()
        self._renewing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._has_ended.wait(), _RENEW)
                return
            except TimeoutError:
                pass
            try:
                turn = (self._begun.scope.turn,)
                self._begun = await self._services.database.write(idempotency_keys.renew, self._begun, keys=turn)
            except DatabaseUnavailable:
                pass  # three more come before it is taken over

    async def end(self, done: Done | None) -> None:
        self._has_ended.set()
        await self._renewing
        await end(self._services, self._begun, done)

    def leave(self) -> None:
        self._renewing.cancel()


@asynccontextmanager
async def _holding(services: Services, begun: Begun) -> AsyncGenerator[_Held, None]:
    held = _Held(services, begun)
    try:
        yield held
    finally:
        held.leave()


async def read_file(body: Body, filename: str | None = None, file_type: str | None = None) -> SentFile:
    """To its end."""
    hasher = hashlib.sha256()
    while piece := await body.read():
        await in_thread(None, hasher.update, piece)
    return SentFile(filename, file_type, base64.b64encode(hasher.digest()).decode())


def _of_body(sent: Sent) -> bytes:
    return open_digest(b"upload", _json(sent))


def _json(told: Any) -> bytes:
    return json.dumps(told).encode()
