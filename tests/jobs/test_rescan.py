"""What is scanned again with newer signatures, what was there before scanning was turned on, and what is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from s3gw.jobs import watch_scanner as watching
from s3gw.jobs.follow_changes import _register, readers_of
from s3gw.jobs.note_contents import note_contents
from s3gw.jobs.watch_scanner import rescan, watch_scanner
from s3gw.metadata import buckets, scans, schema
from s3gw.metadata.database import Connection
from s3gw.metadata.scans import CLEAN, INFECTED, RELEASED, Verdict
from tests.jobs.conftest import ignore
from tests.jobs.scanned import FINDS, Scanned, command, runs
from tests.jobs.scanned import scanned as scanned
from tests.scanning.clamd import EICAR

pytestmark = pytest.mark.anyio


async def test_newer_signatures_scan_again_and_what_is_released_stays_so(scanned: Scanned, tmp_path: Path) -> None:
    services = scanned.process.services
    scanned.by(scan_command=command(tmp_path, "cat >/dev/null", "signatures 1"))
    digest, other = await scanned.put("key", EICAR), await scanned.put("other", b"hello")
    await scanned.scan()
    await rescan(services, None, ignore)
    assert (await scanned.state(digest), runs(tmp_path)) == (CLEAN, 2)
    scanned.by(scan_command=command(tmp_path, FINDS, "signatures 2"))
    await watch_scanner(services, None, ignore)
    assert "rescan" in await scanned.queued()
    await rescan(services, None, ignore)
    assert (await scanned.state(digest), await scanned.state(other), runs(tmp_path)) == (INFECTED, CLEAN, 4)
    assert (await scanned.told())[-1] == ("ScanInfected", "key") and len(await scanned.told()) == 3
    await scanned.database.write(lambda conn: scans.release(conn, _found(conn, digest)))
    scanned.by(scan_command=command(tmp_path, FINDS, "signatures 3"))
    await rescan(services, None, ignore)
    assert (await scanned.state(digest), runs(tmp_path)) == (RELEASED, 5)
    assert await scanned.database.read(scans.remembered, "version") == "signatures 3"


def _found(conn: Connection, digest: bytes) -> scans.Scan:
    found = scans.find(conn, digest)
    assert found is not None
    return found


async def test_a_rescan_that_fails_is_done_again(scanned: Scanned, tmp_path: Path) -> None:
    services = scanned.process.services
    scanned.by(scan_command=command(tmp_path, FINDS, "1"))
    digest = await scanned.put("key", b"hello")
    await scanned.scan()
    scanned.by(scan_command=command(tmp_path, "exit 7", "2"))
    await rescan(services, None, ignore)
    assert await scanned.state(digest) == CLEAN
    assert await scanned.database.read(scans.remembered, "version") is None


async def test_what_was_there_before_scanning_was_turned_on_is_scanned(scanned: Scanned, tmp_path: Path) -> None:
    scanned.by(scan_command=command(tmp_path, FINDS), scan="off")
    digest = await scanned.put("key", b"hello")
    await scanned.scan()
    assert await scanned.database.read(scans.find, digest) is None
    names = tuple(readers_of(scanned.database.dialect, scanned.settings))
    await scanned.database.write(_register, names, "serve")
    assert "note_contents" in await scanned.queued()
    scanned.settings.scan = "serve"
    await note_contents(scanned.process.services, None, ignore)
    await scanned.scan()
    assert await scanned.state(digest) == CLEAN
    await scanned.database.write(lambda conn: conn.execute(schema.jobs.delete()))
    await scanned.database.write(_register, names, "serve")
    assert await scanned.queued() == []


async def test_what_a_bucket_says_counts_more_than_the_server(scanned: Scanned, tmp_path: Path) -> None:
    scanned.by(scan_command=command(tmp_path, FINDS), scan="off")
    values = {"scan_policy": "serve"}
    await scanned.database.write(lambda conn: conn.execute(update(schema.buckets).values(values)))
    digest = await scanned.put("key", b"hello")
    await scanned.scan()
    assert await scanned.state(digest) == CLEAN
    scanned.settings.scan, values["scan_policy"] = "hold", "off"
    await scanned.database.write(lambda conn: conn.execute(update(schema.buckets).values(values)))
    other = await scanned.put("other", b"others")
    await scanned.scan()
    assert await scanned.database.read(scans.find, other) is None
    assert await scanned.database.read(buckets.scan_policies, [1]) == {1: "off"}


async def test_verdicts_on_what_nothing_has_any_more_are_forgotten_after_a_month(
    scanned: Scanned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_LOOKED_AT", 2)
    scanned.by(scan_command=command(tmp_path, FINDS))
    digests = [await scanned.put(f"key-{number}", b"%d" % number) for number in range(5)]
    await scanned.scan()
    await scanned.delete("key-0")
    await scanned.delete("key-1")
    await scanned.follow()
    old = update(schema.scans).where(schema.scans.c.digest != digests[1]).values(noted_at=0)
    await scanned.database.write(lambda conn: conn.execute(old))
    await rescan(scanned.process.services, None, ignore)
    left = [digest for digest in digests if await scanned.database.read(scans.find, digest) is not None]
    assert left == digests[1:]


async def test_what_was_released_while_it_was_scanned_stays_so(scanned: Scanned) -> None:
    digest = await scanned.put("key", EICAR)
    await scanned.follow()
    (taken,) = await scanned.database.write(scans.take, 60.0, 10)
    await scanned.database.write(scans.release, taken)
    await scanned.database.write(scans.settle, taken, Verdict(INFECTED, "Eicar"))
    assert await scanned.state(digest) == RELEASED
