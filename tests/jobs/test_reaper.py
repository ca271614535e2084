"""The reaper: what nobody counts on and no open read can want goes, and nothing else."""

from __future__ import annotations

import asyncio
import threading
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from s3gw.content.stored_chunk import is_intact
from s3gw.jobs import reaper
from s3gw.jobs.reaper import reap, unlink
from s3gw.metadata import blobs, contents, pins, processes, schema
from s3gw.metadata.contents import Part, part_list
from s3gw.metadata.database import Connection, DatabaseUnavailable
from s3gw.process_identity import Heart, mark_dead_processes
from tests.content.bodies import body_of, random_bytes
from tests.jobs.conftest import BODY, Process, ignore
from tests.postgresql import keep_in_threads

pytestmark = pytest.mark.anyio

NOTHING = (0, 0, 0)


async def test_what_was_released_is_gone_after_three_rounds(process: Process) -> None:
    content = await process.put()
    await process.database.write(contents.release, content.id)
    assert len(process.files()) == 1
    told = await process.reap(3)
    assert told[-1] == {"contents": 0, "files": 1}
    assert await process.leftovers() == NOTHING
    assert process.files() == []


async def test_what_is_counted_stays(process: Process) -> None:
    content, twin = await process.put(), await process.put()
    await process.database.write(contents.release, twin.id)
    await process.reap(4)
    assert await process.leftovers() == (1, 1, 0)
    assert await process.get(content) == BODY


async def test_an_open_read_keeps_what_it_has_found(process: Process) -> None:
    content = await process.put()
    pin = process.services.pins.open()
    await process.database.write(contents.release, content.id)
    await process.reap(5)
    assert await process.get(content) == BODY
    pin.close()
    await process.reap(4)
    assert process.files() == []


async def test_a_lasting_read_keeps_its_own_and_holds_up_nothing_else(process: Process) -> None:
    read, other = await process.put(), await process.put(random_bytes(2000, 1))
    pin = process.services.pins.open()
    pin.keep_content(read.id)
    assert await process.heart.beat()
    for content in (read, other):
        await process.database.write(contents.release, content.id)
    await process.reap(4)
    assert await process.get(read) == BODY
    assert await process.leftovers() == (1, 1, 0)
    pin.close()
    await process.reap(4)
    assert await process.leftovers() == NOTHING
    assert process.files() == []


async def test_a_lasting_read_of_parts_keeps_every_part(process: Process) -> None:
    children = [await process.put(random_bytes(2000, seed)) for seed in range(3)]
    parts = [Part(number, child.id, child.size, child.digest) for number, child in enumerate(children, 1)]
    whole = await process.database.write(lambda conn: contents.insert(conn, part_list(parts), takes_over=True))
    pin = process.services.pins.open()
    pin.keep_content(whole)
    await process.database.write(contents.release, whole)
    await process.reap(5)
    assert await process.get(await process.database.read(contents.load, whole)) == b"".join(
        random_bytes(2000, seed) for seed in range(3)
    )
    pin.close()
    await process.reap(5)
    assert await process.leftovers() == NOTHING


async def test_a_lasting_upload_keeps_the_stored_chunk_it_counts_on(process: Process) -> None:
    content, other = await process.put(), await process.put(random_bytes(2000, 1))
    async with process.services.writer.storing(body_of(BODY)) as stored:
        for released in (content, other):
            await process.database.write(contents.release, released.id)
        await process.reap(5)
        assert await process.leftovers() == (0, 1, 0)
        again = await process.database.write(lambda conn: contents.insert(conn, stored.content))
    assert await process.get(await process.database.read(contents.load, again)) == BODY


