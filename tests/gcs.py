"""Google's object store for the tests: fake-gcs-server, and before it what it lacks.

It has Google's JSON API, and of the XML API, which obstore speaks, all but to put and to copy an object: those it is
asked here in the words of the JSON API.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote, unquote, urlencode, urlsplit

import pytest

from tests.stores import BUCKET, Proxy, free_ports, program, send_answer, started, status_of, until

_JSON = {"Content-Type": "application/json"}


def google_credentials(endpoint: str) -> dict[str, str]:
    """Of somebody whom nobody asks for a token."""
    key = {"gcs_base_url": endpoint, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    return {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(key)}


class _XmlApi(Proxy):
    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        if request.command == "PUT":
            self._put(request)
        else:
            super()._handle(request)

    def _put(self, request: BaseHTTPRequestHandler) -> None:
        bucket, _, name = urlsplit(request.path).path[1:].partition("/")
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        only_if = request.headers.get("x-goog-if-generation-match")
        condition = {} if only_if is None else {"ifGenerationMatch": only_if}
        source = request.headers.get("x-goog-copy-source")
        if source is None:
            query = {"uploadType": "media", "name": unquote(name)} | condition
            status, said = self._ask(f"/upload/storage/v1/b/{bucket}/o?{urlencode(query)}", body)
        else:
            from_bucket, _, from_name = unquote(source).strip("/").partition("/")
            names = quote(from_name, safe=""), quote(unquote(name), safe="")
            path = f"/storage/v1/b/{from_bucket}/o/{names[0]}/rewriteTo/b/{bucket}/o/{names[1]}"
            status, said = self._ask(f"{path}?{urlencode(condition)}", b"")
        if status != 200:
            send_answer(request, status, {}, said)
            return
        stored = json.loads(said).get("resource") or json.loads(said)
        headers = {"ETag": f'"{stored["etag"]}"', "x-goog-generation": str(stored["generation"])}
        send_answer(request, 200, headers, b"<CopyObjectResult/>" if source is not None else b"")

    def _ask(self, path: str, body: bytes) -> tuple[int, bytes]:
        upstream = http.client.HTTPConnection(self.upstream, timeout=30)
        try:
            upstream.request("POST", path, body, {"Content-Type": "application/octet-stream"})
            said = upstream.getresponse()
            return said.status, said.read()
        finally:
            upstream.close()


@contextmanager
def gcs(folder: Path) -> Iterator[str]:
    """Its endpoint, with our bucket."""
    emulator = program("fake-gcs-server")
    if emulator is None:
        pytest.skip("fake-gcs-server needs Go")
    (port,) = free_ports(1)
    front = _XmlApi(f"http://127.0.0.1:{port}")
    options = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    options += ["-public-host", urlsplit(front.url).netloc, "-external-url", front.url]
    bucket = json.dumps({"name": BUCKET}).encode()
    try:
        with started([emulator, *options], folder) as process:
            until(lambda: status_of(port, "POST", "/storage/v1/b?project=tests", bucket, _JSON) in (200, 409), process)
            yield front.url
    finally:
        front.close()
