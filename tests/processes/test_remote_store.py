"""A server whose chunks are in another object store: what its clients see, also when the store is away."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from tests.gateways import client_of
from tests.processes.test_refused_starts import serve
from tests.servers import RunningServer, running_server
from tests.stores import BUCKET, CREDENTIALS, Proxy, failing, new_url

ONE_WORKER = ("--workers", "1")
BODY = os.urandom(300_000)


class Front(NamedTuple):
    server: RunningServer
    s3: Any
    proxy: Proxy
    prefix: str  # of its objects in the store


@pytest.fixture(scope="module")
def front(backing_server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    proxy, url = Proxy(backing_server.s3), new_url()
    settings = {
        "S3GW_BLOBS": url,
        "S3GW_BLOBS_ENDPOINT": proxy.url,
        "S3GW_BLOBS_TIMEOUT": "1",
        "S3GW_BUCKETS": "bucket",
    }
    data = tmp_path_factory.mktemp("front") / "data"
    with running_server(data, *ONE_WORKER, **settings, **CREDENTIALS) as server:
        yield Front(server, client_of(server), proxy, url.removeprefix(f"s3://{BUCKET}/"))
    proxy.close()


def stored(front: Front, backing_server: RunningServer) -> list[str]:
    listed = client_of(backing_server).list_objects_v2(Bucket=BUCKET, Prefix=f"{front.prefix}/chunks/")
    return [found["Key"] for found in listed.get("Contents", [])]


@pytest.mark.parametrize(
    "size", [0, 16_385, *(pytest.param(size, marks=pytest.mark.soak) for size in (1000, 300_000, 9_000_000))]
)
@pytest.mark.soak
def test_objects_of_any_size_come_back(front: Front, size: int) -> None:
    body = os.urandom(size)
    front.s3.put_object(Bucket="bucket", Key="key", Body=body)
    assert front.s3.get_object(Bucket="bucket", Key="key")["Body"].read() == body
    if size > 100:
        part = front.s3.get_object(Bucket="bucket", Key="key", Range=f"bytes=50-{size - 50}")
        assert part["Body"].read() == body[50 : size - 49]


def test_chunks_are_in_the_store_and_nowhere_else(front: Front, backing_server: RunningServer) -> None:
    before = len(stored(front, backing_server))
    front.s3.put_object(Bucket="bucket", Key="here", Body=os.urandom(100_000))
    assert len(stored(front, backing_server)) == before + 1
    assert not (front.server.data / "blobs").exists()
    assert sum(path.stat().st_size for path in front.server.data.glob("*") if path.is_file()) < 50_000_000


def test_the_same_bytes_again_are_not_sent_again(front: Front, backing_server: RunningServer) -> None:
    body = os.urandom(500_000)
    front.s3.put_object(Bucket="bucket", Key="one", Body=body)
    before = stored(front, backing_server)
    front.proxy.asked()
    front.s3.put_object(Bucket="bucket", Key="two", Body=body)
    assert "PUT" not in front.proxy.asked()
    assert stored(front, backing_server) == before
    assert front.s3.get_object(Bucket="bucket", Key="two")["Body"].read() == body


def refused(front: Front, method: str, **more: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as error:
        getattr(front.s3, method)(Bucket="bucket", **more)
    return dict(error.value.response)


def is_slow_down(answer: dict[str, Any]) -> bool:
    told = answer["ResponseMetadata"]
    code = answer["Error"]["Code"] in ("SlowDown", "503")
    return told["HTTPStatusCode"] == 503 and code and int(told["HTTPHeaders"]["retry-after"]) > 0


@pytest.mark.parametrize(
    "kind", ["refuse", "flip", *(pytest.param(kind, marks=pytest.mark.soak) for kind in ("throttle", "hang"))]
)
def test_a_read_that_the_store_does_not_serve_is_slow_down(front: Front, kind: str) -> None:
    front.s3.put_object(Bucket="bucket", Key="big", Body=os.urandom(300_000))
    front.s3.put_object(Bucket="bucket", Key="small", Body=b"small")
    with failing(front.proxy, kind, "GET"):
        assert is_slow_down(refused(front, "get_object", Key="big"))
        assert front.s3.head_object(Bucket="bucket", Key="big")["ContentLength"] == 300_000
        assert front.s3.get_object(Bucket="bucket", Key="small")["Body"].read() == b"small"
    assert eventually_read(front, "big") == 300_000


def eventually_read(front: Front, key: str) -> int:
    """Until the store is asked again."""
    answers: list[dict[str, Any]] = []
    while len(answers) < 50:
        try:
            return len(front.s3.get_object(Bucket="bucket", Key=key)["Body"].read())
        except ClientError as error:
            answers.append(dict(error.response))
            time.sleep(0.1)
    raise AssertionError(f"the store isn't asked again: {answers[-1]}")


@pytest.mark.parametrize(
    "kind", ["throttle", *(pytest.param(kind, marks=pytest.mark.soak) for kind in ("refuse", "hang"))]
)
def test_a_write_that_the_store_does_not_take_is_slow_down_and_changes_nothing(
    front: Front, backing_server: RunningServer, kind: str
) -> None:
    front.s3.put_object(Bucket="bucket", Key="kept", Body=BODY)
    assert eventually_read(front, "kept") == len(BODY)
    before = stored(front, backing_server)
    with failing(front.proxy, kind, "PUT"):
        assert is_slow_down(refused(front, "put_object", Key="kept", Body=os.urandom(300_000)))
    assert eventually_read(front, "kept") == len(BODY)
    assert set(stored(front, backing_server)) <= set(before)  # the reaper may be at work


def test_it_is_not_ready_while_the_store_is_away(front: Front) -> None:
    front.s3.put_object(Bucket="bucket", Key="read", Body=BODY)
    with failing(front.proxy, "throttle"):
        assert is_slow_down(refused(front, "get_object", Key="read"))
        status, told = front.server.get(f"{front.server.admin}/readyz")
        assert (status, json.loads(told)["reading"]) == (503, "failed")
    assert eventually_read(front, "read") == len(BODY)
    assert front.server.get(f"{front.server.admin}/readyz")[0] == 200


def as_started(front: Front) -> dict[str, str]:
    return {name: value for name, value in front.server.settings.items() if name != "S3GW_BUCKETS"}


@pytest.mark.soak
def test_another_database_for_a_store_is_refused(front: Front, tmp_path: Path) -> None:
    front.s3.put_object(Bucket="bucket", Key="chunk", Body=os.urandom(100_000))
    answer = serve(tmp_path / "data", **as_started(front))
    assert (answer.returncode, answer.stderr.count("\n")) == (1, 1)
    assert "holds the objects of another database" in answer.stderr


@pytest.mark.soak
def test_another_store_for_a_database_is_refused(front: Front, tmp_path: Path) -> None:
    shutil.copytree(front.server.data, tmp_path / "data", ignore=shutil.ignore_patterns("*.lock", "processes"))
    for blobs in (new_url(), ""):  # another prefix; a folder
        answer = serve(tmp_path / "data", **as_started(front) | {"S3GW_BLOBS": blobs})
        assert (answer.returncode, answer.stderr.count("\n")) == (1, 1)
        assert "belongs to another database" in answer.stderr


@pytest.mark.soak
def test_a_store_that_can_not_be_asked_is_one_line(front: Front, tmp_path: Path) -> None:
    for settings in ({"S3GW_BLOBS_ENDPOINT": "http://127.0.0.1:1"}, {"AWS_SECRET_ACCESS_KEY": "another"}):
        answer = serve(tmp_path / "data", **as_started(front) | settings)
        assert (answer.returncode, answer.stderr.count("\n")) == (1, 1)
        assert "S3GW_BLOBS" in answer.stderr
        assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in answer.stderr


def test_credentials_of_the_store_are_nowhere_in_the_data_folder(front: Front) -> None:
    for path in front.server.data.rglob("*"):
        if path.is_file():
            assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"].encode() not in path.read_bytes()
