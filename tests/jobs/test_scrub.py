"""Scrubbing: what is bad on the disk is found, kept, named, and healed by the same content, on both databases."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from s3gw.content import damage
from s3gw.content.damage import Fault, Inspector
from s3gw.content.reader import DamagedChunk
from s3gw.jobs import name_damaged, runner, scrub
from s3gw.jobs.pace import ByteRate
from s3gw.jobs.reaper import reap
from s3gw.jobs.sweep import sweep
from s3gw.metadata import asked_jobs, blobs, contents, damaged_blobs, jobs, processes, schedules, schema
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.blobs import Blob
from s3gw.metadata.contents import Content
from s3gw.metadata.damaged_blobs import DAMAGED, HEALED, UNNEEDED, DamagedBlob
from s3gw.metadata.database import Connection, now
from s3gw.metadata.jobs import LEASE
from tests.content.bodies import random_bytes
from tests.jobs.asking import Asking
from tests.jobs.conftest import BODY, Process, ignore

pytestmark = pytest.mark.anyio
ALL = (DAMAGED, HEALED, UNNEEDED)


@pytest.fixture
async def asking(process: Process) -> Asking:
    made = Asking(process)
    await made.make()
    return made


async def lease(process: Process) -> jobs.Job:
    (job,) = await process.database.write(jobs.lease, "runner", LEASE, 1)
    return job


async def run(process: Process) -> jobs.Job:
    """As `s3gw scrub run`, and one attempt at it."""
    number = await process.database.write(schedules.run, COMMAND_LINE, "scrub")
    await runner.attempt(process.services, await lease(process))
    return await process.database.read(jobs.get, number)


async def found(process: Process) -> list[DamagedBlob]:
    return (await process.database.read(damaged_blobs.page, ALL, 0, 100))[0]


def flip(path: Path, position: int = 5) -> bytes:
    """What it holds then."""
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)
    return bytes(data)


def kept(process: Process) -> list[Path]:
    return sorted((process.folder / "damaged").glob("*"))


async def blob_of(process: Process, content: Content) -> Blob:
    blob = await process.database.read(blobs.find, content.extents[0].digest)
    assert blob is not None
    return blob


async def test_what_is_good_is_read_and_nothing_is_noted(process: Process) -> None:
    for number in range(20):
        await process.put(random_bytes(1500 + number))
    job = await run(process)
    assert job.state == "done", job.error
    told = json.loads(job.progress or "")
    assert (told["done"], told["total"], told["damaged"]) == (20, 20, 0)
    assert await found(process) == kept(process) == []
    last = await process.database.read(damaged_blobs.last_run)
    assert last is not None
    assert (last["chunks"], last["bytes"], last["damaged"]) == (20, sum(range(1500, 1520)), 0)


@pytest.mark.parametrize(
    ("size", "position", "detail"),
    [
        (200_000, 0, "the block at 0 isn't"),
        (200_000, 199_999, "the block at 196608 isn't"),
        (200_000, 200_000, "the list"),
        (2000, 2031, "the list"),
    ],
)
async def test_a_flipped_byte_is_found_and_the_file_kept(
    process: Process, size: int, position: int, detail: str
) -> None:
    content = await process.put(random_bytes(size))
    await process.put()
    blob = await blob_of(process, content)
    spoiled = flip(process.folder / blob.location[-2:] / blob.location, position)
    await run(process)
    (bad,) = await found(process)
    assert (bad.digest, bad.location, bad.fault, bad.state) == (blob.digest, blob.location, "changed", DAMAGED)
    assert bad.detail.startswith(detail)
    (file,) = kept(process)
    assert (file.name, file.read_bytes(), bad.is_kept) == (blob.location, spoiled, True)
    with pytest.raises(DamagedChunk, match=blob.digest.hex()):
        await process.get(content)
    actions = select(schema.audit_log.c.action).where(schema.audit_log.c.resource == blob.digest.hex())
    assert await process.database.read(lambda conn: list(conn.execute(actions).scalars())) == ["chunk.damaged"]


async def test_a_file_that_is_gone_or_too_short_is_found(process: Process) -> None:
    gone, cut = [await blob_of(process, await process.put(random_bytes(3000, seed))) for seed in range(2)]
    (process.folder / gone.location[-2:] / gone.location).unlink()
    os.truncate(process.folder / cut.location[-2:] / cut.location, 2999)
    await run(process)
    told = {bad.location: (bad.fault, bad.is_kept, bad.detail) for bad in await found(process)}
    assert told[gone.location] == ("missing", False, "there is no file")
    assert told[cut.location] == ("changed", True, "its file has 2999 bytes, not 3032")


async def test_what_the_disk_cannot_read_is_told_apart(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    await process.put()

    def fail(*_: Any) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as bad_sector:
        bad_sector.setattr(os, "preadv", fail)
        await run(process)
    assert [(bad.fault, bad.state) for bad in await found(process)] == [("unreadable", DAMAGED)]
    await run(process)
    (again,) = await found(process)
    assert (again.state, again.fault) == (HEALED, "unreadable")


async def test_where_the_folder_of_blobs_is_gone_nothing_is_called_damaged(process: Process) -> None:
    await process.put()
    elsewhere = process.folder.with_name("unmounted")
    shutil.move(process.folder, elsewhere)
    process.folder.mkdir()
    job = await run(process)
    shutil.rmtree(process.folder)
    shutil.move(elsewhere, process.folder)
    assert job.error is not None and "the folder of blobs isn't there" in job.error
    assert await found(process) == []


async def test_the_same_content_heals_it_and_the_bad_file_stays(process: Process) -> None:
    content = await process.put()
    blob = await blob_of(process, content)
    spoiled = flip(process.folder / blob.location[-2:] / blob.location)
    await run(process)
    assert await process.database.read(damaged_blobs.count) == 1
    await process.put(BODY)
    (bad,) = await found(process)
    assert bad.state == HEALED and bad.healed_at is not None and bad.healed_at >= bad.found_at
    assert await process.get(content) == BODY
    assert [file.read_bytes() for file in kept(process)] == [spoiled]
    job = await run(process)
    assert json.loads(job.progress or "")["damaged"] == await process.database.read(damaged_blobs.count) == 0


async def test_neither_reaper_nor_sweep_removes_what_is_kept(process: Process) -> None:
    content = await process.put()
    blob = await blob_of(process, content)
    flip(process.folder / blob.location[-2:] / blob.location)
    await run(process)
    await process.database.write(contents.release, content.id)
    await process.reap(4)
    assert process.files() == []
    assert [bad.state for bad in await found(process)] == [UNNEEDED]
    own = process.services.process_identity.name
    await process.database.write(lambda conn: conn.execute(update(schema.processes).values(is_dead=1)) and None)
    await sweep(process.services, None, ignore)
    assert own not in [one.name for one in await process.database.read(processes.list_processes)]
    assert [file.name for file in kept(process)] == [blob.location]


async def test_what_was_deleted_and_stored_again_is_healed_at_the_next_run(process: Process) -> None:
    content = await process.put()
    blob = await blob_of(process, content)
    flip(process.folder / blob.location[-2:] / blob.location)
    await run(process)
    await process.database.write(contents.release, content.id)
    await process.reap(4)
    await process.put()
    assert [(bad.state, bad.healed_at) for bad in await found(process)] == [(HEALED, None)]
    await run(process)
    assert [bad.healed_at is not None for bad in await found(process)] == [True]


def _part_of(conn: Connection, asking: Asking, content_id: int) -> None:
    upload = {"upload_id": "u1", "bucket_id": asking.ids["other"], "key": "big", "initiated_at": 1, "owner_id": "o"}
    conn.execute(insert(schema.uploads).values(**upload, initiator_id="o", storage_class="STANDARD"))
    part = {"upload_id": "u1", "part_number": 7, "size": 1, "etag": "e", "last_modified": 1}
    conn.execute(insert(schema.parts).values(**part, content_id=content_id))


async def test_all_who_need_it_are_named(
    asking: Asking, process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for constant in ("_ROWS", "_AT_ONCE"):
        monkeypatch.setattr(name_damaged, constant, 2)
    monkeypatch.setattr("s3gw.metadata.concerned._BYTES", 1)
    await asking.keep_versions()
    await asking.put(["a", "b", "b"])
    good = await process.put(random_bytes(5000))
    bad = await process.database.read(contents.load, asking._content_id)

    def compose(conn: Connection) -> int:
        children = contents.parts_from(conn, [(1, good.id, None), (2, bad.id, None)])
        return contents.insert(conn, contents.part_list(children))

    listed = await process.database.write(compose)
    await process.database.write(_part_of, asking, listed)
    blob = await blob_of(process, bad)
    flip(process.folder / blob.location[-2:] / blob.location)
    job = await run(process)
    (told,) = await found(process)
    assert told.needed_by == 4
    named = [(name["bucket"], name["kind"], name["key"]) for name in told.names]
    assert named == [("bucket", "version", key) for key in ("a", "b", "b")] + [("other", "part", "big")]
    assert len({name["version_id"] for name in told.names[1:3]}) == 2
    assert (told.names[3]["upload_id"], told.names[3]["part_number"]) == ("u1", 7)
    assert any('"key": "big"' in line for line in json.loads(job.lines or ""))
    assert "4 need it" in caplog.text


async def test_what_is_in_the_trash_is_named_and_a_copy_at_the_next_run(asking: Asking, process: Process) -> None:
    keep = update(schema.buckets).values(trash_seconds=3600)
    await process.database.write(lambda conn: conn.execute(keep) and None)
    await asking.put(["a"])
    await asking.delete("a")
    content = await process.database.read(contents.load, asking._content_id)
    blob = await blob_of(process, content)
    flip(process.folder / blob.location[-2:] / blob.location)
    await run(process)
    assert [(name["kind"], name["key"]) for name in (await found(process))[0].names] == [("trash", "a")]
    await asking.put(["copy"])
    await run(process)
    assert [name["key"] for name in (await found(process))[0].names] == ["copy", "a"]


async def test_of_a_chunk_200_objects_are_named_and_all_are_counted(asking: Asking, process: Process) -> None:
    await asking.put(f"{number:03}" for number in range(203))
    content = await process.database.read(contents.load, asking._content_id)
    blob = await blob_of(process, content)
    flip(process.folder / blob.location[-2:] / blob.location)
    await run(process)
    (told,) = await found(process)
    assert (told.needed_by, len(told.names)) == (203, 200)


async def test_it_goes_on_where_a_kill_left_it(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_LOOK", 0.01)
    monkeypatch.setattr(scrub, "_PAGE", 2)
    for seed in range(6):
        await process.put(random_bytes(1500, seed))
    looked: list[bytes] = []
    fault_of, stops, is_held = Inspector.fault_of, asyncio.Event(), True

    def look(self: Inspector, blob: Blob) -> Fault | None:
        looked.append(blob.digest)
        return fault_of(self, blob)

    async def turn(self: ByteRate) -> None:
        if is_held and len(looked) == 3:
            stops.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(Inspector, "fault_of", look)
    monkeypatch.setattr(ByteRate, "turn", turn)
    await process.database.write(schedules.run, COMMAND_LINE, "scrub")
    killed = asyncio.create_task(runner.attempt(process.services, await lease(process)))
    await asyncio.wait_for(stops.wait(), 20)
    async with asyncio.timeout(20):
        while (await process.progress() or {}).get("done") != 3:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    monkeypatch.setattr(jobs, "give_back", lambda *_: True)  # it dies without a word
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    is_held = False
    await process.database.write(lambda conn: conn.execute(update(schema.jobs).values(lease_until=0)) and None)
    await runner.attempt(process.services, await lease(process))
    assert (await process.progress())["done"] == 6
    assert looked == sorted(set(looked)) and len(looked) == 6


async def test_it_is_cancelled_while_it_waits_for_its_rate(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_LOOK", 0.01)
    process.services.settings.scrub_rate = 1  # type: ignore[misc]
    for seed in range(2):
        await process.put(random_bytes(1500, seed))
    number = await process.database.write(schedules.run, COMMAND_LINE, "scrub")
    running = asyncio.create_task(runner.attempt(process.services, await lease(process)))
    async with asyncio.timeout(20):
        while (await process.progress() or {}).get("done") != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    await process.database.write(asked_jobs.cancel, COMMAND_LINE, str(number))
    await asyncio.wait_for(running, 20)
    assert (await process.the_job()).state == "cancelled"


async def test_so_many_bytes_are_read_in_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("s3gw.jobs.pace.asyncio.sleep", sleep)
    for per_second, expected in ((1000, 5.0), (0, 0.0)):
        rate = ByteRate(per_second)
        await rate.turn()
        rate.spent(5000)
        await rate.turn()
        assert slept[-1] == pytest.approx(expected, abs=0.5)


async def test_what_the_reaper_deletes_meanwhile_is_not_called_missing(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pin holds the floor, so the file stays until it was looked at."""
    content = await process.put()
    loop, fault_of = asyncio.get_running_loop(), Inspector.fault_of

    def look(self: Inspector, blob: Blob) -> Fault | None:
        released = process.database.write(contents.release, content.id)
        asyncio.run_coroutine_threadsafe(released, loop).result(20)
        for _ in range(5):
            asyncio.run_coroutine_threadsafe(reap(process.services, None, ignore), loop).result(20)
            asyncio.run_coroutine_threadsafe(process.heart.beat(), loop).result(20)
        return fault_of(self, blob)

    monkeypatch.setattr(Inspector, "fault_of", look)
    job = await run(process)
    told = json.loads(job.progress or "")
    assert (told["done"], told["damaged"]) == (1, 0)
    assert await found(process) == []


