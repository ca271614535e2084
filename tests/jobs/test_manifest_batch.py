"""Batches of what a manifest names: each line by the rights of who asked, a report, and going on after a kill."""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select, update

from s3gw.jobs import asked as asked_module
from s3gw.jobs import manifest_batch as module
from s3gw.metadata import asked_jobs, buckets, configurations, contents, objects, read_objects, schema
from s3gw.metadata.asked_jobs import AskedJob
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection, now
from s3gw.metadata.objects import NewObject
from tests.content.bodies import body_of
from tests.jobs.asking import Asking
from tests.jobs.conftest import Process
from tests.jobs.test_batch import forbid

pytestmark = pytest.mark.anyio
MANIFEST = "manifest.csv"


@pytest.fixture
async def asking(process: Process, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """With small steps, and a manifest that is read in small pieces."""
    monkeypatch.setattr(asked_module, "_PAUSE", 0.0)
    monkeypatch.setattr(module, "STEP", 3)
    monkeypatch.setattr(module, "_AHEAD", 50)
    made = Asking(process)
    await made.make()
    return made


async def store(asking: Asking, data: bytes, etag: str = "etag") -> None:
    """The manifest, in the other bucket."""
    async with asking.process.services.writer.storing(body_of(data)) as stored:

        def write(conn: Connection) -> None:
            change = asking.change(conn, MANIFEST, "other")
            new = NewObject(MANIFEST, len(data), etag=etag, owner_id=asking.user.id)
            objects.put(change, new, lambda conn: contents.insert(conn, stored.content))
            change.finish()

        await asking.database.write(write)


async def ask(asking: Asking, action: str, data: bytes, *, to: str | None = None, **more: Any) -> AskedJob:
    await store(asking, data)
    order = asking.batch("other", action, to) | {
        "manifest": {"key": MANIFEST, "etag": "etag", "size": len(data)},
        "report": {"bucket_id": asking.uuids["other"], "prefix": "r/", "only_failed": False},
    }
    return await asking.ask("batch", order | more)


async def done(asking: Asking, action: str, data: bytes, **more: Any) -> list[tuple[str, ...]]:
    """The report: bucket, key, status, error and HTTP status of each line."""
    job = await ask(asking, action, data, **more)
    await asking.run()
    told = await asking.told(job)
    assert told.state == "done", told
    result = told.result
    assert told.progress["done"] == told.progress["total"] == result["succeeded"] + result["failed"]
    return await reported(asking, told)


async def reported(asking: Asking, told: AskedJob) -> list[tuple[str, ...]]:
    key = told.result["report"]["key"]
    assert key == f"r/job-{told.id}/results.csv"
    found, content = await asking.database.read(read_objects.find_with_content, asking.ids["other"], key)
    assert found is not None and content is not None and found.size == told.result["report"]["size"]
    rows = csv.reader(io.StringIO((await asking.process.get(content)).decode()))
    return [(row[0], row[1], row[3], row[4], row[5]) for row in rows]


async def refused(asking: Asking, job: AskedJob) -> tuple[str, str]:
    await asking.run()
    told = await asking.told(job)
    assert told.state == "failed", told
    return told.refusal["error_code"], told.refusal["detail"]


def lines(*keys: str, bucket: str = "bucket") -> bytes:
    return "".join(f"{bucket},{quote(key)}\n" for key in keys).encode()


def well(*keys: str, bucket: str = "bucket") -> list[tuple[str, ...]]:
    return [(bucket, key, "succeeded", "", "200") for key in keys]


KEYS = [f"a/{number}" for number in range(8)]


async def test_what_a_manifest_names_is_deleted_and_all_of_it_reported(asking: Asking) -> None:
    await asking.put([*KEYS, "kept"])
    report = await done(asking, "delete", lines(*KEYS, "never there"))
    assert report == [*well(*KEYS), ("bucket", "never%20there", "failed", "NoSuchKey", "404")]
    assert await asking.keys() == ["kept"]


async def test_a_report_may_have_only_what_failed(asking: Asking) -> None:
    await asking.put(KEYS)
    only = {"bucket_id": asking.uuids["other"], "prefix": "r/", "only_failed": True}
    assert await done(asking, "delete", lines(*KEYS, "x"), report=only) == [
        ("bucket", "x", "failed", "NoSuchKey", "404")
    ]


async def test_objects_of_several_buckets_are_tagged_moved_copied_and_restored(asking: Asking) -> None:
    await asking.put(["a", "b"])
    await asking.put(["c"], "other")
    both = lines("a", "b") + lines("c", bucket="other")
    assert await done(asking, "tag", both, tags={"x": "y"}) == [*well("a", "b"), *well("c", bucket="other")]
    for name, key in (("bucket", "a"), ("other", "c")):
        found = await asking.database.read(objects.find, asking.ids[name], key)
        assert found is not None and found.tags == '[["x","y"]]'
    assert await done(asking, "move", lines("a"), to_prefix="to/") == well("a")
    assert await done(asking, "copy", both, to="other", to_prefix="copies/") == [
        ("bucket", "a", "failed", "NoSuchKey", "404"),
        *well("b"),
        *well("c", bucket="other"),
    ]
    assert await asking.keys() == ["b", "to/a"]
    assert {"copies/b", "copies/c"} < set(await asking.keys("other"))
    await asking.database.write(lambda conn: configurations.set_trash_seconds(asking.change(conn, ""), 1000))
    assert await done(asking, "delete", lines("b")) == well("b")
    assert await done(asking, "restore", lines("b", "to/a", "x")) == [
        *well("b"),
        ("bucket", "to/a", "failed", "CONFLICT", "409"),
        ("bucket", "x", "failed", "NoSuchKey", "404"),
    ]
    assert await asking.keys() == ["b", "to/a"]


async def test_a_move_within_the_bucket_that_is_named_keeps_the_file(asking: Asking) -> None:
    await asking.put(["a"])
    before = await asking.database.read(objects.find, asking.ids["bucket"], "a")
    assert await done(asking, "move", lines("a"), to="bucket", to_prefix="to/") == well("a")
    after = await asking.database.read(objects.find, asking.ids["bucket"], "to/a")
    assert before is not None and after is not None and after.file_id == before.file_id


async def test_versions_are_acted_on_by_their_ids(asking: Asking) -> None:
    await asking.keep_versions()
    for number in range(3):
        await asking.put(["a"], user_metadata=f'{{"of":"{number}"}}')

    def versions(conn: Connection) -> list[Any]:
        wanted = select(schema.objects).where(schema.objects.c.key == "a")
        return list(conn.execute(wanted.order_by(schema.objects.c.sequence)).all())

    newest, middle, oldest = await asking.database.read(versions)

    def line(version_id: str) -> bytes:
        return f"bucket,a,{version_id}\n".encode()

    assert await done(asking, "tag", line(middle.version_id), tags={"x": "y"}) == well("a")
    assert await done(asking, "copy", line(oldest.version_id), to="other", to_prefix="to/") == well("a")
    assert await done(asking, "restore", line(middle.version_id)) == well("a")
    assert await done(asking, "delete", line(oldest.version_id)) == well("a")
    assert await done(asking, "move", line(newest.version_id), to_prefix="to/") == [
        ("bucket", "a", "failed", "VALIDATION_ERROR", "422")
    ]
    for bad in ("none", "x" * 32, "null"):
        ((*_, error, status),) = await done(asking, "tag", line(bad), tags={})
        assert (error, status) in [("NoSuchVersion", "404"), ("NoSuchKey", "404")]
    restored, *left = await asking.database.read(versions)
    assert [row.sequence for row in left] == [newest.sequence, middle.sequence]
    assert (restored.user_metadata, restored.tags) == ('{"of":"1"}', '[["x","y"]]')
    copied = await asking.database.read(objects.find, asking.ids["other"], "to/a")
    assert copied is not None and copied.user_metadata == '{"of":"0"}'


async def test_each_line_is_asked_for_by_the_rights_of_who_asked(asking: Asking) -> None:
    """Of buckets of others he learns nothing."""
    await asking.put(["a", "b"])
    await forbid(asking, "s3:DeleteObject", "b")

    def others(conn: Connection) -> None:
        owner = asking.stranger.id
        asking.ids["strangers"] = buckets.create(
            conn, name="strangers", owner_id=owner, region="us-east-1", defaults="aws", now=now(conn)
        )

    await asking.database.write(others)
    await asking.put(["there"], "strangers", owner_id=asking.stranger.id)
    strangers = lines("there", "not there", bucket="strangers")
    report = await done(asking, "delete", lines("a", "b") + strangers + lines("x", bucket="no-such-bucket"))
    told = [(bucket, error) for bucket, _, _, error, _ in report]
    assert told[:2] == [("bucket", ""), ("bucket", "AccessDenied")]
    assert told[2] == told[3] == ("strangers", "NoSuchKey")
    assert told[4] == ("no-such-bucket", "NoSuchBucket")
    assert await asking.keys("strangers") == ["there"]


async def test_a_manifest_that_was_changed_ends_the_job(asking: Asking) -> None:
    await asking.put(KEYS)
    job = await ask(asking, "delete", lines(*KEYS))
    await store(asking, lines(*KEYS), etag="new")
    assert await refused(asking, job) == ("CONFLICT", "the manifest was changed meanwhile")
    assert await asking.keys() == KEYS


async def test_one_that_is_bad_at_its_end_does_nothing(asking: Asking) -> None:
    await asking.put(KEYS)
    for end in (b'bucket,"a\n', b"bucket\n", b"bucket,\xff", b"x" * 9000):
        code, detail = await refused(asking, await ask(asking, "delete", lines(*KEYS) + end))
        assert code == "VALIDATION_ERROR" and detail.startswith("this is no manifest: line 9 "), detail
    assert (await refused(asking, await ask(asking, "delete", b"\n\n")))[1].endswith("it names nothing")
    assert await asking.keys() == KEYS


async def test_who_may_not_read_the_manifest_any_more_does_nothing(asking: Asking) -> None:
    await asking.put(KEYS)
    job = await ask(asking, "delete", lines(*KEYS))
    deny = '{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::other/*"}'
    policy = f'{{"Version":"2012-10-17","Statement":[{deny}]}}'
    await asking.database.write(lambda conn: configurations.put(asking.change(conn, "", "other"), "Policy", policy))
    assert await refused(asking, job) == ("PERMISSION_DENIED", "you may not read the manifest")
    assert await asking.keys() == KEYS


async def test_a_kill_leaves_each_line_done_and_reported_once(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after the step was noted; what was done already isn't reported as missing."""
    keys = [f"{number}" for number in range(10)]
    await asking.put(keys)
    note, times = module._note, 0

    def dying(*given: Any) -> bool:
        nonlocal times
        times += 1
        assert times % 3 != 1, "it dies before"
        result = note(*given)
        assert times % 3 != 0, "it dies after, in the transaction"
        return result

    monkeypatch.setattr(module, "_note", dying)
    job, attempts = await ask(asking, "delete", lines(*keys)), 0
    while (await asking.told(job)).state != "done":
        attempts += 1
        assert attempts < 20
        await asking.database.write(lambda conn: conn.execute(update(schema.jobs).values(run_at=0)) and None)
        await asking.run()
    told = await asking.told(job)
    assert attempts > 3 and told.result["succeeded"] == 10
    assert await reported(asking, told) == well(*keys)
    assert await asking.keys() == []


async def test_a_batch_of_a_manifest_is_cancelled_between_two_steps(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"{number}" for number in range(10)]
    await asking.put(keys)
    job = await ask(asking, "delete", lines(*keys))
    do_all = module._ManifestBatch._do_all

    async def cancelling(*given: Any) -> Any:
        outcomes = await do_all(*given)
        await asking.database.write(asked_jobs.cancel, COMMAND_LINE, job.id)
        return outcomes

    monkeypatch.setattr(module._ManifestBatch, "_do_all", cancelling)
    await asking.run()
    assert (await asking.told(job)).state == "cancelled"
    assert await asking.keys() == keys[3:]


async def test_a_report_that_cannot_be_written_fails_the_job_when_all_is_done(asking: Asking) -> None:
    await asking.put(["a"])
    await store(asking, b"")
    report = {"bucket_id": asking.uuids["bucket"], "prefix": "r/", "only_failed": False}
    await forbid(asking, "s3:PutObject", "r/*")
    job = await ask(asking, "delete", lines("a"), report=report)
    assert (await refused(asking, job))[0] == "PERMISSION_DENIED"
    assert await asking.keys() == []
    assert (await asking.told(job)).result == {"succeeded": 1, "failed": 0, "failures": []}
