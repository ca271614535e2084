"""Many clients at once for long, while other uploads are broken off: every byte of every answer is compared.

A key belongs to one client, which knows what it must hold. Bodies are windows of the same random bytes, so that any
piece of another body is seen. The short form is part of `make test`; `make soak` runs the long one for
S3GW_SOAK_SECONDS on each database.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.people import PASSWORD, Person
from tests.crash.client import BUCKET, Answer, Client, part_list
from tests.crash.sockets import RawClient
from tests.servers import RunningServer, running_server

_CLIENTS, _CLIENTS_FOR_SHORT, _KEYS = 32, 12, 4  # and of those who break off a quarter as many
_SMALL, _MEDIUM, _LARGE = 16 << 10, 1 << 20, 12 << 20
_BYTES = memoryview(os.urandom(64 << 20))
_SETTINGS = {"S3GW_BUCKETS": BUCKET, "S3GW_MIN_PART": "0", "S3GW_ACCESS_LOG": "false"}
_SETTINGS |= {"S3GW_ROOT_PASSWORD": PASSWORD, "S3GW_KEEP_ALIVE": "3600"}  # other uploads may take long meanwhile
_TUS = {"Tus-Resumable": "1.0.0"}
_LOGGED_IN_FOR = 300.0  # seconds after which a client of the JSON API logs in anew


class WrongAnswer(Exception):
    pass


class BrokenOff(Exception):
    """By the client, in the middle of what it sends."""


class Tally:
    """What has been done, by all threads together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: dict[str, int] = {}
        self.failures: list[str] = []

    def add(self, what: str, count: int = 1) -> None:
        with self._lock:
            self.counts[what] = self.counts.get(what, 0) + count

    def fail(self, reason: str) -> None:
        with self._lock:
            self.failures.append(reason)


class Api:
    """The JSON API, as its applications use it: one connection for each of many clients, and one login for all."""

    def __init__(self, server: RunningServer) -> None:
        self._url = f"{server.admin}/api/v1"
        self._lock = threading.Lock()
        self._person: Person | None = None
        self._logged_in_at = 0.0
        self.bucket: str = server.command("bucket", "show", BUCKET)["id"]

    def client(self) -> httpx.Client:
        """Without certificates, which take longer to load than most requests take."""
        return httpx.Client(base_url=self._url, timeout=60, verify=False)

    def bearer(self) -> dict[str, str]:
        with self._lock:
            if self._person is None or time.monotonic() - self._logged_in_at > _LOGGED_IN_FOR:
                with self.client() as client:
                    self._person, self._logged_in_at = Person(client, "admin"), time.monotonic()
            return self._person.bearer


