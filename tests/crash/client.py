"""A small S3 client that hides nothing: presigned requests over plain sockets or straight into the ASGI application.

boto3 would retry, and check what it reads itself; here the test must see what the server did.
"""

from __future__ import annotations

import asyncio
import http.client
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from s3gw.app import open_services
from s3gw.config import load_settings
from s3gw.processes.first_start import prepare
from s3gw.s3.gateway import Gateway
from s3gw.services import Services
from tests.auth.clients import signed_by_botocore
from tests.servers import ROOT_KEY

BUCKET = "bucket"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300 and b"<Error>" not in self.body[:200]

    def tag(self, name: str) -> str:
        """The text of an element of an XML answer."""
        found = re.search(rf"<{name}>([^<]*)</{name}>", self.body.decode())
        assert found is not None, self
        return found[1].replace("&quot;", '"')


def sign(method: str, url: str, headers: Mapping[str, str] | None = None) -> tuple[str, dict[str, str]]:
    """Path and query with the signature, and the headers to send."""
    signed, named = signed_by_botocore("SigV4 query", method, url, dict(headers or {}), pair=ROOT_KEY)
    parts = urlsplit(signed)
    return f"{parts.path}?{parts.query}", named


def part_list(etags: Mapping[int, str]) -> bytes:
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in sorted(etags.items())
    )
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()


class Client:
    """One keep-alive connection, for one thread."""

    def __init__(self, url: str, timeout: float = 60) -> None:
        self._url = url
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)

    def begin(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """The answer, whose body is still to be read."""
        target, named = sign(method, f"{self._url}/{path}", headers)
        self._connection.request(method, target, body, named)
        return self._connection.getresponse()

    def request(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Raises OSError or HTTPException (IncompleteRead) when the connection ends early."""
        response = self.begin(method, path, body, headers)
        return Answer(response.status, {n.lower(): v for n, v in response.getheaders()}, response.read())

    @property
    def port(self) -> int:
        """Ours, once something has been sent."""
        assert self._connection.sock is not None
        port: int = self._connection.sock.getsockname()[1]
        return port

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Aborted(Exception):
    """The application gave up an answer that had begun."""


def scope_of(method: str, path: str, length: int = 0, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A signed request as the server hands it to the application."""
    target, named = sign(method, f"http://s3.test/{path}", headers)
    raw_path, _, query = target.partition("?")
    named = {"Host": "s3.test", "Content-Length": str(length), **named}
    return {
        "type": "http",
        "method": method,
        "scheme": "http",
        "http_version": "1.1",
        "path": raw_path,
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in named.items()],
        "client": ("127.0.0.1", 50000),
    }


@dataclass(frozen=True)
class InProcess:
    """A worker's services and gateway, without processes and sockets."""

    services: Services
    gateway: Gateway

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Raises Aborted, with what had been sent by then."""
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            # Copied: a piece may be a view of a buffer that is used again.
            sent.append({**message, "body": bytes(message.get("body", b""))})

        try:
            await self.gateway(scope_of(method, path, len(body), headers), receive, send)
        except Exception as error:
            raise Aborted(b"".join(message["body"] for message in sent)) from error
        given = {name.decode().lower(): value.decode("latin-1") for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], given, b"".join(message["body"] for message in sent))


def _begin_with(template: Path, data: Path) -> None:
    data.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, data / "s3gw.db")


@asynccontextmanager
async def open_gateway(data: Path, template: Path | None = None, **settings: Any) -> AsyncIterator[InProcess]:
    """A gateway on a data folder. `template` is a migrated SQLite database to begin with; None: the folder is used."""
    values: dict[str, Any] = {"access_log": False} | settings
    if template is not None:
        _begin_with(template, data)
        values |= {"root_access_key_id": ROOT_KEY[0], "root_secret_access_key": ROOT_KEY[1], "buckets": [BUCKET]}
    loaded = load_settings(data=data, **values)
    if template is not None:
        await prepare(loaded)
    async with open_services(loaded, "worker") as services:
        yield InProcess(services, Gateway(services))
