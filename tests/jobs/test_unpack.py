"""Archives that a job unpacks: file by file, each once whatever dies, with a report, and nothing kept at the end."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from s3gw.jobs import asked as asked_module
from s3gw.jobs import unpack as unpacking
from s3gw.jobs.batch import MOST_TOLD
from s3gw.jobs.expire_uploads import expire_uploads
from s3gw.jobs.unpack import _Unpacking
from s3gw.metadata import asked_jobs, identities, objects, resumable_uploads, schema, uploads
from s3gw.metadata.asked_jobs import AskedJob
from s3gw.metadata.audit import Actor
from s3gw.metadata.change import Change, ChangeFacts, PartLock
from s3gw.metadata.database import Connection, now
from s3gw.metadata.resumable_uploads import Resumable
from s3gw.metadata.uploads import Upload, UploadedPart
from tests.jobs.asking import Asking
from tests.jobs.conftest import HOUR, Clock, Process
from tests.made_archives import tar_of, zip_of

pytestmark = pytest.mark.anyio
LONG = os.urandom(3_000_000)  # more than is read at once
FILES = {"a": b"1", "b/c": LONG, "b/d": b"", "e": b"2" * 5000}


@pytest.fixture
async def asking(process: Process, monkeypatch: pytest.MonkeyPatch) -> Asking:
    monkeypatch.setattr(asked_module, "_PAUSE", 0.0)
    made = Asking(process)
    await made.make()
    return made


async def send(asking: Asking, archive: bytes) -> Resumable:
    """As the API stores what is sent to be unpacked by a job: in two pieces."""
    contents = [await asking.process.put(piece) for piece in (archive[:1000], archive[1000:]) if piece]

    def make(conn: Connection) -> Resumable:
        at, owner, bucket_id = now(conn), asking.user.id, asking.ids["bucket"]
        upload_id = uploads.new_upload_id(at)
        people = (owner, owner)
        upload = Upload(upload_id, bucket_id, "in/x", at, *people, "STANDARD", None, None, None, None, None)
        made = Resumable(str(uuid4()), upload_id, bucket_id, "in/x", owner, at, at, None, 0, "archive", 0, "")
        change = asking.change(conn, "in/x")
        resumable_uploads.begin(change, upload._replace(is_resumable=1), made)
        change.finish()
        for number, content in enumerate(contents, 1):
            facts = ChangeFacts(bucket_id, Actor(owner, "user", "s3"), owner, at)
            of_part = Change(conn, facts, [PartLock(upload_id, number)])
            part = UploadedPart(upload_id, number, content.size, "e", at, content.id, None, None)
            uploads.put_part(of_part, part)
            of_part.finish()
        return made

    return await asking.database.write(make)


async def ask(asking: Asking, archive: bytes, **more: Any) -> AskedJob:
    sent = await send(asking, archive)
    order = {"bucket_id": asking.uuids["bucket"], "path": "in/", "overwrite": False, "size": len(archive)}
    name = uploads.name_of_unpacking(sent.id)
    return await asking.ask("unpack", order | {"kept": sent.upload_id} | more, singleton=name)


async def unpacked(asking: Asking, archive: bytes, **more: Any) -> AskedJob:
    job = await ask(asking, archive, **more)
    await asking.run()
    return await asking.told(job)


async def kept(asking: Asking) -> int:
    """Bytes of uploads that count, and rows of these."""
    rows = select(schema.uploads.c.upload_id), select(schema.resumable_uploads.c.id)
    found = await asking.database.read(lambda conn: sum(len(conn.execute(each).all()) for each in rows))
    return found + (await asking.used()).part_bytes


@pytest.mark.parametrize("archive", [zip_of(FILES), tar_of(FILES), tar_of(FILES, "w:gz")], ids=["zip", "tar", "tar.gz"])
async def test_its_files_are_stored_and_the_archive_is_gone(asking: Asking, archive: bytes) -> None:
    job = await ask(asking, archive)
    assert (await asking.used()).part_bytes == len(archive)
    await asking.run()
    told = await asking.told(job)
    assert (told.state, told.progress) == ("done", {"done": 4, "total": 4}), told
    assert told.result == {"succeeded": 4, "failed": 0, "failures": []}
    assert await asking.keys() == [f"in/{name}" for name in FILES]
    assert await kept(asking) == 0


async def test_what_is_refused_of_a_file_is_reported_and_the_others_go_on(asking: Asking) -> None:
    await asking.put(["in/b/d"])
    told = await unpacked(asking, zip_of(FILES | {"x" * 1025: b"1"}))
    assert told.state == "done" and (told.result["succeeded"], told.result["failed"]) == (3, 2)
    codes = {failure["file_path"]: failure["error_code"] for failure in told.result["failures"]}
    assert codes == {"in/b/d": "FILE_ALREADY_EXISTS", f"in/{'x' * 1025}": "VALIDATION_ERROR"}
    assert (await unpacked(asking, zip_of({"b/d": b"new"}), overwrite=True)).result["succeeded"] == 1


async def test_a_report_has_so_many_failures_at_most(asking: Asking) -> None:
    names = [f"{number}" for number in range(MOST_TOLD + 1)]
    await asking.put([f"in/{name}" for name in names])
    report = (await unpacked(asking, zip_of(dict.fromkeys(names, b"")))).result
    assert (report["failed"], len(report["failures"])) == (MOST_TOLD + 1, MOST_TOLD)


BAD = {
    "up": tar_of({"a": b"1", "../b": b"2"}),
    "a link": tar_of({"a": b"1", "b": b""}, type=b"2", linkname="/etc/passwd"),
    "a bomb": tar_of({"a": b"1", "b": bytes(20_000_000)}, "w:gz"),
    "cut": tar_of({"a": b"1", "b": LONG})[:200_000],
    "none": LONG,
}


@pytest.mark.parametrize("archive", BAD.values(), ids=BAD)
async def test_one_that_is_not_as_it_should_be_stores_nothing(asking: Asking, archive: bytes) -> None:
    told = await unpacked(asking, archive)
    assert (told.state, told.refusal["error_code"]) == ("failed", "VALIDATION_ERROR")
    assert told.refusal["detail"].startswith("the archive can't be unpacked: ")
    assert await asking.keys() == [] and await kept(asking) == 0


async def test_an_archive_of_more_files_than_a_job_unpacks_is_refused_before_the_first(asking: Asking) -> None:
    """A million entries are refused so, however small they are."""
    asking.process.services.settings.max_unpack_job_files = 3  # type: ignore[misc]
    for archive in (zip_of(FILES), tar_of(FILES), tar_of(FILES, "w:gz")):
        told = await unpacked(asking, archive)
        assert (told.state, told.refusal["detail"]) == (
            "failed",
            "the archive can't be unpacked: it has more than 3 files",
        )
    assert await asking.keys() == []
    asking.process.services.settings.max_unpack_job_files = 4  # type: ignore[misc]
    assert (await unpacked(asking, zip_of(FILES))).result["succeeded"] == 4


async def test_an_attempt_after_a_kill_goes_on_behind_the_last_file_that_was_stored(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is noted but with the files: each has one version, and what somebody wrote meanwhile stays."""
    monkeypatch.setattr(asked_module, "_PAUSE", 3600.0)
    await asking.keep_versions()
    original, dies = _Unpacking._do, asyncio.Event()

    async def hanging(self: Any, file: Any) -> None:
        await original(self, file)
        if file.path == "b/d":
            dies.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(_Unpacking, "_do", hanging)
    job = await ask(asking, tar_of(FILES, "w:gz"), overwrite=True)
    killed = asyncio.create_task(asking.run())
    await asyncio.wait_for(dies.wait(), 20)
    assert (await asking.told(job)).progress["done"] == 3
    await asking.put(["in/a"], etag="new")
    await asking.database.write(
        lambda conn: conn.execute(update(schema.jobs).values(lease_until=0, leased_by="dead")) and None
    )
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    monkeypatch.setattr(_Unpacking, "_do", original)
    await asking.run()
    told = await asking.told(job)
    assert (told.state, told.result["succeeded"], told.progress) == ("done", 4, {"done": 4, "total": 4})
    found = await asking.database.read(objects.find, asking.ids["bucket"], "in/a")
    assert found is not None and found.etag == "new"
    assert (await asking.used()).versions == 5
    assert await kept(asking) == 0


