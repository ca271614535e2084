"""Stores in the network for the tests: s3gw itself as the store of another, behind a proxy that counts and fails.

The proxy passes on what it is asked as it came, signatures included, until a test sets what shall go wrong.
"""

from __future__ import annotations

import base64
import hmac
import http.client
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from s3gw.content.store_url import parse_store_url
from tests.servers import ROOT_KEY, RunningServer, running_server

if TYPE_CHECKING:
    from s3gw.content.object_store import ObjectStore

BUCKET = "chunks"
_numbers = itertools.count()

Fault = Callable[[str, str], str]  # of method and path: "", or what happens


class Proxy:
    """`requests` are methods and paths without the bucket; `fault` says what happens to one:

    refuse: the connection is closed; hang: no answer comes until `resume`; throttle: 503 SlowDown; lose: it is done,
    and the connection closed; flip: a byte of the answer's body is another one.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.requests: list[tuple[str, str]] = []
        self.fault: Fault = lambda method, path: ""
        self._resumed = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                proxy._handle(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # a client that has gone

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def resume(self) -> None:
        """Nothing goes wrong any more."""
        self.fault = lambda method, path: ""
        self._resumed.set()
        self._resumed = threading.Event()

    def asked(self) -> list[str]:
        """The methods of the requests since the last call."""
        methods = [method for method, _ in self.requests]
        self.requests.clear()
        return methods

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        self.requests.append((request.command, request.path))
        fault = self.fault(request.command, request.path)
        if fault == "hang":
            self._resumed.wait(30)
        if fault in ("refuse", "hang"):
            request.close_connection = True
            return
        if fault == "throttle":
            send_answer(request, 503, {}, b"<Error><Code>SlowDown</Code></Error>")
            return
        upstream = http.client.HTTPConnection(self.upstream, timeout=30)
        try:
            upstream.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            content, headers = answer.read(), dict(answer.getheaders())
        finally:
            upstream.close()
        if fault == "lose":
            request.close_connection = True
            return
        if fault == "flip" and content:
            content = content[:-1] + bytes([content[-1] ^ 1])
        send_answer(request, answer.status, headers, content)

    def close(self) -> None:
        self.resume()
        self._server.shutdown()
        self._server.server_close()


def send_answer(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], content: bytes) -> None:
    request.send_response_only(status)
    for name, value in headers.items():
        if name.lower() not in ("connection", "transfer-encoding"):
            request.send_header(name, value)
    if "content-length" not in {name.lower() for name in headers}:
        request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)


@pytest.fixture(scope="session")
def backing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """An s3gw that has the chunks of others."""
    folder = tmp_path_factory.mktemp("backing") / "data"
    with running_server(folder, "--workers", "1", S3GW_BUCKETS=BUCKET, S3GW_SIGV2="false") as server:
        yield server


@pytest.fixture
def proxy(backing_server: RunningServer) -> Iterator[Proxy]:
    made = Proxy(backing_server.s3)
    yield made
    made.close()


CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": ROOT_KEY[0],
    "AWS_SECRET_ACCESS_KEY": ROOT_KEY[1],
    "AWS_REGION": "us-east-1",
}


def new_url(kind: str = "s3") -> str:
    """Of a prefix that nobody else has."""
    return f"{kind}://{BUCKET}/stores/{next(_numbers)}"


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def objects(proxy: Proxy, credentials: None) -> ObjectStore:
    return new_objects(proxy)


@pytest.fixture
def impatient(proxy: Proxy, credentials: None) -> ObjectStore:
    """It says soon that it can't be asked."""
    return new_objects(proxy, timeout=1)


def new_objects(proxy: Proxy, url: str | None = None, timeout: float = 20) -> ObjectStore:
    from s3gw.content.object_store import ObjectStore  # whose library takes a while to import

    return ObjectStore(parse_store_url(url or new_url()), proxy.url, timeout)


@contextmanager
def failing(proxy: Proxy, kind: str, *methods: str) -> Iterator[None]:
    """Requests of these methods, or all."""
    proxy.fault = lambda method, path: kind if not methods or method in methods else ""
    try:
        yield
    finally:
        proxy.resume()