async def test_what_nothing_counts_on_is_left_to_the_reaper(process: Process) -> None:
    blob = await blob_of(process, await process.put())
    await process.database.write(lambda conn: conn.execute(update(schema.blobs).values(refs=0)) and None)
    (process.folder / blob.location[-2:] / blob.location).unlink()
    assert json.loads((await run(process)).progress or "")["damaged"] == 0
    assert await found(process) == []


async def test_what_was_replaced_meanwhile_is_not_noted(process: Process) -> None:
    blob = await blob_of(process, await process.put())
    given = (blob.digest, blob.location, blob.size, damage.CHANGED, "x", True)
    elsewhere = update(schema.blobs).values(location=f"{blob.location}0")
    await process.database.write(lambda conn: conn.execute(elsewhere) and None)
    assert not await process.database.write(damaged_blobs.note, *given)
    assert await found(process) == []


async def test_it_is_known_once_and_again_when_it_goes_bad_again(process: Process) -> None:
    blob = await blob_of(process, await process.put())
    given = (blob.digest, blob.location, blob.size, damage.CHANGED, "x", True)
    noted = [await process.database.write(damaged_blobs.note, *given) for _ in range(2)]
    await process.database.write(damaged_blobs.heal, blob.location)
    noted.append(await process.database.write(damaged_blobs.note, *given))
    assert noted == [True, False, True]
    assert [bad.state for bad in await found(process)] == [DAMAGED]


