"""Creates under an Idempotency-Key: done once, and answered again to who repeats them.

A key is a user's, or an address's where the route asks nobody who he is, and of one route. What was answered is kept
for a day, without what is shown once: in a repeat those members are null. A create that was refused or failed leaves
its key free. What a process had done that died before it could note the answer may be done again two minutes later.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Header, Request, Response
from fastapi.dependencies.models import Dependant

from s3gw.addresses import client_of
from s3gw.api.caller import caller_of, origin_of, services_of, token_of
from s3gw.api.models import shown_once
from s3gw.metadata import idempotency_keys
from s3gw.metadata.database import DatabaseUnavailable
from s3gw.metadata.idempotency_keys import Begun, Done, Scope
from s3gw.services import Services

Handler = Callable[[Request], Awaitable[Response]]
FORM = r"^[!-~]{1,255}$"  # visible ASCII, as an HTTP header carries it
_logger = logging.getLogger("s3gw.api")


async def documented(
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=FORM,
            description="A name of one's choice for this create: repeated under it within a day, it is done once and"
            " answered as before, with `Idempotent-Replayed: true` and without what is shown once.",
        ),
    ] = None,
) -> None:
    """The header as OpenAPI shows it, and what refuses one that isn't of its form."""


def done_once(handler: Handler, path: str, dependant: Dependant, model: Any) -> Handler:
    """A route's handler around its own. `model` is that of its answer."""
    hidden = shown_once(model)
    knows_caller = _asks_who(dependant)

    async def handle(request: Request) -> Response:
        key = request.headers.get("idempotency-key", "")
        if not re.fullmatch(FORM, key):
            return await handler(request)
        user_id = await _user_of(request) if knows_caller else f"address:{client_of(origin_of(request).address)}"
        if user_id is None:
            return await handler(request)  # which refuses
        return await _once(handler, request, Scope(user_id, f"{request.method} {path}", key), hidden)

    return handle


async def _once(handler: Handler, request: Request, scope: Scope, hidden: frozenset[str]) -> Response:
    services = services_of(request)
    digest = services.request_digests.digest(
        request.url.path.encode(), request.url.query.encode(), _normal(await request.body())
    )
    found = await services.database.write(idempotency_keys.begin, scope, digest, keys=(scope.turn,))
    if isinstance(found, Done):
        return replayed(found)
    try:
        response = await handler(request)
        done = _noted(response, hidden) if response.status_code < 300 else None
    except Exception:
        await end(services, found, None)
        raise
    await end(services, found, done)
    return response


async def end(services: Services, begun: Begun, done: Done | None) -> None:
    """What was done is answered as such, also where its row can't be written."""
    try:
        await services.database.write(idempotency_keys.end, begun, done, keys=(begun.scope.turn,))
    except DatabaseUnavailable as error:
        _logger.warning("an idempotency key of %s is left without its answer: %s", begun.scope.route, error)


async def _user_of(request: Request) -> str | None:
    """Raises NotAuthenticated for a token that isn't good."""
    token = await token_of(request)
    return None if token is None else (await caller_of(request, token)).principal.user_id


def _noted(response: Response, hidden: frozenset[str]) -> Done:
    content = json.loads(bytes(response.body))
    told = {name: None if name in hidden else value for name, value in content.items()}
    return Done(response.status_code, json.dumps({"etag": response.headers.get("etag"), "content": told}))


def replayed(done: Done) -> Response:
    kept = json.loads(done.answer)
    headers = {"Idempotent-Replayed": "true"}
    if kept["etag"] is not None:
        headers["ETag"] = kept["etag"]
    return Response(json.dumps(kept["content"]), done.status, headers, "application/json")


def _normal(body: bytes) -> bytes:
    """The same for bodies that say the same, whatever the order of their members."""
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return body


def _asks_who(dependant: Dependant) -> bool:
    return dependant.call is caller_of or any(_asks_who(below) for below in dependant.dependencies)
