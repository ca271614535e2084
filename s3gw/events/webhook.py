"""Telling an event to a webhook: a POST, signed as Standard Webhooks has it.

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md: the headers webhook-id,
webhook-timestamp and webhook-signature, `v1,` and the HMAC-SHA256 of id, time and body; a secret is `whsec_` and 24 to
64 bytes in base64. Told is what was answered with 2xx. Redirects aren't followed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

import httpcore

from s3gw.events.attempt import attempt
from s3gw.events.message import Message, NotTold
from s3gw.events.reach import Backend, Network

if TYPE_CHECKING:
    from s3gw.events.message import Secrets

_PREFIX = "whsec_"
_FEWEST, _MOST = 24, 64  # bytes of a secret
_CONNECTIONS = 32 * 8  # for all targets that are told something at a time: none waits for the silence of others
_KEPT = 32  # of those that nothing is told over at the moment
_MOST_READ = 16 * 1024  # bytes of an answer; one with more costs its connection


def new_secret() -> str:
    return _PREFIX + base64.b64encode(os.urandom(32)).decode()


def key_in(secret: str) -> bytes:
    """Raises ValueError for what isn't a secret."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not _FEWEST <= len(key) <= _MOST:
        raise ValueError(f"a secret is {_PREFIX} and {_FEWEST} to {_MOST} bytes in base64")
    return key


def signature_of(secret: str, message: Message) -> str:
    signed = f"{message.id}.{message.at}.".encode() + message.body
    return "v1," + base64.b64encode(hmac.digest(key_in(secret), signed, "sha256")).decode()


class Webhooks:
    """The connections to all of them. Used on the event loop only."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_KEPT,
            keepalive_expiry=30.0,
            network_backend=Backend(networks),
        )

    async def tell(self, secrets: Secrets, message: Message) -> None:
        """Raises NotTold."""
        url, secret = secrets
        async with attempt(httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
            status = await self._post(url, list(_headers(url, secret, message).items()), message.body)
        if not 200 <= status < 300:
            raise NotTold(f"it answered {status}")

    async def _post(self, url: str, headers: list[tuple[bytes | str, bytes | str]], body: bytes) -> int:
        async with self._pool.stream("POST", url, headers=headers, content=body) as answer:
            read = 0
            async for piece in answer.aiter_stream():  # to its end, or the connection is of no more use
                read += len(piece)
                if read > _MOST_READ:
                    break
            return answer.status

    async def close(self) -> None:
        await self._pool.aclose()


def _headers(url: str, secret: str, message: Message) -> dict[str, str]:
    user, at, host = urlsplit(url).netloc.rpartition("@")
    headers = {
        "Host": host,
        "User-Agent": "s3gw",
        "Content-Type": "application/json",
        "Content-Length": str(len(message.body)),
        "webhook-id": message.id,
        "webhook-timestamp": str(message.at),
        "webhook-signature": signature_of(secret, message),
    }
    if at:
        headers["Authorization"] = "Basic " + base64.b64encode(unquote_to_bytes(user)).decode()
    return headers