async def test_a_new_store_is_scrubbed_on_sundays(process: Process) -> None:
    schedule = await process.database.read(schedules.find, "scrub")
    assert schedule is not None
    assert (schedule.cron, schedule.is_enabled) == ("0 3 * * SUN", True)
    from s3gw.jobs.schedule import begin_scheduled

    await begin_scheduled(process.database)
    counted = await process.database.read(schedules.find, "scrub")
    at = await process.database.read(now)
    assert counted is not None and at < counted.next_run <= at + 7 * 86_400_000_000
    assert await process.database.read(jobs.list_jobs) == []


def test_a_row_that_says_nonsense_is_not_read(tmp_path: Path) -> None:
    inspector = Inspector(None)  # type: ignore[arg-type]
    for size in (-1, 0, (8 << 20) + 1):
        fault = inspector.fault_of(Blob(b"d", "p-00000001", size, 1))
        assert fault is not None and fault.kind == damage.CHANGED


async def test_the_largest_chunk_is_read_whole(process: Process) -> None:
    content = await process.put(random_bytes(8 << 20))
    blob = await blob_of(process, content)
    inspector = Inspector(process.services.store)
    assert inspector.fault_of(blob) is None
    path = process.folder / blob.location[-2:] / blob.location
    flip(path, path.stat().st_size - 1)
    assert inspector.fault_of(blob) is not None


async def test_a_chunk_without_a_row_is_passed_over(process: Process) -> None:
    await process.put()
    page = await process.database.read(damaged_blobs.page_after, b"", 10)
    await process.database.write(lambda conn: conn.execute(delete(schema.blobs)) and None)
    run = scrub._Run(process.services, None, scrub._Counts(0))  # type: ignore[arg-type]
    await run.look_at(page[0])
    assert await found(process) == []


async def test_a_disk_that_became_read_only_is_scrubbed_and_its_files_kept_later(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = await blob_of(process, await process.put())
    flip(process.folder / blob.location[-2:] / blob.location)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as read_only:
        read_only.setattr(os, "link", refuse)
        await run(process)
    assert [(bad.state, bad.is_kept) for bad in await found(process)] == [(DAMAGED, False)]
    await run(process)
    assert [bad.is_kept for bad in await found(process)] == [True]
    assert [file.name for file in kept(process)] == [blob.location]
