"""Who has used most of a quota is told by mail and by an event, once for each level."""

from __future__ import annotations

import email
import json
from email.message import Message
from typing import Any

import pytest
from sqlalchemy import select, update

from s3gw.events import notify
from s3gw.events.names import QUOTA
from s3gw.jobs.follow_changes import follow_all, readers_of
from s3gw.jobs.warn_of_quotas import size_of, warn_of_quotas
from s3gw.metadata import buckets, identities, outbox, quotas, schema, usage
from s3gw.metadata.database import Connection
from s3gw.metadata.usage import Usage
from tests.jobs.conftest import Process

pytestmark = pytest.mark.anyio


def begin(conn: Connection) -> None:
    owner = identities.create_user(conn, name="owner", email="owner@example.com")
    conn.execute(update(schema.users).values(email_verified_at=1))
    for name in ("pictures", "other"):
        buckets.create(conn, name=name, owner_id=owner.id, region="us-east-1", defaults="aws", now=1)


@pytest.fixture
async def stored(process: Process) -> Process:
    settings: Any = process.services.settings
    settings.smtp_host, settings.mail_from = None, "s3gw@example.com"
    await process.database.write(begin)
    return process


async def limit(process: Process, **limits: int | None) -> None:
    await process.database.write(quotas.set_of_bucket, 1, limits.get("bytes"), limits.get("objects"))


async def store(process: Process, more: int, objects: int = 0) -> None:
    await process.database.write(usage.add, 1, Usage(bytes=more, versions=objects))


async def told(process: Process) -> list[Message]:
    """By one more run; each message is taken away."""
    await warn_of_quotas(process.services, None, lambda progress: None)
    folder = process.services.settings.data / "mail"
    found = []
    for path in sorted(folder.glob("*.eml")) if folder.exists() else ():
        found.append(email.message_from_bytes(path.read_bytes()))
        path.unlink()
    return found


def subjects(messages: list[Message]) -> list[str]:
    return [str(message["Subject"]) for message in messages]


async def test_each_level_is_told_once(stored: Process) -> None:
    await limit(stored, bytes=1000)
    await store(stored, 799)
    assert await told(stored) == []
    await store(stored, 1)
    (message,) = await told(stored)
    assert message["To"] == "owner@example.com" and message["Subject"] == "80 % of your storage are used"
    assert "bucket pictures" in message.get_payload() and "800 bytes of 1000 bytes" in message.get_payload()
    await store(stored, 149)
    assert await told(stored) == []
    await store(stored, 1)
    assert subjects(await told(stored)) == ["95 % of your storage are used"]
    await store(stored, 50)
    assert subjects(await told(stored)) == ["100 % of your storage are used"]
    assert await told(stored) == []


async def test_it_is_told_again_when_it_had_fallen_by_five_percent(stored: Process) -> None:
    await limit(stored, objects=100)
    await store(stored, 0, 80)
    assert len(await told(stored)) == 1
    for change in (-4, 4):
        await store(stored, 0, change)
        assert await told(stored) == []
    await store(stored, 0, -6)
    assert await told(stored) == []
    await store(stored, 0, 6)
    (again,) = await told(stored)
    assert "80 of 100 objects" in again.get_payload()


async def test_quotas_of_prefixes_and_users_are_told_too(stored: Process) -> None:
    await stored.database.write(quotas.set_prefix, 1, "raw/", 100, None)
    await stored.database.write(usage.add_below, 1, "raw/1", Usage(bytes=85))
    await stored.database.write(lambda conn: conn.execute(update(schema.users).values(storage_quota=200)))
    await store(stored, 100)
    await stored.database.write(usage.add, 2, Usage(part_bytes=60))
    texts = sorted(str(message.get_payload()).splitlines()[0] for message in await told(stored))
    assert texts == [
        "Of the quota of the prefix pictures/raw/ 85 % are used:",
        "Of the quota of the user owner 80 % are used:",
    ]


