"""Reports: what they count, for whom, what becomes of one whose process dies, and how they are written."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from sqlalchemy import select, update

from s3gw.jobs import asked as asked_module
from s3gw.jobs import report as reporting
from s3gw.jobs.report import _Report
from s3gw.jobs.schedule import begin_reports
from s3gw.metadata import (
    asked_jobs,
    buckets,
    configurations,
    contents,
    deleted_users,
    job_pieces,
    jobs,
    objects,
    read_objects,
    report_runs,
    reports,
    schema,
)
from s3gw.metadata.asked_jobs import AskedJob
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection, now
from s3gw.metadata.objects import NewObject
from s3gw.metadata.reports import Fields
from s3gw.problems import Conflict, NotFound
from s3gw.reports import parquet
from s3gw.reports.spec import BY, Spec
from s3gw.reports.writers import harmless
from tests.content.bodies import body_of
from tests.jobs.asking import Asking
from tests.jobs.conftest import DAY, Process
from tests.postgresql import keep_in_threads

pytestmark = pytest.mark.anyio


@pytest.fixture
async def asking(process: Process, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """With small steps."""
    monkeypatch.setattr(asked_module, "_PAUSE", 0.0)
    monkeypatch.setattr(reporting, "STEP", 3)
    made = Asking(process)
    await made.make()
    return made


def spec_of(asking: Asking, **more: Any) -> Spec:
    return Spec(None, False, "", BY, ("csv", "json"), asking.uuids["other"], "out/")._replace(**more)


async def ask(asking: Asking, **more: Any) -> AskedJob:
    return await asking.ask("report", {"name": "usage", "spec": spec_of(asking, **more).dumped()})


async def made(asking: Asking, job: AskedJob) -> AskedJob:
    await asking.run()
    told = await asking.told(job)
    assert told.state == "done", told
    return told


async def refused(asking: Asking, job: AskedJob) -> str:
    await asking.run()
    told = await asking.told(job)
    assert told.state == "failed", told
    code: str = told.refusal["error_code"]
    return code


async def read(asking: Asking, key: str, bucket: str = "other") -> bytes:
    found, content = await asking.database.read(read_objects.find_with_content, asking.ids[bucket], key)
    assert found is not None and content is not None
    return await asking.process.get(content)


async def rows_of(asking: Asking, told: AskedJob) -> list[dict[str, Any]]:
    """Of the JSON, when the CSV has the same."""
    keys = {each["format"]: each["key"] for each in told.result["objects"]}
    document = json.loads(await read(asking, keys["json"]))
    lines = list(csv.DictReader(io.StringIO((await read(asking, keys["csv"])).decode(), newline="")))
    as_text = [{name: str(value) for name, value in row.items() if name != "places"} for row in document["rows"]]
    assert [{name: value for name, value in line.items() if name != "places"} for line in lines] == as_text
    rows: list[dict[str, Any]] = document["rows"]
    return rows


def of(rows: list[dict[str, Any]], by: str) -> list[tuple[Any, ...]]:
    names = ("bucket", "name", "files", "versions", "bytes")
    return [tuple(row[name] for name in names) for row in rows if row["by"] == by]


async def put(asking: Asking, key: str, data: bytes, **more: Any) -> None:
    """With a content of its own, though the bytes may be those of others."""

    async with asking.process.services.writer.storing(body_of(data)) as stored:

        def write(conn: Connection) -> None:
            change = asking.change(conn, key)
            new = NewObject(key, len(data), **{"etag": "e", "owner_id": asking.user.id} | more)
            objects.put(change, new, lambda conn: contents.insert(conn, stored.content))
            change.finish()

        await asking.database.write(write)


async def test_a_report_counts_by_user_bucket_prefix_type_and_age(asking: Asking) -> None:
    await asking.keep_versions()
    kinds = {"a/1": "text/plain", "a/2/x": "Text/Plain; charset=utf-8", "b/3": "image/png", "top": None}
    for key, kind in kinds.items():
        headers = None if kind is None else json.dumps({"ContentType": kind})
        await asking.put([key], headers=headers)
    await asking.put(["a/1"], headers='{"ContentType":"text/plain"}')
    await asking.delete("b/3")
    old = schema.objects.c.key == "top"
    at = await asking.database.read(now)
    await asking.database.write(
        lambda conn: conn.execute(update(schema.objects).where(old).values(last_modified=at - 31 * DAY)) and None
    )
    told = await made(asking, await ask(asking))
    assert (told.progress["done"], told.progress["total"]) == (15, 15)  # three walks
    rows = await rows_of(asking, told)
    assert of(rows, "bucket") == [("bucket", "", 3, 5, 5), ("other", "", 0, 0, 0)]
    assert of(rows, "user") == [("", "", 3, 5, 5)]
    assert of(rows, "prefix") == [("bucket", "", 1, 1, 1), ("bucket", "a/", 2, 3, 3), ("bucket", "b/", 0, 1, 1)]
    assert of(rows, "type") == [
        ("bucket", "binary/octet-stream", 1, 1, 1),
        ("bucket", "image/png", 0, 1, 1),
        ("bucket", "text/plain", 2, 3, 3),
    ]
    assert of(rows, "age") == [("bucket", "0-29 days", 2, 4, 4), ("bucket", "30-89 days", 1, 1, 1)]
    (key,) = {each["key"].rpartition(".")[0] for each in told.result["objects"]}
    assert key.startswith("out/usage-2") and key.endswith(told.id[:8])


async def test_contents_that_are_there_twice_are_found_with_their_places(asking: Asking) -> None:
    await put(asking, "a", b"x" * 1500)
    await put(asking, "b/a copy", b"x" * 1500)
    await put(asking, "small", b"y")
    await put(asking, "small too", b"y")
    await put(asking, "alone", b"z" * 1500)
    await put(asking, "empty", b"")
    await put(asking, "empty too", b"")
    rows = await rows_of(asking, await made(asking, await ask(asking, by=("duplicates",))))
    assert [(row["name"], row["versions"], row["bytes"], row["duplicate_bytes"], row["places"]) for row in rows] == [
        ("a", 2, 3000, 1500, ["bucket/a", "bucket/b/a copy"]),
        ("small", 2, 2, 1, ["bucket/small", "bucket/small too"]),
    ]


async def test_a_report_of_a_prefix_counts_only_that_and_tells_its_folders(asking: Asking) -> None:
    await asking.put(["a/b/1", "a/b/2", "a/3", "b/4"])
    bucket_id = asking.uuids["bucket"]
    rows = await rows_of(asking, await made(asking, await ask(asking, prefix="a/", bucket_id=bucket_id)))
    assert of(rows, "bucket") == [("bucket", "", 3, 3, 3)]
    assert of(rows, "prefix") == [("bucket", "", 1, 1, 1), ("bucket", "a/b/", 2, 2, 2)]


async def test_only_the_owner_is_told_of_a_bucket_and_only_admins_of_all(asking: Asking) -> None:
    await asking.put(["a"])
    strangers = await asking.database.write(_bucket_of_stranger, asking)
    assert await refused(asking, await ask(asking, bucket_id=strangers)) == "PERMISSION_DENIED"
    assert await refused(asking, await ask(asking, is_of_all=True)) == "PERMISSION_DENIED"
    rows = await rows_of(asking, await made(asking, await ask(asking)))
    assert {row["bucket"] for row in rows} == {"", "bucket", "other"}
    await _set_role(asking, "admin")
    rows = await rows_of(asking, await made(asking, await ask(asking, is_of_all=True, by=("user", "bucket"))))
    assert {row["bucket"] for row in rows} == {"", "bucket", "other", "strangers"}
    assert [row["user"] for row in rows if row["by"] == "user"].count("stranger") == 1


def _bucket_of_stranger(conn: Connection, asking: Asking) -> str:
    owner = asking.stranger.id
    number = buckets.create(conn, name="strangers", owner_id=owner, region="us-east-1", defaults="aws", now=now(conn))
    return buckets.uuid_of(conn, number)


async def _set_role(asking: Asking, role: str) -> None:
    this = schema.users.c.id == asking.user.id
    await asking.database.write(
        lambda conn: conn.execute(update(schema.users).where(this).values(role=role, rules_revision="new")) and None
    )


async def test_a_bucket_whose_policy_denies_its_owner_is_left_out_and_told(asking: Asking) -> None:
    await asking.put(["a"])
    await forbid(asking, "s3:ListBucketVersions", "arn:aws:s3:::bucket")
    told = await made(asking, await ask(asking, by=("bucket",)))
    assert told.result["refused"] == ["bucket"]
    assert [row["bucket"] for row in await rows_of(asking, told)] == ["other"]
    assert await refused(asking, await ask(asking, bucket_id=asking.uuids["bucket"])) == "PERMISSION_DENIED"


async def forbid(asking: Asking, action: str, resource: str, bucket: str = "bucket") -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    await asking.database.write(lambda conn: configurations.put(asking.change(conn, "", bucket), "Policy", policy))


async def test_who_may_not_write_there_any_more_has_no_report(asking: Asking) -> None:
    await forbid(asking, "s3:PutObject", "arn:aws:s3:::other/*", "other")
    assert await refused(asking, await ask(asking)) == "PERMISSION_DENIED"
    assert await asking.keys("other") == []


async def test_an_attempt_goes_on_where_the_one_before_died(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever that was: the result is that of one attempt."""
    keep_in_threads(asking.database)  # where each step is begun once
    monkeypatch.setattr(reporting, "_KEEP", 0.0)
    await asking.put([f"{folder}/{number}" for folder in "abc" for number in range(4)])
    expected = [row for row in await rows_of(asking, await made(asking, await ask(asking))) if row["bucket"] != "other"]
    keep, kept = reporting._keep, 0

    def dying(*given: Any) -> bool:
        nonlocal kept
        kept += 1
        result = keep(*given)
        assert kept % 2, "it dies"
        return result

    monkeypatch.setattr(reporting, "_keep", dying)
    job, attempts = await ask(asking), 0
    while (await asking.told(job)).state != "done":
        attempts += 1
        assert attempts < 20
        await asking.database.write(lambda conn: conn.execute(update(schema.jobs).values(run_at=0)) and None)
        await asking.run()
    assert attempts > 3
    rows = await rows_of(asking, await asking.told(job))
    assert [row for row in rows if row["bucket"] != "other" and row["by"] != "user"] == [
        row for row in expected if row["by"] != "user"
    ]


