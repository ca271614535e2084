"""A Change: no key or part is written without its lock, and the bucket is held once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from s3gw.errors import NoSuchBucket
from s3gw.metadata import audit_lines, buckets, contents, objects, uploads
from s3gw.metadata.audit_lines import Wanted
from s3gw.metadata.change import Change, ChangeFacts, KeyLock, NotChecked, NotLocked, PartLock, change
from s3gw.metadata.contents import inline
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.objects import NewObject
from s3gw.metadata.uploads import Upload, UploadedPart
from tests.metadata.changes import ACTOR, of_key
from tests.metadata.test_listing import fill

pytestmark = pytest.mark.anyio

FACTS = ChangeFacts(1, ACTOR, "u", 1)
_place = partial(contents.insert, new=inline(b""))
_upload = Upload("1" * 64, 1, "key", 1, "u", "u", "STANDARD", None, None, None, None, None)


@pytest.mark.parametrize(
    "write",
    [
        lambda change: objects.put(change, NewObject("key", 0, "", "u"), _place),
        lambda change: objects.delete_latest(change, "key"),
        lambda change: objects.delete_version(change, "key", "null"),
        lambda change: objects.set_tags(change, "key", None, "[]"),
        lambda change: uploads.begin(change, _upload),
        lambda change: uploads.put_part(change, UploadedPart(_upload.upload_id, 1, 0, "", 1, 1, None, None)),
    ],
)
async def test_a_write_without_its_lock_fails_on_both_databases(
    database: Database, write: Callable[[Change], Any]
) -> None:
    await database.write(fill, [])
    for locks in ([], [KeyLock(2, "key")], [KeyLock(1, "other"), PartLock(_upload.upload_id, 2)]):
        with pytest.raises(NotLocked):
            await change(database, FACTS, locks, write)
    assert await database.read(objects.find, 1, "key") is None


async def test_for_whom_and_when_it_is_made_is_known_to_what_writes(database: Database) -> None:
    def seen(change: Change) -> tuple[Any, ...]:
        return change.bucket_id, change.owner_id, change.now

    assert await change(database, FACTS, [], seen) == (1, "u", 1)


async def test_what_it_records_is_told_with_who_made_it(database: Database) -> None:
    await database.write(fill, [])
    await change(database, FACTS, [], lambda change: change.record("bucket.test", {"a": 1}, None, "key"))
    (line,) = await database.read(audit_lines.step, Wanted(), 0, 10)
    assert line[2:7] == ACTOR
    assert (line.action, line.resource_type, line.before, line.after) == ("bucket.test", "object", '{"a": 1}', None)


async def test_a_change_that_leaves_out_a_check_is_undone(database: Database) -> None:
    await database.write(fill, [])
    asked: list[Any] = []

    def put(change: Change, on: Any, check: Any) -> None:
        objects.put(change, NewObject("key", 0, "", "u"), _place)
        if check is not None:
            change.check(on, check)

    facts = FACTS._replace(checks={"object": asked.append})
    for on, check in (("object", None), ("source", "version")):
        with pytest.raises(NotChecked, match="object"):
            await change(database, facts, [KeyLock(1, "key")], put, on, check)
    assert await database.read(objects.find, 1, "key") is None and asked == []
    await change(database, facts, [KeyLock(1, "key")], put, "object", "version")
    assert await database.read(objects.find, 1, "key") is not None and asked == ["version"]


async def test_a_bucket_is_locked_once_and_one_that_is_gone_not_at_all(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.write(fill, [])
    held: list[int] = []
    lock_shared = buckets.lock_shared
    monkeypatch.setattr(
        buckets, "lock_shared", lambda conn, bucket_id: held.append(bucket_id) or lock_shared(conn, bucket_id)
    )

    def twice(conn: Connection) -> list[str]:
        made = of_key(conn, 1)
        return [made.lock_bucket(), made.lock_bucket()]

    assert await database.write(twice) == ["", ""]
    assert held == [1]
    with pytest.raises(NoSuchBucket):
        await database.write(lambda conn: of_key(conn, 2).lock_bucket())
