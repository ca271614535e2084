"""Contents are scanned for viruses by a real clamd: each once, and none is clean for want of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from s3gw.jobs import scan as scan_job
from s3gw.jobs.follow_changes import readers_of
from s3gw.jobs.note_contents import note_contents
from s3gw.jobs.scan import scan
from s3gw.jobs.watch_scanner import rescan, watch_scanner
from s3gw.metadata import scan_jobs, scans, schema, trash
from s3gw.metadata.database import Connection, DatabaseUnavailable
from s3gw.metadata.scans import CLEAN, INFECTED, PENDING, UNSCANNABLE
from tests.content.bodies import random_bytes
from tests.jobs.conftest import ignore
from tests.jobs.scanned import FINDS, Scanned, command, runs
from tests.jobs.scanned import scanned as scanned
from tests.scanning.clamd import EICAR, STREAM_LIMIT, RunningClamd, running_clamd

pytestmark = pytest.mark.anyio
VIRUS = "Test.Eicar.UNOFFICIAL"


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningClamd]:
    with running_clamd(tmp_path_factory.mktemp("clamd") / "run") as running:
        yield running


async def test_what_is_infected_is_found_and_what_is_clean_too(scanned: Scanned, clamd: RunningClamd) -> None:
    scanned.by(scan_clamd=clamd.address)
    clean, infected = await scanned.put("clean", b"hello"), await scanned.put("infected", EICAR)
    large = await scanned.put("large", random_bytes(500_000))
    assert await scanned.state(clean) == PENDING
    await scanned.scan()
    assert [await scanned.state(digest) for digest in (clean, infected, large)] == [CLEAN, INFECTED, CLEAN]
    found = await scanned.row(infected)
    assert (found.threat, found.error) == (VIRUS, None)
    assert (found.version or "").startswith("ClamAV ")
    told = [("ScanClean", "clean"), ("ScanClean", "large"), ("ScanInfected", "infected")]
    assert sorted(await scanned.told()) == told
    assert not await scanned.database.read(scans.any_work)


async def test_a_virus_across_two_pieces_and_parts_is_found(scanned: Scanned, clamd: RunningClamd) -> None:
    scanned.by(scan_clamd=clamd.address)
    across = await scanned.put("across", random_bytes(256 * 1024 - 10) + EICAR + random_bytes(1000))
    in_parts = await scanned.put_parts("in-parts", EICAR[:20], EICAR[20:])
    await scanned.scan()
    assert (await scanned.state(across), await scanned.state(in_parts)) == (INFECTED, INFECTED)


async def test_the_same_content_is_scanned_once(scanned: Scanned, clamd: RunningClamd) -> None:
    scanned.by(scan_clamd=clamd.address)
    before = clamd.scans()
    first = await scanned.put("first", b"the same")
    assert await scanned.put("second", b"the same") == first
    await scanned.scan()
    await scanned.delete("first")
    assert await scanned.put("third", b"the same") == first
    await scanned.scan()
    assert clamd.scans() == before + 1
    assert sorted(await scanned.told()) == [("ScanClean", key) for key in ("first", "second", "third")]


async def test_the_same_parts_are_scanned_once(scanned: Scanned, clamd: RunningClamd) -> None:
    """Though their contents have other digests each time."""
    scanned.by(scan_clamd=clamd.address)
    before = clamd.scans()
    first, second = [await scanned.put_parts(key, b"part one", EICAR) for key in ("first", "second")]
    assert first != second
    await scanned.scan()
    third = await scanned.put_parts("third", b"part one", EICAR)
    await scanned.scan()
    assert clamd.scans() == before + 1
    assert [await scanned.state(digest) for digest in (first, second, third)] == [INFECTED] * 3
    other = await scanned.put_parts("other", b"part two", EICAR)
    await scanned.scan()
    assert clamd.scans() == before + 2 and await scanned.state(other) == INFECTED


async def test_what_clamd_takes_is_scanned_and_one_byte_more_is_not(scanned: Scanned, clamd: RunningClamd) -> None:
    scanned.by(scan_clamd=clamd.address, scan_max_size=2 * STREAM_LIMIT)
    most = await scanned.put("most", random_bytes(STREAM_LIMIT))
    more = await scanned.put("more", random_bytes(STREAM_LIMIT + 1))
    await scanned.scan()
    assert (await scanned.state(most), await scanned.state(more)) == (CLEAN, UNSCANNABLE)
    assert "StreamMaxLength" in ((await scanned.row(more)).threat or "")
    scanned.settings.scan_max_size = 2 * STREAM_LIMIT
    assert ("ScanClean", "more") not in await scanned.told()


async def test_what_is_as_large_as_may_be_is_scanned_and_one_byte_more_is_not(scanned: Scanned, tmp_path: Path) -> None:
    scanned.by(scan_command=command(tmp_path, "cat >/dev/null"), scan_max_size=100)
    most, more = await scanned.put("most", bytes(100)), await scanned.put("more", bytes(101))
    await scanned.scan()
    assert (await scanned.state(most), await scanned.state(more), runs(tmp_path)) == (CLEAN, UNSCANNABLE, 1)
    scanned.settings.scan_max_size = 101
    assert await scanned.database.write(scan_jobs.run) == 1
    await scanned.scan()
    assert (await scanned.state(more), runs(tmp_path)) == (CLEAN, 2)


async def test_while_clamd_is_down_what_waits_goes_on_waiting(
    scanned: Scanned, clamd: RunningClamd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scanned.by(scan_clamd=f"unix:{tmp_path}/nobody")
    digest = await scanned.put("key", b"hello")
    for _ in range(2):
        await scanned.scan()
    assert await scanned.state(digest) == PENDING
    failing = await scanned.database.read(scans.remembered, "failing")
    assert failing is not None and "can't be reached" in failing
    assert sum("scanner is down" in record.message for record in caplog.records) == 1
    scanned.by(scan_clamd=clamd.address)
    await watch_scanner(scanned.process.services, None, ignore)
    assert "scan" in await scanned.queued()
    await scanned.scan()
    assert await scanned.state(digest) == CLEAN
    assert await scanned.database.read(scans.remembered, "failing") is None


async def test_a_scanner_that_dies_in_the_middle_has_found_nothing(scanned: Scanned, tmp_path: Path) -> None:
    scanned.by(scan_command=command(tmp_path, "head -c 10 >/dev/null; kill -9 $$"))
    digest = await scanned.put("key", random_bytes(500_000))
    assert (await scanned.scan())[-1] == {"scanned": 0, "failed": 1}
    found = await scanned.row(digest)
    assert (found.state, found.attempts) == (PENDING, 1) and "ended with -9" in (found.error or "")
    assert runs(tmp_path) == 1  # it isn't due just now
    scanned.by(scan_command=command(tmp_path, FINDS))
    await scanned.make_due()
    await scanned.scan()
    assert await scanned.state(digest) == CLEAN and (await scanned.row(digest)).error is None


async def test_a_scanner_that_is_slow_is_asked_again_later(scanned: Scanned, tmp_path: Path) -> None:
    scanned.by(scan_command=command(tmp_path, "sleep 60"), scan_timeout=0.1)
    digest = await scanned.put("key", b"hello")
    await scanned.scan()
    found = await scanned.row(digest)
    assert found.state == PENDING and "said nothing within 0.1 seconds" in (found.error or "")


async def test_so_many_are_scanned_at_a_time(scanned: Scanned, tmp_path: Path) -> None:
    script = f"echo begin >>{tmp_path}/at-once; sleep 0.1; echo end >>{tmp_path}/at-once"
    scanned.by(scan_command=command(tmp_path, script), scan_at_once=2)
    for number in range(4):
        await scanned.put(f"key-{number}", b"%d" % number)
    assert (await scanned.scan())[-1] == {"scanned": 4, "failed": 0}
    running = most = 0
    for line in (tmp_path / "at-once").read_text().split():
        running += 1 if line == "begin" else -1
        most = max(most, running)
    assert most == 2


async def test_what_is_gone_before_it_is_scanned_is_forgotten(scanned: Scanned, tmp_path: Path) -> None:
    scanned.by(scan_command=command(tmp_path, FINDS))
    digest = await scanned.put("key", b"hello")
    await scanned.follow()
    await scanned.delete("key")
    await scanned.scan()
    assert runs(tmp_path) == 0 and await scanned.database.read(scans.find, digest) is None


async def test_what_was_overwritten_is_kept_until_what_is_new_is_clean(scanned: Scanned, tmp_path: Path) -> None:
    scanned.by(scan_command=command(tmp_path, FINDS))
    await scanned.put("key", b"old")
    await scanned.scan()
    await scanned.put("key", EICAR)
    await scanned.scan()
    assert await scanned.trashed() == [b"old"]
    await scanned.put("key", b"new")
    assert sorted(await scanned.trashed()) == sorted([b"old", EICAR])
    await scanned.scan()
    assert await scanned.trashed() == []
    await scanned.put("key", b"newer", keeps=False)
    assert await scanned.trashed() == []


async def test_what_is_put_again_over_itself_leaves_nothing(scanned: Scanned, tmp_path: Path) -> None:
    scanned.by(scan_command=command(tmp_path, FINDS))
    await scanned.put("key", b"the same")
    await scanned.scan()
    await scanned.put_again("key")
    assert await scanned.trashed() == [b"the same"]
    await scanned.scan()
    assert await scanned.trashed() == []
    assert await scanned.told() == 2 * [("ScanClean", "key")]
    await note_contents(scanned.process.services, None, ignore)
    await scanned.scan()
    assert await scanned.told() == 2 * [("ScanClean", "key")] and runs(tmp_path) == 1


async def test_in_a_bucket_that_keeps_trash_its_time_counts_when_what_is_new_is_clean(
    scanned: Scanned, tmp_path: Path
) -> None:
    scanned.by(scan_command=command(tmp_path, FINDS))
    await scanned.database.write(lambda conn: conn.execute(update(schema.buckets).values(trash_seconds=60)))

    async def seconds() -> float:
        kept = select(schema.trash.c.expires_at - schema.trash.c.deleted_at)
        return await scanned.database.read(lambda conn: int(conn.execute(kept).scalar_one())) / 1_000_000

    for data in (b"old", b"new"):
        await scanned.put("key", data)
    assert await seconds() == trash.KEPT_UNTIL_CLEAN
    await scanned.scan()
    assert await scanned.trashed() == [b"old"] and await seconds() == 60


async def test_many_objects_of_one_content_are_told_in_steps(scanned: Scanned, tmp_path: Path) -> None:
    scanned.by(scan_command=command(tmp_path, FINDS))
    for number in range(26):
        await scanned.put(f"key-{number:02}", b"the same")
    await scanned.scan()
    assert await scanned.told() == [("ScanClean", f"key-{number:02}") for number in range(26)]


async def test_what_was_found_and_not_told_is_told_by_the_next_run(
    scanned: Scanned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned.by(scan_command=command(tmp_path, FINDS))
    await scanned.put("key", b"hello")

    async def die(database: Any) -> None:
        if await database.read(scans.untold, 1):
            raise DatabaseUnavailable("it's gone")

    with monkeypatch.context() as patched:
        patched.setattr(scan_job, "tell_all", die)
        with pytest.raises(DatabaseUnavailable):
            await scanned.scan()
    assert await scanned.told() == []
    await scanned.scan()
    assert await scanned.told() == [("ScanClean", "key")]


async def test_without_a_scanner_nothing_is_done(scanned: Scanned) -> None:
    scanned.by(scan="off")
    await scanned.database.write(scans.remember, "failing", "it was down")
    for job in (scan, rescan, watch_scanner, note_contents):
        await job(scanned.process.services, None, ignore)
    assert await scanned.queued() == []
    assert await scanned.database.read(scans.remembered, "failing") is None
    assert "scans" not in readers_of(scanned.database.dialect, scanned.settings)


async def test_a_row_that_a_process_took_and_died_with_is_due_again(scanned: Scanned) -> None:
    digest = await scanned.put("key", b"hello")
    await scanned.follow()
    assert len(await scanned.database.write(scans.take, 60.0, 10)) == 1
    assert await scanned.database.write(scans.take, 60.0, 10) == []
    await scanned.make_due()
    (again,) = await scanned.database.write(scans.take, 60.0, 10)
    assert (again.digest, again.attempts) == (digest, 1)


async def test_an_error_is_cut_after_300_characters(scanned: Scanned) -> None:
    digest = await scanned.put("key", b"hello")
    await scanned.follow()
    for length in (300, 301):
        await scanned.database.write(scans.put_off, digest, 1.0, "x" * length)
        assert (await scanned.row(digest)).error == "x" * 300


async def test_of_what_was_overwritten_so_many_go_at_once(
    scanned: Scanned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trash, "_MOST_OVERWRITTEN", 2)
    scanned.by(scan_command=command(tmp_path, FINDS))
    for number in range(4):
        await scanned.put("key", b"%d" % number)
    assert len(await scanned.trashed()) == 3
    await scanned.scan()
    assert len(await scanned.trashed()) == 1


async def test_what_is_put_off_waits_longer_each_time_and_an_hour_at_most(
    scanned: Scanned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    put_off = scans.put_off

    def noted(conn: Connection, digest: bytes, seconds: float, error: str) -> None:
        pauses.append(seconds)
        put_off(conn, digest, seconds, error)

    monkeypatch.setattr(scans, "put_off", noted)
    scanned.by(scan_command=command(tmp_path, "exit 2"))
    digest = await scanned.put("key", b"hello")
    await scanned.follow()
    for attempts in (0, 3, 30):
        await scanned.database.write(lambda conn, n=attempts: conn.execute(update(schema.scans).values(attempts=n)))
        await scanned.make_due()
        await scanned.scan()
    assert [1.0 / 2 <= pauses[0] <= 1.0, 4.0 <= pauses[1] <= 8.0, 1800.0 <= pauses[2] <= 3600.0] == [True] * 3
    assert await scanned.state(digest) == PENDING