async def test_a_report_is_cancelled_while_it_counts(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    await asking.put([f"{number}" for number in range(10)])
    job = await ask(asking)
    page = _Report._page

    async def cancelling(*given: Any) -> Any:
        await asking.database.write(asked_jobs.cancel, COMMAND_LINE, job.id)
        return await page(*given)

    monkeypatch.setattr(_Report, "_page", cancelling)
    await asking.run()
    assert (await asking.told(job)).state == "cancelled"
    assert await asking.keys("other") == []


async def test_pieces_are_forgotten_when_their_job_has_ended(asking: Asking) -> None:
    """But not those of a dead one, which may be tried again."""
    await made(asking, await ask(asking))
    dead = await ask(asking, is_of_all=True)
    assert await refused(asking, dead) == "PERMISSION_DENIED"
    await asking.database.write(job_pieces.put, dead.id, 0, {})
    waiting = await ask(asking)
    await asking.database.write(job_pieces.put, waiting.id, 0, {})
    later = await asking.database.read(now) + 1
    assert await asking.database.write(job_pieces.forget, later, 100) > 1
    left = select(schema.job_pieces.c.job_id)
    assert await asking.database.read(lambda conn: set(conn.execute(left).scalars().all())) == {waiting.id, dead.id}


@pytest.mark.soak
async def test_a_report_is_written_as_parquet(asking: Asking) -> None:
    import pyarrow.parquet as pq

    await asking.put(["a/1", "=1+1"])
    told = await made(asking, await ask(asking, formats=("parquet", "json")))
    keys = {each["format"]: each["key"] for each in told.result["objects"]}
    file = pq.ParquetFile(io.BytesIO(await read(asking, keys["parquet"])))
    rows = json.loads(await read(asking, keys["json"]))["rows"]
    assert file.read(use_threads=False).to_pylist() == rows
    assert file.schema_arrow.metadata[b"name"] == b"usage"


async def test_without_pyarrow_a_report_as_parquet_is_refused(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "is_installed", lambda: False)
    assert parquet.is_installed()
    assert await refused(asking, await ask(asking, formats=("parquet",))) == "VALIDATION_ERROR"


async def test_what_a_spreadsheet_would_take_for_a_formula_is_text(asking: Asking) -> None:
    await asking.put(['=cmd|" /C calc"!A0/x', "+1/x", "-1/x", "@SUM(1)/x", "\t=1/x", "a=1/x"])
    told = await made(asking, await ask(asking, by=("prefix",), formats=("csv",)))
    text = (await read(asking, told.result["objects"][0]["key"])).decode()
    names = [line["name"] for line in csv.DictReader(io.StringIO(text, newline=""))]
    assert sorted(names) == sorted(["'\t=1/", "'+1/", "'-1/", "'=cmd|\" /", "'@SUM(1)/", "a=1/"])
    assert harmless("\r=1") == "'\r=1"


async def test_a_saved_report_is_made_when_it_is_due_once_by_all_nodes(asking: Asking) -> None:
    at = await asking.database.read(now)
    due = Fields("usage", spec_of(asking).dumped(), [None], "0 * * * *", "UTC", True, at - 1)
    late = due._replace(name="late", next_run=at + DAY)
    off = due._replace(name="off", is_enabled=False, next_run=None)
    for fields in (due, late, off):
        await asking.database.write(reports.create, asking.user.id, fields)
    (seen,) = await asking.database.read(report_runs.due, 10)
    await begin_reports(asking.database)
    assert not await asking.database.write(report_runs.go_on, seen, at + DAY)  # another node, which saw the same
    (job,) = await asking.database.read(jobs.list_jobs)
    assert (job.kind, job.asked_by) == ("report", asking.user.id)
    after = await asking.database.read(reports.find, seen.id)
    assert after.next_run is not None and after.next_run > at and after.last_run is not None
    await asking.run()
    assert len(await asking.keys("other")) == 2


async def test_what_is_due_of_somebody_disabled_waits(asking: Asking) -> None:
    at = await asking.database.read(now)
    due = Fields("usage", spec_of(asking).dumped(), [None], "0 * * * *", "UTC", True, at - 1)
    await asking.database.write(reports.create, asking.user.id, due)
    await asking.database.write(lambda conn: conn.execute(update(schema.users).values(is_enabled=0)) and None)
    await begin_reports(asking.database)
    assert await asking.database.read(jobs.list_jobs) == []


async def test_a_report_that_is_due_while_its_owner_has_too_many_jobs_is_left_out(asking: Asking) -> None:
    at = await asking.database.read(now)
    due = Fields("usage", spec_of(asking).dumped(), [None], "0 * * * *", "UTC", True, at - 1)
    report = await asking.database.write(reports.create, asking.user.id, due)
    for _ in range(asked_jobs.MOST_OF_USER):
        await ask(asking)
    await begin_reports(asking.database)
    after = await asking.database.read(reports.find, report.id)
    assert after.next_run is not None and after.next_run > at
    assert len(await asking.database.read(jobs.list_jobs)) == asked_jobs.MOST_OF_USER


async def test_a_user_has_100_saved_reports_at_most(asking: Asking) -> None:
    def save(conn: Connection, first: int, count: int) -> None:
        for number in range(first, first + count):
            fields = Fields(f"{number}", spec_of(asking).dumped(), [], None, "UTC", True, None)
            reports.create(conn, asking.user.id, fields)

    await asking.database.write(save, 0, reports.MOST_OF_USER)
    with pytest.raises(Conflict):
        await asking.database.write(save, reports.MOST_OF_USER, 1)
    found, total = await asking.database.read(reports.page, asking.user.id, 10, 5)
    assert (len(found), total) == (5, 100)


async def test_saved_reports_go_with_their_owner(asking: Asking) -> None:
    fields = Fields("usage", spec_of(asking).dumped(), [], None, "UTC", True, None)
    made = await asking.database.write(reports.create, asking.stranger.id, fields)
    await asking.database.write(deleted_users.delete_now, COMMAND_LINE, asking.stranger.name)
    with pytest.raises(NotFound):
        await asking.database.read(reports.find, made.id)


async def test_a_time_that_was_counted_by_a_clock_that_was_ahead_is_counted_anew(asking: Asking) -> None:
    at = await asking.database.read(now)
    late = Fields("usage", spec_of(asking).dumped(), [None], "0 * * * *", "UTC", True, at + 300 * DAY)
    report = await asking.database.write(reports.create, asking.user.id, late)
    ahead = update(schema.reports).values(counted_at=at + 299 * DAY)
    await asking.database.write(lambda conn: conn.execute(ahead) and None)
    await begin_reports(asking.database)
    after = await asking.database.read(reports.find, report.id)
    assert after.next_run is not None and after.next_run < at + DAY and after.last_run is None
    assert await asking.database.read(jobs.list_jobs) == []