class SoakClient:
    def __init__(self, number: int, seed: int, tally: Tally, api: Api) -> None:
        self._api = api
        self._random = random.Random(f"{seed} {number}")
        self._tally = tally
        self._values: dict[str, bytes | memoryview | None] = {f"{number}/{key}": None for key in range(_KEYS)}

    def work(self, url: str, until: float) -> None:
        actions = (
            self._put,
            self._put,
            self._get,
            self._get,
            self._get_range,
            self._copy,
            self._complete,
            self._delete,
            self._resume,
            self._post,
        )
        self._guarded(url, lambda client: self._act(client, actions, until))

    def verify(self, url: str) -> None:
        """Every key once more, at the end."""
        self._guarded(url, lambda client: [self._check(client, key) for key in self._values])

    def _guarded(self, url: str, work: Callable[[Client], object]) -> None:
        try:
            with Client(url) as client, self._api.client() as self._http:
                work(client)
        except (OSError, http.client.HTTPException, httpx.HTTPError, WrongAnswer) as error:
            self._tally.fail(repr(error))

    def _act(self, client: Client, actions: tuple[Callable[[Client], None], ...], until: float) -> None:
        while time.monotonic() < until and not self._tally.failures:
            self._random.choice(actions)(client)

    def _put(self, client: Client) -> None:
        key, body = self._key(), self._body()
        answer = self._send(client, "PUT", key, bytes(body))
        _expect(answer.headers["etag"] == f'"{hashlib.md5(body).hexdigest()}"', f"PUT {key}: wrong ETag")
        self._values[key] = body

    def _get(self, client: Client) -> None:
        self._check(client, self._key())

    def _check(self, client: Client, key: str) -> None:
        value, answer = self._values[key], client.request("GET", f"{BUCKET}/{key}")
        _expect(answer.status == (404 if value is None else 200), f"GET {key}: {answer.status}")
        if value is not None:
            self._compare(key, answer.body, value)

    def _get_range(self, client: Client) -> None:
        key = self._key()
        value = self._values[key]
        if value is None or not len(value):
            return
        first = self._random.randrange(len(value))
        last = self._random.randrange(first, len(value))
        answer = client.request("GET", f"{BUCKET}/{key}", headers={"range": f"bytes={first}-{last}"})
        _expect(answer.status == 206, f"GET {key}: {answer.status}")
        self._compare(key, answer.body, value[first : last + 1])

    def _compare(self, key: str, found: bytes, value: bytes | memoryview) -> None:
        _expect(found == value, f"{key}: wrong bytes")
        self._tally.add("bytes compared", len(found))

    def _copy(self, client: Client) -> None:
        source, target = self._random.sample(sorted(self._values), 2)
        if self._values[source] is not None:
            self._send(client, "PUT", target, headers={"x-amz-copy-source": f"{BUCKET}/{source}"})
            self._values[target] = self._values[source]

    def _complete(self, client: Client) -> None:
        key = self._key()
        upload_id = self._send(client, "POST", f"{key}?uploads=").tag("UploadId")
        etags, bodies = {}, [self._body() for _ in range(self._random.randint(1, 3))]
        for number, body in enumerate(bodies, 1):
            answer = self._send(client, "PUT", f"{key}?partNumber={number}&uploadId={upload_id}", bytes(body))
            etags[number] = answer.headers["etag"]
        if self._random.random() < 0.2:
            self._send(client, "DELETE", f"{key}?uploadId={upload_id}")
        else:
            self._send(client, "POST", f"{key}?uploadId={upload_id}", part_list(etags))
            self._values[key] = b"".join(bodies)

    def _resume(self, client: Client) -> None:
        """By TUS; some pieces are broken off in the middle."""
        key, body = self._key(), self._body()
        path = f"/buckets/{self._api.bucket}/uploads"
        named = {"path": key, "overwrite": "true"}
        said = ",".join(f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in named.items())
        headers = {**_TUS, "Upload-Length": str(len(body)), "Upload-Metadata": said}
        made = self._ask("POST", path, headers=headers)
        where, offset = urlsplit(made.headers["Location"]).path.removeprefix("/api/v1"), 0
        while offset < len(body):
            size = self._random.randint(1, len(body) - offset)
            piece = bytes(body[offset : offset + size])
            headers = {**_TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            if self._random.random() < 0.3:
                self._break_off(where, headers, piece)
            else:  # 409: what had arrived of a piece that was broken off was stored meanwhile
                self._ask("PATCH", where, also=409, headers=headers, content=piece)
            offset = int(self._ask("HEAD", where, headers=_TUS).headers["Upload-Offset"])
        self._values[key] = body

    def _break_off(self, where: str, headers: dict[str, str], piece: bytes) -> None:
        """The connection is closed before all that was announced is sent."""

        def some() -> Iterator[bytes]:
            yield piece[: len(piece) // 2]
            raise BrokenOff

        headers = headers | self._api.bearer() | {"Content-Length": str(len(piece))}
        with self._api.client() as api, suppress(BrokenOff):
            api.patch(where, headers=headers, content=some())
        self._tally.add("pieces broken off")

    def _post(self, client: Client) -> None:
        """In one request to the JSON API, raw or as a form."""
        key, body = self._key(), bytes(self._body())
        path = f"/buckets/{self._api.bucket}/files"
        more: dict[str, Any] = {"content": body, "headers": {"Content-Type": "application/octet-stream"}}
        if self._random.random() < 0.5:
            more = {"files": {"file": ("a", body)}}
        file = self._ask("POST", path, params={"path": key, "overwrite": "true"}, **more).json()
        _expect(file["checksum"] == hashlib.sha256(body).hexdigest(), f"POST {key}: wrong checksum")
        self._values[key] = body

    def _ask(self, method: str, path: str, also: int = 200, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {}) | self._api.bearer()
        answer = self._http.request(method, path, headers=headers, **more)
        _expect(answer.is_success or answer.status_code == also, f"{method} {path}: {answer.status_code} {answer.text}")
        self._tally.add(f"{method} at the JSON API")
        return answer

    def _delete(self, client: Client) -> None:
        key = self._key()
        self._send(client, "DELETE", key)
        self._values[key] = None

    def _send(self, client: Client, method: str, path: str, body: bytes = b"", headers: Any = None) -> Answer:
        answer = client.request(method, f"{BUCKET}/{path}", body, headers)
        _expect(answer.is_success, f"{method} {path}: {answer}")
        self._tally.add(method)
        return answer

    def _key(self) -> str:
        return self._random.choice(sorted(self._values))

    def _body(self) -> memoryview:
        largest = self._random.choices((_SMALL, _MEDIUM, _LARGE), (5, 4, 1))[0]
        size = self._random.randint(0, largest)
        start = self._random.randrange(len(_BYTES) - size)
        return _BYTES[start : start + size]


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise WrongAnswer(otherwise)


def break_off(server: RunningServer, seed: int, number: int, until: float, tally: Tally) -> None:
    """Begin uploads, send a part of each, some of it slowly, and go away."""
    chance = random.Random(f"{seed} breaker {number}")
    while time.monotonic() < until and not tally.failures:
        length = chance.randint(_SMALL, _LARGE)
        client = RawClient(server)
        try:
            client.begin("PUT", f"broken/{number}", length)
            for _ in range(chance.randint(1, 4)):
                start = chance.randrange(len(_BYTES) - length)
                client.send(bytes(_BYTES[start : start + chance.randrange(length // 4)]))
                time.sleep(chance.choice((0, 0, 0.01, 0.3)))
        finally:
            client.close(reset=chance.random() < 0.5)
        tally.add("uploads broken off")


def soak(server: RunningServer, seconds: float, seed: int, count: int) -> Tally:
    tally, until = Tally(), time.monotonic() + seconds
    api = Api(server)
    clients = [SoakClient(number, seed, tally, api) for number in range(count)]
    threads = [threading.Thread(target=client.work, args=(server.s3, until)) for client in clients]
    threads += [
        threading.Thread(target=break_off, args=(server, seed, number, until, tally)) for number in range(count // 4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.verify(server.s3)
    return tally


def _check(database: str, seconds: float, count: int, request: pytest.FixtureRequest, disk_path: Path) -> None:
    settings, seed = dict(_SETTINGS), random.randrange(10**6)
    if database == "postgresql":
        postgresql = request.getfixturevalue("postgresql")
        settings["S3GW_DATABASE_URL"] = postgresql.url(postgresql.create_database())
    with running_server(disk_path / "data", **settings) as server:
        tally = soak(server, seconds, seed, count)
        print(f"{database}, seed {seed}: {tally.counts}")
        assert tally.failures == [], f"seed {seed}\n{server.log.read_text()[-8000:]}"
        assert tally.counts["PUT"] > 0 and tally.counts["uploads broken off"] > 0
        log = server.log.read_text()
        assert "Traceback" not in log and " error " not in log, log[-4000:]


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)])
def test_every_byte_is_right_while_uploads_are_broken_off(
    database: str, request: pytest.FixtureRequest, disk_path: Path
) -> None:
    _check(database, 2, _CLIENTS_FOR_SHORT, request, disk_path)


@pytest.mark.soak
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_every_byte_is_right_for_long(database: str, request: pytest.FixtureRequest, disk_path: Path) -> None:
    _check(database, float(os.environ.get("S3GW_SOAK_SECONDS", "1800")), _CLIENTS, request, disk_path)