async def test_what_could_not_be_sent_is_told_at_the_next_run(stored: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    await limit(stored, bytes=10)
    await store(stored, 10)
    settings: Any = stored.services.settings
    settings.smtp_host, settings.smtp_port, settings.smtp_security = "127.0.0.1", 1, "none"
    settings.smtp_user = settings.smtp_password = None
    assert await told(stored) == []
    settings.smtp_host = None
    assert subjects(await told(stored)) == ["100 % of your storage are used"]


async def test_an_address_that_nobody_has_confirmed_gets_nothing(stored: Process) -> None:
    await stored.database.write(lambda conn: conn.execute(update(schema.users).values(email_verified_at=None)))
    await limit(stored, bytes=10)
    await store(stored, 10)
    assert await told(stored) == []


async def test_a_quota_that_is_taken_away_or_none_is_not_told(stored: Process) -> None:
    await limit(stored, bytes=0)
    assert await told(stored) == []
    await limit(stored, bytes=10)
    await store(stored, 10)
    assert len(await told(stored)) == 1
    await limit(stored)
    assert await told(stored) == []
    await limit(stored, bytes=10)
    assert len(await told(stored)) == 1


async def test_many_quotas_are_looked_at_in_pages(stored: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    from s3gw.jobs import warn_of_quotas as warning

    monkeypatch.setattr(warning, "_BATCH", 1)
    for bucket_id in (1, 2):
        await stored.database.write(quotas.set_of_bucket, bucket_id, 10, None)
        await stored.database.write(usage.add, bucket_id, Usage(bytes=10))
    assert len(await told(stored)) == 2


async def events(process: Process) -> list[tuple[str, int, int | None]]:
    """Those that there are: what is meant, the level, and how many bytes are used."""
    rows = (await process.database.read(outbox.following, outbox.BEGINNING, 100)).rows
    documents = [json.loads(row.document or "") for row in rows if row.kind == "quota"]
    return [(f"{told['kind']} {told['name']}", told["threshold"], told["used_bytes"]) for told in documents]


async def test_each_level_is_an_event_whatever_becomes_of_the_mail(stored: Process) -> None:
    settings: Any = stored.services.settings
    settings.smtp_host, settings.smtp_port, settings.smtp_security = "127.0.0.1", 1, "none"
    settings.smtp_user = settings.smtp_password = None
    await limit(stored, bytes=1000)
    for more in (790, 10, 10, 150, 40, -60, 60, -400, 400):
        await store(stored, more)
        assert await told(stored) == []
    expected = [("bucket pictures", level, used) for level, used in ((80, 800), (95, 960), (100, 1000))]
    assert await events(stored) == [*expected, ("bucket pictures", 100, 1000), ("bucket pictures", 100, 1000)]
    rows = select(schema.quota_warnings.c.level, schema.quota_warnings.c.event_level)
    assert [tuple(row) for row in await stored.database.read(lambda conn: conn.execute(rows).all())] == [(0, 100)]
    await store(stored, -1000)
    assert await told(stored) == []
    assert await stored.database.read(lambda conn: conn.execute(rows).all()) == []


async def test_a_target_is_told_of_quotas_of_its_bucket_that_a_rule_asks_for(stored: Process) -> None:
    def configure(conn: Connection) -> None:
        owner = identities.find_user(conn, "owner")
        assert owner is not None
        target = {"id": "t", "owner_id": owner.id, "name": "hook", "kind": "webhook", "address": "", "sealed": b""}
        target |= {"is_shared": 0, "is_enabled": 1, "created_at": 1, "updated_at": 1}
        conn.execute(schema.event_targets.insert().values(target))
        arn = f"arn:aws:sqs:us-east-1:{owner.account_id}:hook"
        rule = {"Id": "r", "QueueArn": arn, "Events": [QUOTA]}
        document = json.dumps({"QueueConfigurations": [rule]})
        columns = {"bucket_id": 1, "kind": "NotificationConfiguration", "document": document}
        conn.execute(schema.bucket_configurations.insert().values(columns))

    readers = readers_of(stored.database.dialect)
    stored.services.settings.event_backlog = 100  # type: ignore[misc]
    await stored.database.write(outbox.register, tuple(readers))
    await stored.database.write(configure)
    await stored.database.write(quotas.set_prefix, 1, "raw/", 100, None)
    await stored.database.write(usage.add_below, 1, "raw/1", Usage(bytes=85))
    await stored.database.write(lambda conn: conn.execute(update(schema.users).values(storage_quota=100)))
    await store(stored, 96)
    await told(stored)
    assert len(await events(stored)) == 2
    await follow_all(stored.services, readers)
    found = await stored.database.read(lambda conn: conn.execute(select(schema.event_deliveries)).all())
    (delivery,) = found  # what the user may store isn't about the bucket
    (record,) = json.loads(delivery.message)["Records"]
    assert (record["eventName"], record["s3"]["bucket"]["name"]) == (QUOTA, "pictures")
    told_of = record["quota"]
    assert (told_of["kind"], told_of["prefix"], told_of["threshold"]) == ("prefix", "raw/", 80)
    assert (told_of["used_bytes"], told_of["max_bytes"], told_of["max_objects"]) == (85, 100, None)
    assert "owner_id" not in told_of
    assert notify.READER in readers


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (10 << 30, "10.0 GiB"), (5000 << 50, "5000.0 PiB")],
)
def test_sizes_are_told_for_people(count: int, text: str) -> None:
    assert size_of(count) == text


async def test_the_largest_quota_that_there_can_be_is_far_away_and_others_are_told_of(stored: Process) -> None:
    largest = 2**63 - 1
    await limit(stored, bytes=largest, objects=largest)
    await stored.database.write(quotas.set_of_bucket, 2, 100, None)
    await stored.database.write(usage.add, 2, Usage(bytes=80))
    assert subjects(await told(stored)) == ["80 % of your storage are used"]
    await store(stored, largest // 10 * 8 + 8, 0)
    assert subjects(await told(stored)) == ["80 % of your storage are used"]
