"""What a put on PostgreSQL decides by was read before its transaction: the outcome is as if it had been read in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select, update

from s3gw.errors import NoSuchBucket, PreconditionFailed
from s3gw.metadata import buckets, contents, identities, objects, resolve, schema
from s3gw.metadata.change import Change, ChangeFacts, KeyLock, change
from s3gw.metadata.database import Connection, Foreseen
from s3gw.metadata.objects import NewObject, ObjectVersion, Stored
from s3gw.metadata.postgresql import PostgreSQLDatabase
from s3gw.metadata.postgresql_lines import Line, Statement
from s3gw.metadata.postgresql_loop import WritingConnection
from s3gw.metadata.resolve import Resolver
from tests.metadata.changes import ACTOR

pytestmark = pytest.mark.anyio
KEY = "key"


@pytest.fixture
async def database(postgresql_url: str) -> AsyncIterator[PostgreSQLDatabase]:
    opened = PostgreSQLDatabase(postgresql_url)
    yield opened
    await opened.close()


def _make_bucket(conn: Connection) -> int:
    owner_id = identities.create_user(conn, name="owner").id
    return buckets.create(conn, name="bucket", owner_id=owner_id, region="", defaults="aws", now=1)


def _enable_versioning(conn: Connection) -> None:
    conn.execute(update(schema.buckets).values(versioning="Enabled"))


@pytest.fixture
async def bucket_id(database: PostgreSQLDatabase) -> int:
    return await database.write(_make_bucket)


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was sent to the server in one go."""
    sent: list[str] = []
    run = Line.run

    async def told(line: Line, *together: Statement) -> Any:
        sent.append("; ".join(statement.sql for statement in together))
        return await run(line, *together)

    monkeypatch.setattr(Line, "run", told)
    return sent


async def foresee(database: PostgreSQLDatabase, bucket_id: int) -> tuple[Foreseen, ...]:
    return await database.read(objects.foresee_put, bucket_id, KEY)


async def put(
    database: PostgreSQLDatabase,
    bucket_id: int,
    body: bytes,
    foreseen: tuple[Foreseen, ...] = (),
    precondition: Any = None,
) -> Stored:
    facts = ChangeFacts(bucket_id, ACTOR, "u", 1, foreseen=foreseen)
    new = NewObject(KEY, len(body), body.hex(), "u")

    def write(change: Change) -> Stored:
        return objects.put(change, new, lambda conn: contents.insert(conn, contents.inline(body)), precondition)

    return await change(database, facts, [KeyLock(bucket_id, KEY)], write)


async def stored(database: PostgreSQLDatabase) -> list[tuple[str, int, bytes]]:
    """Version, whether it is current, and bytes, the newest first."""
    table, content = schema.objects.c, schema.contents.c
    joined = select(table.version_id, table.is_current, content.layout).join_from(
        schema.objects, schema.contents, content.id == table.content_id
    )
    rows = await database.scan(lambda conn: conn.execute(joined.order_by(table.sequence)).all())
    return [(row[0], row[1], bytes(row[2])) for row in rows]


async def test_what_holds_is_not_asked_by_itself(
    database: PostgreSQLDatabase, bucket_id: int, exchanges: list[str]
) -> None:
    await put(database, bucket_id, b"first")  # which takes numbers for what follows
    for body in (b"second", b"third"):
        foreseen = await foresee(database, bucket_id)
        exchanges.clear()
        await put(database, bucket_id, body, foreseen)
        assert len(exchanges) == 1 and exchanges[0].endswith("COMMIT")
        assert await stored(database) == [("null", 1, body)]


async def test_a_key_that_was_written_meanwhile_is_overwritten(
    database: PostgreSQLDatabase, bucket_id: int, exchanges: list[str]
) -> None:
    for body in (b"one", b"two"):  # where there was nothing, and where there was something
        foreseen = await foresee(database, bucket_id)
        await put(database, bucket_id, b"of another")
        exchanges.clear()
        await put(database, bucket_id, body, foreseen)
        assert await stored(database) == [("null", 1, body)]
        assert len(exchanges) > 1


