"""Measuring goes in steps and passes, with the same result, and says so when there is more than it was to look at."""

from __future__ import annotations

import json
from functools import partial

import pytest

from s3gw.accounts import measured_storage
from s3gw.accounts.measured_storage import TooMuch, measure, report_of
from s3gw.metadata import buckets, contents, identities, objects, storage_reports
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.change import ChangeFacts, KeyLock, change
from s3gw.metadata.contents import inline
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.objects import NewObject
from s3gw.metadata.storage_reports import Report
from tests.metadata.changes import ACTOR

pytestmark = pytest.mark.anyio
SIZES = {f"{number % 7}/{number}": number for number in range(1, 40)}


async def filled(database: Database) -> Bucket:
    def begin(conn: Connection) -> None:
        owner_id = identities.create_user(conn, name="owner").id
        for name in ("one", "other"):
            buckets.create(conn, name=name, owner_id=owner_id, region="r", defaults="aws", now=1)

    await database.write(begin)
    found = await database.read(buckets.find, "one")
    assert found is not None
    for key, size in SIZES.items():
        new = NewObject(key, size, "", "u", headers=json.dumps({"ContentType": f"text/{size % 3}"}))
        facts, content = ChangeFacts(found.id, ACTOR, "u", 5), partial(contents.insert, new=inline(bytes(size)))
        await change(database, facts, [KeyLock(found.id, key)], objects.put, new, content)
    return found


async def test_steps_and_passes_change_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = await filled(database)
    whole = (await measure(database, bucket, False)).document
    assert whole["physical_bytes"] == whole["exclusive_bytes"] == sum(SIZES.values())
    assert len(whole["by_prefix"]) == 7
    monkeypatch.setattr(measured_storage, "_STEP", 4)
    monkeypatch.setattr(measured_storage, "_UNITS_AT_ONCE", 9)
    seen: list[int] = []

    async def note(rows: int) -> None:
        seen.append(rows)

    assert (await measure(database, bucket, True, progress=note)).document == whole
    assert max(seen) == 5 * len(SIZES)


async def test_the_smallest_groups_are_told_as_one(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = await filled(database)
    monkeypatch.setattr(measured_storage, "_GROUPS", 2)
    monkeypatch.setattr(measured_storage, "_TYPES_AT_ONCE", 2)
    told = (await measure(database, bucket, False)).document
    for groups in (told["by_prefix"], told["by_type"]):
        assert [group["name"] for group in groups][-1] is None
        assert sum(group["files"] for group in groups) == len(SIZES)
        assert sum(group["bytes"] for group in groups) == sum(SIZES.values())
    of_prefix = [sum(size for key, size in SIZES.items() if key[0] == str(number)) for number in range(7)]
    assert [group["bytes"] for group in told["by_prefix"][:2]] == sorted(of_prefix, reverse=True)[:2]


async def test_while_somebody_waits_no_more_is_looked_at_than_takes_a_moment(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = await filled(database)
    monkeypatch.setattr(measured_storage, "_MOST_ROWS", len(SIZES))
    assert await report_of(database, bucket, False) is not None
    monkeypatch.setattr(measured_storage, "_MOST_ROWS", len(SIZES) - 1)
    assert await report_of(database, bucket, False) is None
    kept = Report(5, {"physical_bytes": 1})
    await database.write(storage_reports.keep, bucket.id, False, Report(4, {}))
    await database.write(storage_reports.keep, bucket.id, False, kept)
    assert await report_of(database, bucket, False) == kept
    assert await report_of(database, bucket, True) is None


async def test_rows_of_other_buckets_count_for_how_many_are_looked_at(database: Database) -> None:
    bucket = await filled(database)
    other = await database.read(buckets.find, "other")
    assert other is not None
    with pytest.raises(TooMuch):
        await measure(database, other, False, most_rows=len(SIZES) - 1)
    assert (await measure(database, bucket, False, most_rows=len(SIZES))).document["by_type"]