def program(name: str) -> str | None:
    """As scripts/install-stores.sh installs it."""
    return shutil.which(name, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))


class SeaweedFS:
    """Its S3 endpoint, with our key and bucket; it may be killed, and started again with what it has. It
    listens at `address`.
    """

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        weed = program("weed")
        assert weed is not None, "scripts/install-stores.sh installs it"
        key = {"accessKey": ROOT_KEY[0], "secretKey": ROOT_KEY[1]}
        identity = {"name": "root", "credentials": [key], "actions": ["Admin", "Read", "List", "Tagging", "Write"]}
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (folder / "data").mkdir()
        options = [
            f"-dir={folder / 'data'}",
            "-ip=127.0.0.1",
            f"-ip.bind={address}",
            "-volume.max=1000",  # what is deleted takes room until it is vacuumed
            "-master.volumeSizeLimitMB=64",
            "-filer",
            "-s3",
            "-s3.port.iceberg=0",  # they would be at ports that everybody has
            "-s3.port.lance=0",
        ]
        options += [f"-s3.config={folder / 's3.json'}"]
        ports = free_ports(8)
        for name, port, grpc in zip(("master", "volume", "filer", "s3"), ports[:4], ports[4:], strict=True):
            options += [f"-{name}.port={port}", f"-{name}.port.grpc={grpc}"]
        self._folder, self._command = folder, [weed, "server", *options]
        self.port, self.url = ports[3], f"http://127.0.0.1:{ports[3]}"
        self.process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        with started(self._command, self._folder) as self.process:
            until(lambda: _make_bucket(self.url), self.process)
            yield


@contextmanager
def seaweedfs(folder: Path) -> Iterator[str]:
    store = SeaweedFS(folder)
    with store.running():
        yield store.url


def free_ports(count: int) -> list[int]:
    """That are free just now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _make_bucket(endpoint: str) -> bool:
    s3 = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=ROOT_KEY[0],
        aws_secret_access_key=ROOT_KEY[1], config=Config(s3={"addressing_style": "path"}, connect_timeout=5),
    )  # fmt: skip
    try:
        s3.create_bucket(Bucket=BUCKET)
    except ClientError as error:
        return str(error.response["Error"]["Code"]).startswith("BucketAlready")
    except BotoCoreError:
        return False
    return True


# Which everybody knows: it is in Azurite's documentation.
AZURITE = "devstoreaccount1"
_AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
AZURE_CREDENTIALS = {"AZURE_STORAGE_ACCOUNT_NAME": AZURITE, "AZURE_STORAGE_ACCOUNT_KEY": _AZURITE_KEY}


@contextmanager
def azurite(folder: Path) -> Iterator[str]:
    """Its endpoint, with our container."""
    blob = program("azurite-blob")
    if blob is None:
        pytest.skip("Azurite needs npm")
    (port,) = free_ports(1)
    options = [
        "--inMemoryPersistence",
        "--blobPort",
        str(port),
        "--skipApiVersionCheck",
        "--silent",
        "--disableTelemetry",
    ]
    with started([blob, *options], folder) as process:
        until(lambda: _make_container(port), process)
        yield f"http://127.0.0.1:{port}/{AZURITE}"


def _make_container(port: int) -> bool:
    date, path = formatdate(usegmt=True), f"/{AZURITE}/{BUCKET}"
    signed = f"x-ms-date:{date}\nx-ms-version:2021-08-06"
    text = "PUT" + "\n" * 12 + f"{signed}\n/{AZURITE}{path}\nrestype:container"
    signature = hmac.digest(base64.b64decode(_AZURITE_KEY), text.encode(), "sha256")
    headers = dict(line.split(":", 1) for line in signed.split("\n")) | {"Content-Length": "0"}
    headers["Authorization"] = f"SharedKey {AZURITE}:{base64.b64encode(signature).decode()}"
    return status_of(port, "PUT", f"{path}?restype=container", b"", headers) == 201


def status_of(port: int, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        yield process
    except AssertionError as error:
        raise AssertionError((folder / "log").read_text()[-3000:]) from error
    finally:
        process.terminate()
        process.wait(30)


def until(is_there: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while not is_there():
        assert process.poll() is None and time.monotonic() < until, "it didn't start"
        time.sleep(0.2)
