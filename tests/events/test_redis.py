"""Events as entries of a stream of a real Redis."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis import Redis

from s3gw.events.destination import redis_stream_in
from s3gw.events.message import Message, NotTold, Secrets
from s3gw.events.reach import networks_of
from s3gw.events.redis_streams import RedisStreams
from s3gw.events.targets import address_of, secrets_of
from s3gw.problems import Invalid
from tests.events.brokers import PASSWORD, redis
from tests.postgresql import free_port
from tests.servers import RunningServer

pytestmark = pytest.mark.anyio
HERE = networks_of(["127.0.0.0/8", "::1/128"])
MESSAGE = Message("msg_1", 1_700_000_000, "s3:ObjectCreated:Put", b'{"Records": []}')


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    return free_port(), tmp_path_factory.mktemp("redis")


@pytest.fixture(scope="module")
def client(place: tuple[int, Path]) -> Iterator[Redis]:
    with redis(*place), Redis(port=place[0], password=PASSWORD, decode_responses=True) as client:
        yield client


@pytest.fixture
def url(client: Redis, place: tuple[int, Path], request: pytest.FixtureRequest) -> str:
    return f"redis://:{PASSWORD}@127.0.0.1:{place[0]}/0?stream={request.node.name[:100].replace('[', '-')}"


async def tell(url: str, networks: Any = HERE, times: int = 1) -> None:
    streams = RedisStreams(networks)
    try:
        for _ in range(times):
            await streams.tell(Secrets(url, ""), MESSAGE)
    finally:
        await streams.close()


async def test_an_entry_has_what_a_webhook_gets(client: Redis, url: str) -> None:
    await tell(url)
    ((_, entry),) = client.xrange(url.partition("stream=")[2])
    assert entry == {"id": "msg_1", "event": "s3:ObjectCreated:Put", "at": "1700000000", "body": '{"Records": []}'}


async def test_a_stream_is_as_long_as_its_target_says(client: Redis, url: str) -> None:
    await tell(f"{url}&maxlen=10", times=300)
    assert 10 <= client.xlen(url.partition("stream=")[2]) < 200


@pytest.mark.parametrize("wrong", [f":{PASSWORD}", ":wrong", "nobody:wrong"])
async def test_who_is_not_let_in_tells_nothing(client: Redis, url: str, wrong: str) -> None:
    with pytest.raises(NotTold) as failed:
        await tell(url.replace(f":{PASSWORD}", wrong), () if PASSWORD in wrong else HERE)
    assert "wrong" not in str(failed.value) and PASSWORD not in str(failed.value)


async def test_a_name_is_connected_to_at_the_address_that_was_looked_at(client: Redis, url: str) -> None:
    await tell(url.replace("127.0.0.1", "localhost"), networks_of(["127.0.0.1/32"]))
    with pytest.raises(NotTold, match="S3GW_EVENT_NETWORKS"):
        await tell(url.replace("127.0.0.1", "localhost"), ())


async def test_one_that_is_of_another_kind_is_not_written_to(client: Redis, url: str) -> None:
    client.set(url.partition("stream=")[2], "a string")
    with pytest.raises(NotTold, match="WRONGTYPE"):
        await tell(url)


def test_a_bucket_tells_a_stream_also_what_became_while_redis_was_away(
    server: RunningServer, s3: Any, bucket: str, tmp_path: Path
) -> None:
    port, name = free_port(), f"stream-{bucket}"
    target = server.command("event-target", "create", name, f"redis://:{PASSWORD}@127.0.0.1:{port}?stream=s")
    assert (target["kind"], target["address"]) == ("redis", f"redis://127.0.0.1:{port}?stream=s")
    configuration = {"QueueArn": target["arn"], "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [configuration]}
    )
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="a")
    wanted = ["s3:TestEvent", "s3:ObjectCreated:Put", "s3:ObjectRemoved:Delete"]
    with redis(port, tmp_path), Redis(port=port, password=PASSWORD, decode_responses=True) as client:
        ends_at = time.monotonic() + 20
        while len(entries := [entry for _, entry in client.xrange("s")]) < len(wanted):
            assert time.monotonic() < ends_at, (entries, server.command("event-target", "show", name))
            time.sleep(0.05)
    assert sorted(entry["event"] for entry in entries) == sorted(wanted)
    of_key = [entry for entry in entries if entry["event"] != "s3:TestEvent"]
    assert [entry["event"] for entry in of_key] == wanted[1:]
    assert [json.loads(entry["body"])["Records"][0]["s3"]["object"]["key"] for entry in of_key] == ["a", "a"]
    server.command("event-target", "delete", name)


@pytest.mark.parametrize(
    "wrong",
    [
        "redis://h/x",
        "redis://h/1000001",
        "redis://h?stream=",
        "redis://h?stream=a&stream=b",
        f"redis://h?stream={'x' * 256}",
        "redis://h?maxlen=0",
        "redis://h?maxlen=1000000001",
        "rediss://h?ssl_keyfile=/etc/passwd",
        "amqp://h",
        "amqp://h?exchange=",
        f"amqp://h?exchange={'x' * 256}",
        "amqps://h?exchange=e&cafile=/etc/passwd",
    ],
)
def test_what_is_no_destination_is_refused(wrong: str) -> None:
    with pytest.raises(Invalid):
        secrets_of(wrong, None)


def test_only_a_webhook_has_a_secret() -> None:
    assert secrets_of("redis://h", None).secret == ""
    with pytest.raises(Invalid, match="only the messages to a webhook"):
        secrets_of("redis://h", secrets_of("https://h", None).secret)


def test_where_a_message_goes_is_told_and_a_password_is_not() -> None:
    assert address_of("amqps://u:p@h/v?exchange=e") == "amqps://h/v?exchange=e"


def test_a_url_of_redis_is_read_as_its_own_clients_read_it() -> None:
    found = redis_stream_in(urlsplit("rediss://us%40er:p%3Aw@[::1]:7/3?stream=s&maxlen=5"))
    assert found == (True, "::1", 7, "us@er", "p:w", 3, "s", 5)
