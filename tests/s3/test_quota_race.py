"""Quotas beside many writers: of what fifty of them bring to two workers at once, what fits is stored, and no more."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.cli.commands import beside
from tests.gateways import client_of
from tests.servers import RunningServer

SIZE, FIT, AT_ONCE = 20_000, 10, 50  # larger than what is kept in the database
_numbers = itertools.count()
Write = Callable[[], int]


class Limited(NamedTuple):
    """A bucket in which ten writes fit, and half of another one; `source` has an object to be copied."""

    server: RunningServer
    s3: Any
    name: str
    source: str


@pytest.fixture
def limited(server: RunningServer) -> Limited:
    s3, number = client_of(server, max_pool_connections=AT_ONCE), next(_numbers)
    name, source = f"limited-{number}", f"limited-source-{number}"
    for bucket in (name, source):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=source, Key="whole", Body=b"c" * SIZE)
    beside(server)("quota", "set", "--bucket", name, "--bytes", str(FIT * SIZE + SIZE // 2))
    return Limited(server, s3, name, source)


def status_of(write: Callable[[], Any]) -> int:
    try:
        return int(write()["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as error:
        is_refused = error.response["Error"]["Code"] == "QuotaExceeded"
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"]) if is_refused else 0


def put(at: Limited, key: str) -> Write:
    return lambda: status_of(lambda: at.s3.put_object(Bucket=at.name, Key=key, Body=b"p" * SIZE))


def copy(at: Limited, key: str) -> Write:
    source = {"Bucket": at.source, "Key": "whole"}
    return lambda: status_of(lambda: at.s3.copy_object(Bucket=at.name, Key=key, CopySource=source))


def part(at: Limited, key: str) -> Write:
    named = {"Bucket": at.name, "Key": key}
    named["UploadId"] = at.s3.create_multipart_upload(**named)["UploadId"]
    return lambda: status_of(lambda: at.s3.upload_part(**named, PartNumber=1, Body=b"m" * SIZE))


def form(at: Limited, key: str) -> Write:
    signed = at.s3.generate_presigned_post(at.name, key)

    def send() -> int:
        answer = httpx.post(signed["url"], data=signed["fields"], files={"file": b"f" * SIZE}, timeout=60)
        assert answer.status_code == 204 or "<Code>QuotaExceeded</Code>" in answer.text, answer.text
        return answer.status_code

    return send


@pytest.mark.parametrize("ways", [(put, copy, part, form), (put,)], ids=["each way", "PutObject"])
def test_of_fifty_writes_at_once_exactly_those_are_stored_that_fit(
    limited: Limited, ways: tuple[Callable[[Limited, str], Write], ...]
) -> None:
    keys = [f"{way.__name__}-{number}" for number, way in zip(range(AT_ONCE), itertools.cycle(ways), strict=False)]
    writes = [way(limited, key) for key, way in zip(keys, itertools.cycle(ways), strict=False)]
    start = Barrier(AT_ONCE)

    def write(one: Write) -> int:
        start.wait()
        return one()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        statuses = list(threads.map(write, writes))
    assert {*statuses} == {200, 403} | {204} & {*statuses}
    done = {key for key, status in zip(keys, statuses, strict=True) if status < 300}
    assert len(done) == FIT
    assert stored(limited) == done
    (told,) = beside(limited.server)("usage", "list", limited.name)
    assert told["bytes"] + told["part_bytes"] == FIT * SIZE
    assert beside(limited.server)("usage", "check", limited.name) == []
    refused = put(limited, "one-more")
    assert refused() == 403
    limited.s3.put_object(Bucket=limited.name, Key="half", Body=b"h" * (SIZE // 2))


def stored(at: Limited) -> set[str]:
    """The keys of objects, and of uploads that have a part."""
    found = {entry["Key"] for entry in at.s3.list_objects_v2(Bucket=at.name).get("Contents", ())}
    for upload in at.s3.list_multipart_uploads(Bucket=at.name).get("Uploads", ()):
        named = {"Bucket": at.name, "Key": upload["Key"], "UploadId": upload["UploadId"]}
        if at.s3.list_parts(**named).get("Parts"):
            found.add(upload["Key"])
    return found


def test_a_long_body_is_refused_before_any_of_it_is_sent(limited: Limited) -> None:
    target = urlsplit(limited.s3.generate_presigned_url("put_object", {"Bucket": limited.name, "Key": "long"}))
    head = f"PUT {target.path}?{target.query} HTTP/1.1\r\nHost: {target.netloc}\r\nContent-Length: 1073741824\r\n\r\n"
    with socket.create_connection((target.hostname, target.port or 80), timeout=20) as connection:
        connection.sendall(head.encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"<Code>QuotaExceeded</Code>" in answer
    assert b"It leaves 210000 bytes." in answer
    assert stored(limited) == set()