async def test_a_pin_that_could_not_be_published_still_holds_its_epoch(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = await process.put()
    pin = process.services.pins.open()
    pin.keep_content(content.id)
    publish = pins.publish

    def lose(conn: Connection, *args: Any) -> bool:
        publish(conn, *args)
        raise DatabaseUnavailable("away")

    await process.database.write(contents.release, content.id)
    with monkeypatch.context() as patch:
        patch.setattr(pins, "publish", lose)
        for _ in range(5):
            await reap(process.services, None, ignore)
            with pytest.raises(DatabaseUnavailable):
                await process.heart.beat()
    assert await process.leftovers() == (1, 1, 0)
    await process.reap(5)
    assert await process.get(content) == BODY
    pin.close()
    await process.reap(4)
    assert await process.leftovers() == NOTHING


async def test_the_pins_of_a_process_go_with_it(process: Process) -> None:
    content = await process.put()
    await process.database.write(processes.register, "other", "worker", "here", 1)
    assert await process.database.write(pins.publish, "other", [content.id], [content.extents[0].digest])
    await process.database.write(contents.release, content.id)
    await process.database.write(processes.heartbeat, "other", 100)
    await process.reap(5)
    assert await process.leftovers() == (1, 1, 0)
    (process.services.settings.data / "processes" / "other.lock").touch()  # nobody holds it
    await process.reap(5)
    assert await process.leftovers() == NOTHING
    assert not await process.database.write(pins.publish, "other", [content.id], [])
    assert await process.database.read(lambda conn: conn.execute(select(schema.content_pins)).all()) == []


async def test_a_read_that_begins_between_a_release_and_its_commit_keeps_what_it_finds(process: Process) -> None:
    """A stamp taken in the transaction of the release would be older than such a read."""
    content = await process.put()
    keep_in_threads(process.database)
    released, may_commit = threading.Event(), threading.Event()

    def release_slowly(conn: Connection) -> None:
        contents.release(conn, content.id)
        released.set()
        assert may_commit.wait(20)

    releasing = asyncio.create_task(process.database.write(release_slowly))
    await asyncio.to_thread(released.wait, 20)
    pin = process.services.pins.open()
    assert await process.database.read(contents.load, content.id) == content
    may_commit.set()
    await releasing
    await process.reap(5)
    assert await process.get(content) == BODY
    pin.close()
    await process.reap(4)
    assert await process.leftovers() == NOTHING


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_release_that_is_committed_together_with_a_mark_is_not_marked(process: Process) -> None:
    """A group commit: a read that begins before it may still find what was released in it."""
    first, second = await process.put(), await process.put(random_bytes(2000, 1))
    await process.database.write(contents.release, first.id)
    found = await process.database.scan(reaper._find_released, 10)
    await asyncio.gather(
        process.database.write(contents.release, second.id), process.database.write(reaper._mark, found)
    )
    assert await process.database.read(contents.unmarked, 10) == [second.id]


async def test_a_process_that_never_beats_holds_everything_back_until_it_is_dead(process: Process) -> None:
    content = await process.put()
    await process.database.write(processes.register, "silent", "worker", "here", 1)
    await process.database.write(contents.release, content.id)
    await process.reap(5)
    assert await process.leftovers() == (1, 1, 0)
    lock = process.services.settings.data / "processes" / "silent.lock"
    lock.touch()  # nobody holds it
    await process.reap(3)
    assert await process.leftovers() == NOTHING


async def test_a_long_part_list_is_unwound_in_steps(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaper, "_UNWIND", 2)
    monkeypatch.setattr(reaper, "_FIRST_BATCH", 1)
    children = [await process.put(random_bytes(2000, seed)) for seed in range(5)]
    parts = [Part(number, child.id, child.size, child.digest) for number, child in enumerate(children, 1)]
    whole = await process.database.write(lambda conn: contents.insert(conn, part_list(parts), takes_over=True))
    await process.database.write(contents.release, whole)
    told = await process.reap(5)
    assert [report["contents"] for report in told if report["files"] == 0][-1] > 0
    assert await process.leftovers() == NOTHING
    assert process.files() == []


async def test_a_content_that_can_not_be_read_is_quarantined(process: Process) -> None:
    content, other = await process.put(), await process.put(random_bytes(2000, 1))
    await process.database.write(contents.release, content.id)
    await process.database.write(contents.release, other.id)

    def spoil(conn: Connection) -> None:
        conn.execute(update(schema.contents).where(schema.contents.c.id == content.id).values(layout=b"bad"))

    await process.database.write(spoil)
    await process.reap(4)
    assert await process.leftovers() == (1, 1, 0)


async def test_a_chunk_that_is_counted_again_between_two_rounds_stays(process: Process) -> None:
    content = await process.put()
    await process.database.write(contents.release, content.id)
    await process.reap(2)
    assert await process.database.read(blobs.unmarked, 10) == []
    again = await process.put()
    await process.reap(3)
    assert await process.get(again) == BODY


async def test_files_of_a_reaper_that_died_are_unlinked_by_the_job(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = await process.put()
    await process.database.write(contents.release, content.id)
    await process.reap(2)

    def die(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(process.services.store, "delete", die)
        with pytest.raises(SystemExit):
            await reap(process.services, None, ignore)
    assert await process.leftovers() == (0, 0, 1)
    assert len(process.files()) == 1
    job = await process.the_job()
    assert job.kind == "unlink"
    assert job.run_at > job.created_at
    payload = [path.name for path in process.files()]
    await unlink(process.services, payload, ignore)
    await unlink(process.services, payload, ignore)
    assert process.files() == []


async def test_files_are_not_touched_when_the_commit_is_in_doubt(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = await process.put()
    await process.database.write(contents.release, content.id)
    await process.reap(2)
    delete_rows = reaper._delete

    def lose(conn: Connection, batch: int) -> Any:
        delete_rows(conn, batch)
        raise DatabaseUnavailable

    monkeypatch.setattr(reaper, "_delete", lose)
    with pytest.raises(DatabaseUnavailable):
        await reap(process.services, None, ignore)
    assert len(process.files()) == 1
    assert await process.leftovers() == (0, 1, 0)


async def test_an_idle_store_writes_nothing(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    await process.put()
    await process.reap(2)
    written: list[Any] = []
    write = process.database.write

    async def count(fn: Any, *args: Any, **kwargs: Any) -> Any:
        written.append(fn)
        return await write(fn, *args, **kwargs)

    monkeypatch.setattr(process.database, "write", count)
    epoch = await process.database.read(processes.epoch)
    await process.reap(3)
    assert await process.database.read(processes.epoch) == epoch
    assert set(written) <= {reaper._unwind, reaper._delete}  # which change nothing: no flush


async def test_batches_adapt_to_the_time_they_take(process: Process) -> None:
    work = reaper._Reaper(process.services, ignore)
    for _ in range(10):
        work._adapt(0.001)
    assert work._batch == reaper._LARGEST
    for _ in range(10):
        work._adapt(0.5)
    assert work._batch == reaper._SMALLEST


@pytest.mark.parametrize("step", ["unwind_batch", "mark_batch", "delete_batch"])
async def test_each_kind_of_batch_adapts(process: Process, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    work = reaper._Reaper(process.services, ignore)
    sizes = [work._batch]
    for seconds in (0.0, 0.5):
        set_clock(monkeypatch, seconds)
        content = await process.put()
        await process.database.write(contents.release, content.id)
        await getattr(work, step)()
        sizes.append(work._batch)
    assert sizes[0] < sizes[1] > sizes[2]


@pytest.mark.parametrize(("seconds", "steps"), [(0.0, [3]), (0.5, [1, 2, 3])])
async def test_unwinding_stops_when_its_time_is_over(
    process: Process, monkeypatch: pytest.MonkeyPatch, seconds: float, steps: list[int]
) -> None:
    set_clock(monkeypatch, seconds)
    for seed in range(3):
        content = await process.put(random_bytes(2000, seed))
        await process.database.write(contents.release, content.id)
    await process.reap(1)
    assert [told["contents"] for told in await process.reap(1)] == steps


async def test_a_round_is_as_many_batches_as_it_takes(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaper, "_FIRST_BATCH", 1)
    for seed in range(5):
        content = await process.put(random_bytes(2000, seed))
        await process.database.write(contents.release, content.id)
    await process.reap(3)
    assert await process.leftovers() == NOTHING


def set_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """`seconds` pass whenever the reaper looks at the clock."""
    clock = count(1000.0, seconds)
    monkeypatch.setattr(reaper, "time", SimpleNamespace(perf_counter=lambda: next(clock)))


async def test_the_reaper_of_another_process_waits_for_our_heart(process: Process) -> None:
    content = await process.put()
    await process.database.write(contents.release, content.id)
    other = Heart(process.database, "other", process.services.pins)
    assert not await other.beat()  # it was never registered
    for _ in range(5):
        await reap(process.services, None, ignore)
    assert await process.leftovers() == (1, 1, 0)
    blob = await process.database.read(blobs.find, content.extents[0].digest)
    assert blob is not None and is_intact(process.services.store, blob)
    assert await mark_dead_processes(process.database, process.services.settings.data) == []