async def test_who_lost_the_lease_stores_nothing_more(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    original = _Unpacking._do

    async def robbed(self: Any, file: Any) -> None:
        if file.path == "b/d":
            await asking.database.write(
                lambda conn: conn.execute(update(schema.jobs).values(leased_by="another")) and None
            )
        await original(self, file)

    monkeypatch.setattr(_Unpacking, "_do", robbed)
    await ask(asking, zip_of(FILES))
    await asking.run()
    assert await asking.keys() == ["in/a", "in/b/c"]


@pytest.mark.parametrize("when", ["queued", "running"])
async def test_one_that_is_cancelled_keeps_its_files_and_no_archive(
    asking: Asking, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    job = await ask(asking, zip_of(FILES))
    actor, original = Actor(asking.user.id, "user", "api"), _Unpacking._do

    async def cancelling(self: Any, file: Any) -> None:
        if file.path == "b/d":  # empty: its transaction hears it
            await asking.database.write(asked_jobs.cancel, actor, job.id)
        await original(self, file)

    monkeypatch.setattr(_Unpacking, "_do", cancelling)
    if when == "queued":
        await asking.database.write(asked_jobs.cancel, actor, job.id)
    else:
        await asking.run()
    told = await asking.told(job)
    assert told.state == "cancelled"
    assert await asking.keys() == ([] if when == "queued" else ["in/a", "in/b/c", "in/b/d"])
    assert await kept(asking) == 0


async def test_one_that_is_cancelled_in_the_middle_of_a_long_file_stores_none_of_it(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await ask(asking, tar_of(FILES))
    actor, original, read = Actor(asking.user.id, "user", "api"), unpacking.UnpackedBody._read, 0

    async def cancelling(self: Any, most: int) -> bytes:
        nonlocal read
        piece = await original(self, most)
        read += len(piece)
        if read == len(piece) + 1:  # the first of the second file
            await asking.database.write(asked_jobs.cancel, actor, job.id)
        return piece

    monkeypatch.setattr(unpacking.UnpackedBody, "_read", cancelling)
    await asking.run()
    assert (await asking.told(job)).state == "cancelled"
    assert read < len(LONG) and await asking.keys() == ["in/a"] and await kept(asking) == 0


async def test_one_that_is_cancelled_while_a_long_file_is_passed_over_hears_it(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await ask(asking, tar_of({"a": LONG, "b": b"1"}, "w:gz"))
    actor, original, ranges = Actor(asking.user.id, "user", "api"), _Unpacking._read_upload, 0

    async def cancelling(self: Any, offset: int, length: int) -> bytes:
        nonlocal ranges
        ranges += 1
        if ranges == 2:  # behind the header of the first file, which is only counted
            await asking.database.write(asked_jobs.cancel, actor, job.id)
        return await original(self, offset, length)

    monkeypatch.setattr(_Unpacking, "_read_upload", cancelling)
    await asking.run()
    assert (await asking.told(job)).state == "cancelled"
    assert ranges == 2 and await kept(asking) == 0


@pytest.mark.parametrize("lost", ["user", "bucket", "archive"])
async def test_it_ends_with_the_user_the_bucket_and_the_archive(asking: Asking, lost: str) -> None:
    job = await ask(asking, zip_of(FILES))
    if lost == "user":
        await asking.database.write(identities.set_user_enabled, "user", False)
    elif lost == "archive":
        await asking.database.write(uploads.abort, json.loads((await asking.process.the_job()).payload)["kept"])
    else:
        of_it = schema.buckets.c.id == asking.ids["bucket"]
        await asking.database.write(
            lambda conn: conn.execute(update(schema.buckets).where(of_it).values(uuid=str(uuid4()))) and None
        )
    await asking.run()
    told = await asking.told(job)
    assert told.state == "failed", told
    assert told.refusal["error_code"] == ("PERMISSION_DENIED" if lost == "user" else "NOT_FOUND")
    assert await asking.keys() == [] and await kept(asking) == 0


async def test_an_archive_for_which_no_job_was_asked_has_an_hour(asking: Asking, clock: Clock) -> None:
    await ask(asking, zip_of({"a": b"1"}))
    await send(asking, zip_of({"b": b"1"}))
    await expire_uploads(asking.process.services, None, lambda _: None)
    for _ in range(2):
        clock.pass_by(2 * HOUR / 1_000_000)
        await expire_uploads(asking.process.services, None, lambda _: None)
    assert len(await asking.database.read(lambda conn: conn.execute(select(schema.resumable_uploads)).all())) == 1
