"""Clients that write for as long as they can, and what each of them knows to be stored.

A key belongs to one client, so its requests have an order. What was acknowledged is the one value that the key may
have; a request without an answer leaves two possibilities.
"""

from __future__ import annotations

import http.client
import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.crash.client import BUCKET, Answer, Client, part_list

KEYS = 5
CHUNK = 128 * 1024  # the server's chunk_size: a body of a few hundred KiB has several


class Refused(Exception):
    """An answer that a correct request must not get."""


@dataclass
class Upload:
    key: str
    upload_id: str
    parts: dict[int, tuple[str, bytes]] = field(default_factory=dict)


class Writer:
    """One client over all rounds. `shared` are bodies that all clients write, so chunks are counted by several.
    `unknown` are the answers that promise nothing.
    """

    unknown = frozenset((503,))

    def __init__(self, name: str, seed: str, shared: Sequence[bytes]) -> None:
        self.name = name
        # Key → the values it may have; None: no object.
        self.possible: dict[str, list[bytes | None]] = {f"{name}/{number}": [None] for number in range(KEYS)}
        self.acknowledged = 0
        self.failures: list[str] = []
        self._random = random.Random(seed)
        self._shared = shared
        self._upload: Upload | None = None

    def work(self, url: str, killed: threading.Event) -> None:
        """Until the connection breaks, which is a failure if nobody has killed the server."""
        actions = (self._put, self._put, self._put, self._delete, self._copy, self._go_on_with_upload)
        try:
            with Client(url) as client:
                while not self.failures:
                    self._random.choice(actions)(client)
        except (OSError, http.client.HTTPException) as error:
            if not killed.is_set():
                self.failures.append(repr(error))
        except Refused as error:
            self.failures.append(str(error))

    def verify(self, url: str) -> None:
        """Every key has one of the values it may have, which is its value from now on, and the listing agrees."""
        with Client(url) as client:
            for key, values in self.possible.items():
                answer = client.request("GET", f"{BUCKET}/{key}")
                found = None if answer.status == 404 else answer.body
                assert answer.status in (200, 404), (key, answer)
                assert any(found == value for value in values), _describe(key, found, values)
                self.possible[key] = [found]
            listing = client.request("GET", f"{BUCKET}?list-type=2&prefix={self.name}/").body.decode()
        for key, (value,) in self.possible.items():
            assert (f"<Key>{key}</Key>" in listing) == (value is not None), (key, listing)

    def _put(self, client: Client) -> None:
        self._write(client, self._key(), self._body(), "PUT")

    def _delete(self, client: Client) -> None:
        self._write(client, self._key(), None, "DELETE")

    def _copy(self, client: Client) -> None:
        source, target = self._random.sample(self._keys(), 2)
        values = self.possible[source]
        if len(values) == 1 and values[0] is not None:
            self._write(client, target, values[0], "PUT", headers={"x-amz-copy-source": f"{BUCKET}/{source}"})

    def _go_on_with_upload(self, client: Client) -> None:
        if self._upload is None:
            key = self._key()
            answer = self._send(client, "POST", f"{key}?uploads=")
            if answer is not None:
                self._upload = Upload(key, answer.tag("UploadId"))
        elif len(self._upload.parts) < 3 or self._random.random() < 0.3:
            number, body = self._random.randint(1, 3), self._body()
            self._upload.parts.pop(number, None)  # without an answer it may be the old or the new one
            answer = self._send(client, "PUT", self._path(f"partNumber={number}"), body)
            if answer is not None:
                self._upload.parts[number] = (answer.headers["etag"], body)
        else:
            upload, path, self._upload = self._upload, self._path(), None
            whole = b"".join(body for _, (_, body) in sorted(upload.parts.items()))
            document = part_list({number: etag for number, (etag, _) in upload.parts.items()})
            self._write(client, upload.key, whole, "POST", document, path=path)

    def _path(self, *arguments: str) -> str:
        assert self._upload is not None
        return f"{self._upload.key}?" + "&".join([*arguments, f"uploadId={self._upload.upload_id}"])

    def _write(
        self,
        client: Client,
        key: str,
        value: bytes | None,
        method: str,
        body: bytes | None = None,
        *,
        path: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.possible[key].append(value)
        sent = body if body is not None else (value if method == "PUT" and not headers else None)
        if self._send(client, method, path or key, sent or b"", headers) is not None:
            self.possible[key] = [value]

    def _send(
        self, client: Client, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer | None:
        """None: nothing is promised."""
        answer = client.request(method, f"{BUCKET}/{path}", body, headers)
        if answer.is_success:
            self.acknowledged += 1
            return answer
        if answer.status not in self.unknown:
            raise Refused(f"{method} {path}: {answer}")
        return None

    def _key(self) -> str:
        return self._random.choice(self._keys())

    def _keys(self) -> list[str]:
        """Those that may be written."""
        return sorted(self.possible)

    def _body(self) -> bytes:
        kind = self._random.random()
        if kind < 0.25:
            return self._random.choice(self._shared)
        largest = 16 * 1024 if kind < 0.7 else 4 * CHUNK
        return self._random.randbytes(self._random.randint(0, largest))


def _describe(key: str, found: bytes | None, values: Sequence[bytes | None]) -> str:
    sizes = [None if value is None else len(value) for value in values]
    return f"{key}: found {None if found is None else len(found)} bytes, but it may have one of {sizes}"
