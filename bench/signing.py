"""Requests as bytes, signed beforehand with Signature Version 4, and the files they are replayed from.

Independent of s3gw's own signing: the bench must not be right just because both make the same mistake. Signatures are
valid for 15 minutes, so a file is written right before it is used. The Host that is signed is a fixed one, whatever
the port: so bare server, ours and peers are sent the very same bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

# Of a form that every server takes; Garage wants GK and 24 hex digits, and 64 hex digits.
ACCESS_KEY_ID = "GK" + "5e" * 12
SECRET_ACCESS_KEY = "a7" * 32
REGION = "us-east-1"
HOST = "s3.bench.invalid:9000"
BUCKET = "bench"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


class Signer:
    """Signs with the time at which it was made."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        self._date = now.strftime("%Y%m%dT%H%M%SZ")
        self._scope = f"{self._date[:8]}/{REGION}/s3/aws4_request"
        key = _hmac(f"AWS4{SECRET_ACCESS_KEY}".encode(), self._date[:8])
        for text in (REGION, "s3", "aws4_request"):
            key = _hmac(key, text)
        self._key = key

    def head(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        payload: str = EMPTY_SHA256,
        length: int = 0,
        signed: Mapping[str, str] | None = None,
        unsigned: str = "",
    ) -> bytes:
        """The request line and headers. `path` holds only letters that need no quoting; `unsigned` are whole lines."""
        parameters = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in (query or {}).items())
        query_string = "&".join(f"{name}={value}" for name, value in parameters)
        headers = {"host": HOST, "x-amz-content-sha256": payload, "x-amz-date": self._date, **(signed or {})}
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        canonical = f"{method}\n{path}\n{query_string}\n{lines}\n{names}\n{payload}"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{self._date}\n{self._scope}\n{digest}"
        signature = _hmac(self._key, text).hex()
        target = f"{path}?{query_string}" if query_string else path
        sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if method == "PUT":
            sent += f"content-length: {length}\r\n"
        return (
            f"{method} {target} HTTP/1.1\r\n{sent}{unsigned}authorization: AWS4-HMAC-SHA256 Credential="
            f"{ACCESS_KEY_ID}/{self._scope}, SignedHeaders={names}, Signature={signature}\r\n\r\n"
        ).encode()

    def put(self, path: str, body: bytes, query: Mapping[str, str] | None = None) -> bytes:
        payload = hashlib.sha256(body).hexdigest()
        return self.head("PUT", path, query=query, payload=payload, length=len(body)) + body


def path_of(key: str) -> str:
    return f"/{BUCKET}/{key}"


def write_records(path: Path, records: Iterable[bytes]) -> int:
    """Each record is its length in eight digits and the request. Gives their number."""
    count = 0
    with path.open("wb") as file:
        for record in records:
            file.write(b"%08d" % len(record))
            file.write(record)
            count += 1
    return count


def read_records(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while length := file.read(8):
            yield file.read(int(length))


def reads(method: str, keys: Sequence[str]) -> Iterator[bytes]:
    """GET, HEAD or DELETE of each of the keys."""
    signer = Signer()
    return (signer.head(method, path_of(key)) for key in keys)


def puts(keys: Iterable[str], size: int) -> Iterator[bytes]:
    """A PUT of each key, with random bytes of its own."""
    signer = Signer()
    return (signer.put(path_of(key), os.urandom(size)) for key in keys)


def mixed(keys: Sequence[str], new: Iterator[str], count: int, size: int) -> Iterator[bytes]:
    """45 % GET, 30 % HEAD, 15 % PUT, 10 % DELETE; what is deleted was put a good while before, in the same stream."""
    signer = Signer()
    chance = random.Random(1)
    written: list[str] = []
    for _ in range(count):
        dice = chance.random()
        if dice < 0.10 and len(written) > 200:
            yield signer.head("DELETE", path_of(written.pop(0)))
        elif dice < 0.25:
            key = next(new)
            written.append(key)
            yield signer.put(path_of(key), os.urandom(size))
        else:
            yield signer.head("HEAD" if dice < 0.55 else "GET", path_of(chance.choice(keys)))


def lists(queries: Iterable[Mapping[str, str]], bucket: str = BUCKET) -> Iterator[bytes]:
    signer = Signer()
    return (signer.head("GET", f"/{bucket}", query={"list-type": "2", **query}) for query in queries)


def ranges(key: str, size: int, length: int, count: int) -> Iterator[bytes]:
    """Ranges of one object, each beginning at a random multiple of its length."""
    signer = Signer()
    chance = random.Random(2)
    for _ in range(count):
        first = chance.randrange(size // length) * length
        yield signer.head("GET", path_of(key), unsigned=f"range: bytes={first}-{first + length - 1}\r\n")
