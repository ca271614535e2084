"""Bytes of files, passed on between the browser and the API as they come: downloads, zips of folders, and uploads that
resume (TUS). These are ASGI applications, since nothing of an answer is kept.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from s3gw.console.api_call import Answer, ApiRefusal, path_of
from s3gw.console.forms import CSRF_HEADER
from s3gw.console.session import SAFE_METHODS, Visitor, require_csrf, visitor_of
from s3gw.console.visit import api_of


class Download:
    """Always saved and never shown: nothing that somebody has stored is a page of this origin. `version` is one of its
    versions, and not what it is now.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = scope["path_params"]
        path = path_of("buckets", given["bucket_id"], "files", given["file_id"], "download")
        version = Request(scope).query_params.get("version", "")
        query = {"attachment": "true"} | ({"version_id": version} if version else {})
        await saved(scope, receive, send, path, urlencode(query))


class ChosenArchive(Response):
    """A zip of files that a form has named."""

    def __init__(self, request: Request, visitor: Visitor, path: str, body: Any) -> None:
        self.background = None
        self._request, self._visitor, self._path, self._body = request, visitor, path, json.dumps(body).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = str(len(self._body)).encode()
        kept = [pair for pair in scope["headers"] if pair[0] not in (b"content-type", b"content-length")]
        told = [*kept, (b"content-type", b"application/json"), (b"content-length", length)]
        is_sent = False

        async def receive_order() -> Message:
            nonlocal is_sent
            if is_sent:
                return await receive()
            is_sent = True
            return {"type": "http.request", "body": self._body, "more_body": False}

        await _passed_on({**scope, "headers": told}, receive_order, send, self._visitor, self._path, "")


class Archive:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = urlencode({"prefix": Request(scope).query_params.get("prefix", "")})
        await saved(scope, receive, send, path_of("buckets", scope["path_params"]["bucket_id"], "archive"), query)


async def saved(scope: Scope, receive: Receive, send: Send, path: str, query: str, name: str | None = None) -> None:
    """Under that name, where the API says none. Raises ApiRefusal, which is told in words, where there is nothing to be
    saved.
    """
    visitor = await visitor_of(Request(scope, receive))
    await _passed_on(scope, receive, send, visitor, path, query, name)


async def _passed_on(
    scope: Scope, receive: Receive, send: Send, visitor: Visitor, path: str, query: str, name: str | None = None
) -> None:
    """As `saved`."""
    refused: list[Message] = []
    content = bytearray()

    async def send_or_keep(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            refused.append(message)
        elif refused:
            content.extend(message.get("body", b""))
        else:
            await send(message if name is None else _named(message, name))

    await api_of(Request(scope)).pass_on(scope, receive, send_or_keep, visitor.claims, path, query)
    if refused and not content:  # 416, and what else has no document
        await send(refused[0])
        await send({"type": "http.response.body", "body": b""})
    elif refused:
        raise ApiRefusal(Answer(refused[0]["status"], {}, bytes(content)))


def _named(message: Message, name: str) -> Message:
    if message["type"] != "http.response.start":
        return message
    told = (b"content-disposition", f'attachment; filename="{name}"'.encode())
    return {**message, "headers": [*message["headers"], told]}


class Uploads:
    """The API's, under addresses of the console's: where one is begun, its address is told as one of these."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        visitor, given = await visitor_of(request), scope["path_params"]
        if scope["method"] not in SAFE_METHODS:
            require_csrf(visitor, request.headers.get(CSRF_HEADER, ""))
        parts = ["buckets", given["bucket_id"], "uploads"]
        if "upload_id" in given:
            parts.append(given["upload_id"])
        await api_of(request).pass_on(scope, receive, _from_here(send), visitor.claims, path_of(*parts), "")


def _from_here(send: Send) -> Send:
    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, _here(value) if name == b"location" else value) for name, value in message["headers"]]
            message = {**message, "headers": headers}
        await send(message)

    return send_on


def _here(location: bytes) -> bytes:
    return b"/console/" + location.partition(b"/api/v1/")[2]
