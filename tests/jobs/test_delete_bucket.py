"""A bucket is deleted with all that is in it, by the rights of who asked for it, as they are while it is done."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import select

from s3gw.jobs import asked as asked_module
from s3gw.jobs import delete_bucket
from s3gw.metadata import buckets, configurations, identities, schema, uploads
from s3gw.metadata.asked_jobs import AskedJob
from s3gw.metadata.database import Connection, now
from s3gw.metadata.uploads import Upload
from s3gw.operations import empty_bucket
from tests.jobs.asking import Asking
from tests.jobs.conftest import Process

pytestmark = pytest.mark.anyio


@pytest.fixture
async def asking(process: Process, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """With small steps."""
    monkeypatch.setattr(asked_module, "_PAUSE", 0.0)
    monkeypatch.setattr(empty_bucket, "STEP", 3)
    made = Asking(process)
    await made.make()
    return made


async def ask(asking: Asking) -> AskedJob:
    return await asking.ask("delete_bucket", {"bucket_id": asking.uuids["bucket"]})


async def forbid(asking: Asking, statement: dict[str, Any]) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*"} | statement]})
    await asking.database.write(lambda conn: configurations.put(asking.change(conn, ""), "Policy", policy))


async def bucket_names(asking: Asking) -> list[str]:
    return await asking.database.read(lambda conn: [found.name for found in buckets.list_all(conn)])


async def test_versions_markers_uploads_and_trash_go_with_it(asking: Asking) -> None:
    def begin_upload(conn: Connection) -> None:
        of_user = (asking.user.id, asking.user.id)
        at = now(conn)
        upload = Upload(uploads.new_upload_id(at), asking.ids["bucket"], "u", at, *of_user, "STANDARD", *[None] * 5)
        uploads.begin(asking.change(conn, "u"), upload)

    await asking.database.write(lambda conn: configurations.set_trash_seconds(asking.change(conn, ""), 1000))
    await asking.put(["trash"])
    await asking.delete("trash")
    await asking.keep_versions()
    await asking.put([f"key{number % 4}" for number in range(10)])
    await asking.put(["theirs"], "other")
    await asking.delete("key1")
    await asking.database.write(begin_upload)
    job = await ask(asking)
    await asking.run()
    told = await asking.told(job)
    assert (told.state, told.refusal, told.result) == ("done", None, {"objects": 11})
    assert told.progress == {"done": 11, "total": 11}
    assert await bucket_names(asking) == ["other"]
    assert await asking.keys("other") == ["theirs"]

    def left(conn: Connection) -> list[int]:
        return [len(conn.execute(select(table)).all()) for table in (schema.objects, schema.trash, schema.uploads)]

    assert await asking.database.read(left) == [1, 0, 0]
    line = select(schema.audit_log).where(schema.audit_log.c.action == "bucket.delete")
    (found,) = await asking.database.read(lambda conn: conn.execute(line).all())
    assert (found.actor_id, found.door, found.request_id) == (asking.user.id, "job", "r")


async def test_who_is_disabled_meanwhile_deletes_no_more(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    await asking.put([f"key{number}" for number in range(10)])
    original = delete_bucket.paced

    async def disabling(step: Any) -> Any:
        outcome = await original(step)
        await asking.database.write(identities.set_user_enabled, "user", False)
        return outcome

    monkeypatch.setattr(delete_bucket, "paced", disabling)
    job = await ask(asking)
    await asking.run()
    told = await asking.told(job)
    assert (told.state, told.refusal["error_code"]) == ("failed", "PERMISSION_DENIED")
    assert await asking.keys() == [f"key{number}" for number in range(3, 10)]


async def test_what_a_rule_keeps_him_from_deleting_ends_it(asking: Asking) -> None:
    """Nothing that is denied goes, nor the bucket."""
    await forbid(asking, {"Action": "s3:DeleteObject*", "Resource": "arn:aws:s3:::bucket/key5"})
    await asking.put([f"key{number}" for number in range(10)])
    job = await ask(asking)
    await asking.run()
    told = await asking.told(job)
    assert (told.state, told.refusal["error_code"]) == ("failed", "PERMISSION_DENIED")
    assert "key5" in await asking.keys() and "bucket" in await bucket_names(asking)


async def test_who_may_not_delete_the_bucket_deletes_nothing_in_it(asking: Asking) -> None:
    await forbid(asking, {"Action": "s3:DeleteBucket", "Resource": "arn:aws:s3:::bucket"})
    await asking.put(["a", "b"])
    job = await ask(asking)
    await asking.run()
    assert (await asking.told(job)).refusal["error_code"] == "PERMISSION_DENIED"
    assert await asking.keys() == ["a", "b"]


async def test_a_stranger_s_job_deletes_nothing(asking: Asking) -> None:
    await asking.put(["key"])
    asking.user, owner = asking.stranger, asking.user
    job = await ask(asking)
    asking.user = owner
    await asking.run()
    assert (await asking.told(job)).refusal["error_code"] == "PERMISSION_DENIED"
    assert await asking.keys() == ["key"]


async def test_after_a_kill_it_goes_on_and_counts_all(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    await asking.put([f"key{number}" for number in range(10)])
    original, steps, dies = delete_bucket.paced, 0, asyncio.Event()

    async def hanging(step: Any) -> Any:
        nonlocal steps
        outcome, steps = await original(step), steps + 1
        if steps == 3:
            dies.set()
            await asyncio.Event().wait()
        return outcome

    monkeypatch.setattr(delete_bucket, "paced", hanging)
    job = await ask(asking)
    killed = asyncio.create_task(asking.run())
    await asyncio.wait_for(dies.wait(), 20)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    assert len(await asking.keys()) == 1
    await asking.run()
    told = await asking.told(job)
    assert (told.state, await bucket_names(asking)) == ("done", ["other"])
    assert told.progress["done"] == told.progress["total"]


async def test_what_is_gone_already_is_done(asking: Asking) -> None:
    """Its end wasn't noted, because the process died just then."""
    job = await ask(asking)
    while not await asking.database.write(lambda conn: uploads.delete_bucket(asking.change(conn, ""))):
        pass
    await asking.run()
    assert (await asking.told(job)).state == "done"


async def test_others_who_write_into_it_faster_keep_it(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    original, count = delete_bucket._Deletion._delete, 0

    async def writing(self: Any) -> None:
        nonlocal count
        count += 1
        await asking.put([f"new{count}"])
        await original(self)

    monkeypatch.setattr(delete_bucket._Deletion, "_delete", writing)
    job = await ask(asking)
    await asking.run()
    told = await asking.told(job)
    assert (told.state, told.refusal["error_code"]) == ("failed", "BUCKET_NOT_EMPTY")
    assert count == delete_bucket._ROUNDS
