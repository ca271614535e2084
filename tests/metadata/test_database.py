"""What reads, writes and prepared statements promise on both databases."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict
from sqlalchemy.exc import IntegrityError

from s3gw.errors import PreconditionFailed
from s3gw.metadata.database import Connection, Database, now
from s3gw.metadata.engines import open_database
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import audit_log, blobs, objects, settings
from tests.postgresql import keep_in_threads

pytestmark = pytest.mark.anyio

_get = Prepared(select(settings.c.value).where(settings.c.name == bindparam("name")))
_set = Prepared(insert(settings).values(name=bindparam("name"), value=bindparam("value")))
_all = Prepared(select(settings.c.name, settings.c.value).order_by(settings.c.name))
_change = Prepared(update(settings).where(settings.c.name == bindparam("name")).values(value=bindparam("new")))
_remove = Prepared(delete(settings))
_set_and_return = Prepared(insert(settings).values(name=bindparam("name"), value="v").returning(settings.c.name))
_audit = Prepared(
    insert(audit_log)
    .values(
        at=bindparam("at"),
        actor="it's 100 %",
        action="a",
        resource="r",
        before=bindparam("detail"),
        actor_id="",
        door="cli",
        address="",
        request_id="",
        outcome="done",
        resource_type="user",
        count=1,
    )
    .returning(audit_log.c.id, audit_log.c.actor)
)


def _put(conn: Connection, name: str, value: str) -> str:
    _set.run(conn, name=name, value=value)
    return value


def _put_and_refuse(conn: Connection, name: str) -> None:
    _put(conn, name, "half")
    raise PreconditionFailed()


def _names(conn: Connection) -> list[str]:
    return [row[0] for row in _all.all(conn)]


async def test_a_read_that_starts_after_a_write_was_acknowledged_sees_it(database: Database) -> None:
    for number in range(20):
        await database.write(_put, f"n{number:02}", "v")
        assert await database.read(_get.one_or_none, name=f"n{number:02}") == ("v",)
    assert len(await database.scan(_names)) == 20


async def test_a_refused_write_leaves_nothing_and_raises_what_the_function_raised(database: Database) -> None:
    with pytest.raises(PreconditionFailed):
        await database.write(_put_and_refuse, "a", keys=["a"])
    assert await database.read(_names) == []


async def test_concurrent_writes_are_each_all_or_nothing(database: Database) -> None:
    writes = [database.write(_put if n % 3 else _put_and_refuse, f"n{n}", *(["v"] if n % 3 else [])) for n in range(60)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [isinstance(outcome, PreconditionFailed) for outcome in outcomes] == [n % 3 == 0 for n in range(60)]
    assert sorted(await database.read(_names)) == sorted(f"n{n}" for n in range(60) if n % 3)


async def test_a_caller_that_is_cancelled_changes_nothing_for_its_write_or_the_others(database: Database) -> None:
    keep_in_threads(database)
    begun, go_on = threading.Event(), threading.Event()

    def slow(conn: Connection) -> None:
        _put(conn, "slow", "v")
        begun.set()
        go_on.wait(10)

    caller = asyncio.create_task(database.write(slow, keys=["k"]))
    assert await asyncio.to_thread(begun.wait, 10)
    other = asyncio.create_task(database.write(_put, "other", "v", keys=["k"]))
    await asyncio.sleep(0.01)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    assert await other == "v"
    assert await database.read(_names) == ["other", "slow"]


async def test_closing_waits_for_writes_that_were_begun(database_url: str, tmp_path: Path) -> None:
    database = open_database(database_url, tmp_path)
    writes = [asyncio.create_task(database.write(_put, f"n{n}", "v")) for n in range(20)]
    await asyncio.sleep(0)
    await database.close()
    assert await asyncio.gather(*writes) == ["v"] * 20


async def test_writers_of_one_key_take_turns(database: Database) -> None:
    def increment(conn: Connection) -> None:
        row = _get.one_or_none(conn, name="counter")
        assert row is not None
        _change.run(conn, name="counter", new=str(int(row[0]) + 1))

    await database.write(_put, "counter", "0")
    await asyncio.gather(*(database.write(increment, keys=["b", "a"][:: (-1) ** n]) for n in range(40)))
    assert await database.read(_get.one_or_none, name="counter") == ("40",)


async def test_prepared_statements_return_rows_counts_and_generated_ids(database: Database) -> None:
    def work(conn: Connection) -> None:
        assert _get.one_or_none(conn, name="a") is None
        assert _set.run(conn, name="a", value="1") == 1
        assert _set.run(conn, name="b", value="2") == 1
        assert _change.run(conn, name="a", new="3") == 1
        assert _change.run(conn, name="none", new="3") == 0
        assert _all.all(conn) == [("a", "3"), ("b", "2")]
        assert _remove.run(conn) == 2
        first = _audit.one_or_none(conn, at=1, detail="{}")
        second = _audit.one_or_none(conn, at=1 << 60, detail="{}")
        assert first is not None
        assert second is not None
        assert first[1] == "it's 100 %"
        assert second[0] > first[0]
        assert _audit.run(conn, at=2, detail="{}") == 1

    await database.write(work)


async def test_prepared_statements_take_bytes_and_null_again_and_again(database: Database) -> None:
    add = Prepared(insert(blobs).values({column.name: bindparam(column.name) for column in blobs.c}))
    find = Prepared(select(blobs.c.size, blobs.c.released_at).where(blobs.c.digest == bindparam("digest")))

    def work(conn: Connection) -> None:
        for number in range(12):
            digest = bytes([0, 255, 37, 39, 92, number])
            released = None if number % 2 else number
            add.run(conn, digest=digest, location=f"l{number}", size=1 << (number * 5), refs=0, released_at=released)
            assert find.one_or_none(conn, digest=digest) == (1 << (number * 5), released)

    await database.write(work)


async def test_a_prepared_statement_with_missing_or_unknown_parameters_is_a_mistake(database: Database) -> None:
    with pytest.raises(TypeError, match="name"):
        await database.read(_get.one_or_none)
    with pytest.raises(TypeError, match="more"):
        await database.read(_get.one_or_none, name="a", more=1)


async def test_a_list_is_no_parameter_of_a_prepared_statement(database: Database) -> None:
    """Its SQL would depend on how long the list is."""
    listed = Prepared(select(settings.c.value).where(settings.c.name.in_(bindparam("names", expanding=True))))
    with pytest.raises(ValueError, match="lists"):
        await database.read(listed.all, names=["a"])


async def test_more_rows_than_one_where_one_was_expected_is_a_mistake(database: Database) -> None:
    await database.write(_put, "a", "v")
    await database.write(_put, "b", "v")
    with pytest.raises(ValueError, match="2 rows"):
        await database.read(_all.one_or_none)


async def test_a_violated_constraint_is_the_same_error_prepared_or_not(database: Database) -> None:
    await database.write(_put, "a", "v")
    with pytest.raises(IntegrityError):
        await database.write(_put, "a", "v")
    with pytest.raises(IntegrityError):
        await database.write(lambda conn: conn.execute(insert(settings).values(name="a", value="v")))
    with pytest.raises(IntegrityError):
        await database.write(lambda conn: _set_and_return.all(conn, name="a"))


async def test_insert_on_conflict_is_one_statement_for_both_databases(database: Database) -> None:
    put = Prepared(
        insert_on_conflict(settings)
        .values(name=bindparam("name"), value=bindparam("value"))
        .on_conflict_do_update(index_elements=["name"], set_={"value": bindparam("value")})
    )
    for value in ("1", "2"):
        assert await database.write(lambda conn: put.run(conn, name="a", value=value)) == 1  # noqa: B023
    assert await database.read(_get.one_or_none, name="a") == ("2",)


async def test_constants_of_a_prepared_statement_let_the_partial_index_be_used(database: Database) -> None:
    statement = Prepared(
        select(objects.c.etag).where(
            objects.c.bucket_id == bindparam("bucket_id"), objects.c.key == bindparam("key"), objects.c.is_current == 1
        )
    )
    assert "is_current = 1" in statement.form(database.dialect).sql


async def test_a_result_that_is_not_read_to_its_end_does_not_hide_later_commits(database: Database) -> None:
    for name in "abc":
        await database.write(_put, name, "v")
    results = [await database.read(lambda conn: conn.execute(select(settings.c.name)))]
    assert results[0].fetchone() is not None
    await database.write(_put, "d", "v")
    count = select(func.count()).select_from(settings)
    assert await database.read(lambda conn: conn.execute(count).scalar_one()) == 4


async def test_a_read_function_can_not_write(database: Database) -> None:
    with pytest.raises(Exception, match=r"read-?only"):
        await database.read(_put, "a", "v")


async def test_now_is_in_microseconds(database: Database) -> None:
    assert abs(await database.read(now) - time.time() * 1e6) < 60e6


async def test_keys_compare_as_utf_8_bytes(database: Database) -> None:
    keys = ["a", "B", "é", "z", "Z", "\U0001f600", "\uffff"]

    def put(conn: Connection, key: str) -> None:
        values = dict.fromkeys(("version_id", "etag", "owner_id", "storage_class"), "")
        numbers = dict.fromkeys(("sequence", "is_current", "is_delete_marker", "size", "last_modified"), 0)
        conn.execute(insert(objects).values(bucket_id=1, key=key, **values, **numbers))

    def prepare(conn: Connection) -> None:
        from s3gw.metadata.schema import buckets, users

        columns = dict.fromkeys(("id", "canonical_id", "account_id", "name", "display_name", "role"), "u")
        conn.execute(insert(users).values(**columns, is_enabled=1, created_at=0))
        conn.execute(insert(buckets).values(id=1, name="b", owner_id="u", region="", versioning="", created_at=0))
        for key in keys:
            put(conn, key)

    await database.write(prepare)
    ordered = Prepared(select(objects.c.key).order_by(objects.c.key))
    assert [row[0] for row in await database.scan(ordered.all)] == sorted(keys, key=str.encode)


async def test_a_database_url_of_another_kind_is_refused(tmp_path: Path) -> None:
    for url in ("mysql://x/y", "sqlite://", "sqlite:///:memory:"):
        with pytest.raises(ValueError, match="sqlite:///PATH"):
            open_database(url, tmp_path)


async def test_a_database_that_was_never_migrated_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="migrated"):
        open_database(None, tmp_path)
