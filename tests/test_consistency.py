"""What one worker has acknowledged, the others show: writes on one connection, reads on many at once.

The supervisor hands connections to the worker that has fewest, so half of ours are served by each of the two.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.raw_requests import Answer, send_on
from tests.servers import RunningServer

Connections = list[http.client.HTTPConnection]


@pytest.fixture
def connections(server: RunningServer) -> Iterator[Connections]:
    opened = [http.client.HTTPConnection(urlsplit(server.s3).netloc, timeout=20) for _ in range(8)]
    for connection in opened:
        send_on(connection, server, "GET", "/")
    yield opened
    for connection in opened:
        connection.close()


def on_all(connections: Connections, server: RunningServer, method: str, path: str) -> list[Answer]:
    return [send_on(connection, server, method, path) for connection in connections]


def test_every_worker_reads_what_was_just_written(server: RunningServer, bucket: str, connections: Connections) -> None:
    for number in range(24):
        writer = connections[number % len(connections)]
        body = b"%d" % number * (1 if number % 2 else 20_000)
        assert send_on(writer, server, "PUT", f"/{bucket}/key", body).status == 200
        assert {answer.body for answer in on_all(connections, server, "GET", f"/{bucket}/key")} == {body}


def test_every_worker_lists_and_misses_what_was_just_changed(
    server: RunningServer, bucket: str, connections: Connections
) -> None:
    for number in range(12):
        writer = connections[-number % len(connections)]
        key = f"key{number:02}"
        send_on(writer, server, "PUT", f"/{bucket}/{key}", b"x")
        for answer in on_all(connections, server, "GET", f"/{bucket}?list-type=2"):
            assert f"<Key>{key}</Key>".encode() in answer.body
        send_on(writer, server, "DELETE", f"/{bucket}/{key}")
        assert {answer.status for answer in on_all(connections, server, "HEAD", f"/{bucket}/{key}")} == {404}
        for answer in on_all(connections, server, "GET", f"/{bucket}?list-type=2"):
            assert b"<KeyCount>0</KeyCount>" in answer.body


def test_every_worker_knows_a_buckets_new_state(
    server: RunningServer, s3: Any, bucket: str, connections: Connections
) -> None:
    for status in ("Enabled", "Suspended", "Enabled"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        for answer in on_all(connections, server, "GET", f"/{bucket}?versioning"):
            assert f"<Status>{status}</Status>".encode() in answer.body
    puts = on_all(connections, server, "PUT", f"/{bucket}/key")
    assert len({answer.headers["x-amz-version-id"] for answer in puts}) == len(connections)
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == len(connections)


def test_every_worker_knows_at_once_that_a_bucket_has_gone_or_come(
    server: RunningServer, s3: Any, bucket: str, connections: Connections
) -> None:
    for _ in range(3):
        s3.delete_bucket(Bucket=bucket)
        assert {answer.status for answer in on_all(connections, server, "HEAD", f"/{bucket}")} == {404}
        assert {answer.refusal for answer in on_all(connections, server, "PUT", f"/{bucket}/key")} == {
            (404, "NoSuchBucket")
        }
        s3.create_bucket(Bucket=bucket)
        assert {answer.status for answer in on_all(connections, server, "HEAD", f"/{bucket}")} == {200}


def test_parts_that_different_workers_took_become_one_object(
    server: RunningServer, s3: Any, bucket: str, connections: Connections
) -> None:
    upload = {"Bucket": bucket, "Key": "key"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    bodies = [bytes([number]) * (5 * 1024 * 1024 if number < 3 else 10) for number in range(4)]
    parts = []
    for number, (connection, body) in enumerate(zip(connections, bodies, strict=False), 1):
        path = f"/{bucket}/key?partNumber={number}&uploadId={upload['UploadId']}"
        etag = send_on(connection, server, "PUT", path, body).headers["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    for answer in on_all(connections[:2], server, "GET", f"/{bucket}/key"):
        assert answer.body == b"".join(bodies)
