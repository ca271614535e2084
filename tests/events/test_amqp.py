"""Events as messages of a real RabbitMQ."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiormq
import pytest
from aiormq.abc import AbstractChannel

from s3gw.events.amqp import AmqpExchanges
from s3gw.events.message import Message, NotTold, Secrets
from s3gw.events.reach import networks_of
from tests.events.brokers import rabbitmq
from tests.servers import RunningServer

pytestmark = [pytest.mark.soak, pytest.mark.anyio]  # RabbitMQ is large, and begins slowly

HERE = networks_of(["127.0.0.0/8"])
MESSAGE = Message("msg_1", 1_700_000_000, "s3:ObjectCreated:Put", b'{"Records": []}')


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with rabbitmq() as url:
        yield url


@pytest.fixture
async def channel(broker: str) -> AsyncIterator[AbstractChannel]:
    connection = aiormq.Connection(broker)
    await connection.connect()
    yield await connection.channel()
    await connection.close()


async def tell(url: str, networks: Any = HERE, at_once: int = 1) -> None:
    exchanges = AmqpExchanges(networks)
    try:
        await asyncio.gather(*(exchanges.tell(Secrets(url, ""), MESSAGE) for _ in range(at_once)))
    finally:
        await exchanges.close()


async def test_a_queue_has_what_a_webhook_gets(broker: str, channel: AbstractChannel) -> None:
    await channel.queue_declare("plain", durable=True)
    await tell(f"{broker}?routing_key=plain", at_once=20)
    got = await channel.basic_get("plain", no_ack=True)
    properties = got.header.properties
    assert got.body == MESSAGE.body and properties.content_type == "application/json"
    assert (properties.message_id, properties.message_type) == ("msg_1", "s3:ObjectCreated:Put")
    assert properties.delivery_mode == 2 and int(properties.timestamp.timestamp()) == MESSAGE.at
    assert got.message_count == 19


async def test_a_topic_is_the_name_of_the_event(broker: str, channel: AbstractChannel) -> None:
    await channel.exchange_declare(exchange="topics", exchange_type="topic")
    for queue, topic in (("created", "s3.ObjectCreated.*"), ("removed", "s3.ObjectRemoved.*")):
        await channel.queue_declare(queue)
        await channel.queue_bind(queue, "topics", routing_key=topic)
    await tell(f"{broker}/?exchange=topics")
    assert (await channel.basic_get("created", no_ack=True)).body == MESSAGE.body
    assert (await channel.basic_get("removed", no_ack=True)).body == b""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("?", "?routing_key=no-such-queue"), "NO_ROUTE"),
        (("?", "?exchange=no-such-exchange"), "NOT_FOUND"),
        (("/?", "/no-such-host?routing_key=plain"), "NOT_ALLOWED|Error"),
        (("guest:guest", "guest:wrong"), "ACCESS_REFUSED"),
    ],
)
async def test_what_reaches_no_queue_is_not_told(broker: str, change: tuple[str, str], reason: str) -> None:
    url = f"{broker}/?".replace(*change)
    with pytest.raises(NotTold, match=reason) as failed:
        await tell(url if url.partition("?")[2] else f"{url}routing_key=plain")
    assert "wrong" not in str(failed.value) and "guest:guest" not in str(failed.value)


async def test_an_address_that_is_not_allowed_is_not_reached(broker: str) -> None:
    with pytest.raises(NotTold, match="S3GW_EVENT_NETWORKS"):
        await tell(f"{broker}?routing_key=plain", ())


async def test_a_connection_that_was_closed_is_made_anew(broker: str, channel: AbstractChannel) -> None:
    await channel.queue_declare("again")
    exchanges, url = AmqpExchanges(HERE), f"{broker}?routing_key=again"
    await exchanges.tell(Secrets(url, ""), MESSAGE)
    open_one = await exchanges._kept.get(url)
    await open_one.connection.close()
    await exchanges.tell(Secrets(url, ""), MESSAGE)
    await exchanges.close()
    assert (await channel.basic_get("again", no_ack=True)).message_count == 1


def test_a_bucket_tells_a_queue(broker: str, server: RunningServer, s3: Any, bucket: str) -> None:
    asyncio.run(_declare(broker, bucket))
    target = server.command("event-target", "create", bucket, f"{broker}?routing_key={bucket}")
    configuration = {"QueueArn": target["arn"], "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [configuration]}
    )
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    told = asyncio.run(_get(broker, bucket, 2))
    names = [one.get("Event") or one["Records"][0]["eventName"] for one in told]
    assert sorted(names) == ["ObjectCreated:Put", "s3:TestEvent"]
    server.command("event-target", "delete", bucket)


async def _declare(broker: str, queue: str) -> None:
    async with aiormq.Connection(broker) as connection:
        await (await connection.channel()).queue_declare(queue)


async def _get(broker: str, queue: str, count: int) -> list[Any]:
    found: list[Any] = []
    ends_at = time.monotonic() + 20
    async with aiormq.Connection(broker) as connection:
        channel = await connection.channel()
        while len(found) < count:
            assert time.monotonic() < ends_at, found
            got = await channel.basic_get(queue, no_ack=True)
            found += [json.loads(got.body)] if got.body else []
            await asyncio.sleep(0.05)
    return found