async def test_a_key_that_was_deleted_meanwhile_is_written(database: PostgreSQLDatabase, bucket_id: int) -> None:
    await put(database, bucket_id, b"one")
    foreseen = await foresee(database, bucket_id)
    facts = ChangeFacts(bucket_id, ACTOR, "u", 1)
    await change(database, facts, [KeyLock(bucket_id, KEY)], objects.delete_latest, KEY)
    await put(database, bucket_id, b"two", foreseen)
    assert await stored(database) == [("null", 1, b"two")]


async def test_a_bucket_that_has_versions_meanwhile_keeps_what_is_there(
    database: PostgreSQLDatabase, bucket_id: int
) -> None:
    await put(database, bucket_id, b"one")
    foreseen = await foresee(database, bucket_id)
    await database.write(_enable_versioning)
    version = await put(database, bucket_id, b"two", foreseen)
    assert await stored(database) == [(version.version_id, 1, b"two"), ("null", 0, b"one")]


async def test_a_bucket_that_is_gone_meanwhile_is_not_written_to(database: PostgreSQLDatabase, bucket_id: int) -> None:
    foreseen = await foresee(database, bucket_id)
    await database.write(buckets.delete_bucket, bucket_id)
    with pytest.raises(NoSuchBucket):
        await put(database, bucket_id, b"one", foreseen)
    assert await stored(database) == []


async def test_a_precondition_is_asked_again_where_the_key_was_written_meanwhile(
    database: PostgreSQLDatabase, bucket_id: int
) -> None:
    def must_be_new(top: ObjectVersion | None) -> None:
        if top is not None:
            raise PreconditionFailed()

    foreseen = await foresee(database, bucket_id)
    await put(database, bucket_id, b"one")
    with pytest.raises(PreconditionFailed):
        await put(database, bucket_id, b"two", foreseen, must_be_new)
    assert await stored(database) == [("null", 1, b"one")]


async def test_what_was_foreseen_is_locked_as_if_it_was_asked(
    database: PostgreSQLDatabase, bucket_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket isn't configured between what is decided and what is written."""
    await put(database, bucket_id, b"first")
    foreseen, others = await foresee(database, bucket_id), list[asyncio.Task[None]]()
    commit = WritingConnection.commit

    def commit_beside_another(conn: WritingConnection) -> None:
        if not others:
            conn._run([Statement("SELECT 1")])  # behind what was left for later
            others.append(asyncio.create_task(database.write(_enable_versioning)))
            conn._run([Statement("SELECT pg_sleep(0.3)")])
            assert not others[0].done()
        commit(conn)

    monkeypatch.setattr(WritingConnection, "commit", commit_beside_another)
    await put(database, bucket_id, b"second", foreseen)
    await others[0]
    assert await stored(database) == [("null", 1, b"second")]


async def test_numbers_of_contents_are_each_taken_once(database: PostgreSQLDatabase, bucket_id: int) -> None:
    await asyncio.gather(*(put(database, bucket_id, b"%d" % number) for number in range(100)))
    assert len(await stored(database)) == 1
    highest = await database.read(lambda conn: conn.execute(select(schema.objects.c.content_id)).scalar_one())
    assert highest >= 100


async def test_so_many_ids_of_buckets_are_remembered_and_then_forgotten(
    database: PostgreSQLDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"bucket-{number}" for number in range(4)]

    def make(conn: Connection) -> list[int]:
        owner = identities.create_user(conn, name="owner").id
        identities.create_key(conn, user="owner", access_key_id="KEY", sealed_secret=b"s")
        given = {"owner_id": owner, "region": "r", "defaults": "aws", "now": 1}
        return [buckets.create(conn, name=name, **given) for name in names]

    ids = await database.write(make)
    monkeypatch.setattr(resolve, "_MOST_BUCKETS", 3)
    resolver = Resolver(database)

    async def are_known() -> list[bool]:
        """Of three buckets, whether the id was known before it was read."""
        told = []
        for name, id_ in list(zip(names, ids, strict=True))[:3]:
            found = await resolver.find("KEY", name, "key", "put")
            assert found.bucket is not None and found.bucket.id == id_
            told.append(bool(found.foreseen))
        return told

    assert await are_known() == [False] * 3
    assert await are_known() == [True] * 3
    await resolver.find("KEY", "bucket-3", "key", "put")
    assert await are_known() == [False] * 3
