"""Signed requests sent as they are, without a client's own ideas of what may be sent."""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from s3gw.wire.model import operations
from s3gw.wire.route import example_scope
from tests.servers import ROOT_KEY, RunningServer

UNSIGNED_BODY = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}


Key = tuple[str, str]


def content_md5(body: bytes) -> dict[str, str]:
    """The header that some operations demand."""
    return {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}


class _Signer(S3SigV4Auth):
    def payload(self, request: AWSRequest) -> str:
        return str(self._given or super().payload(request))

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        self._given = request.headers.get("X-Amz-Content-SHA256")
        super()._modify_request_before_signing(request)


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: http.client.HTTPMessage

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and code, as `refusal` of boto3's errors; no code: an empty string."""
        return self.status, self.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()


def signed(
    server: RunningServer, method: str, path: str, body: bytes = b"", *, key: Key | None = ROOT_KEY, **headers: str
) -> tuple[str, dict[str, str]]:
    """Path and headers. An X-Amz-Content-SHA256 that is given is signed as it is, right or wrong. No key: unsigned."""
    if key is None:
        return path, headers
    request = AWSRequest(method, server.s3 + path, data=body, headers=headers)
    _Signer(Credentials(*key), "s3", "us-east-1").add_auth(request)
    return path, dict(request.headers)


def send(
    server: RunningServer, method: str, path: str, body: bytes = b"", *, key: Key | None = ROOT_KEY, **headers: str
) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(server.s3).netloc, timeout=20)
    try:
        return send_on(connection, server, method, path, body, key=key, **headers)
    finally:
        connection.close()


def send_on(
    connection: http.client.HTTPConnection,
    server: RunningServer,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    key: Key | None = ROOT_KEY,
    **headers: str,
) -> Answer:
    """On a connection that is kept: a request to one and the same worker."""
    target, all_headers = signed(server, method, path, body, key=key, **headers)
    connection.request(method, target, body, all_headers)
    answer = connection.getresponse()
    return Answer(answer.status, answer.read(), answer.headers)


def send_example(
    server: RunningServer, bucket: str, name: str, *, key: Key | None = ROOT_KEY, **headers: str
) -> Answer:
    """The barest request that means the operation, on a bucket that is there."""
    scope = example_scope(operations()[name])
    path = scope["path"].replace("/bucket", f"/{bucket}", 1) + "?" + scope["query_string"].decode()
    required = {header.decode(): value.decode() for header, value in scope["headers"] if header != b"host"}
    if "x-amz-copy-source" in required:
        required["x-amz-copy-source"] = f"{bucket}/key"
    return send(server, scope["method"], path.rstrip("?"), key=key, **required, **headers)


def connect(server: RunningServer) -> socket.socket:
    address = urlsplit(server.s3)
    return socket.create_connection((str(address.hostname), address.port or 80), timeout=20)


def head(server: RunningServer, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of a signed request up to its body, with just the framing headers that the caller gives."""
    path, all_headers = signed(server, method, path, body, **headers)
    all_headers.setdefault("Host", urlsplit(server.s3).netloc)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in all_headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def read_answer(peer: socket.socket) -> Answer:
    response = http.client.HTTPResponse(peer)
    response.begin()
    answer = Answer(response.status, response.read(), response.headers)
    response.close()
    return answer
