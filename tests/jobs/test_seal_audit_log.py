"""The job process seals new lines at once, and goes on when it can't, and prunes old ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import delete

from s3gw import kept_head
from s3gw.accounts.audit import verify, verify_now
from s3gw.auth.audit_key import audit_key
from s3gw.auth.key_file import load_master_keys
from s3gw.auth.master_key import Keyring
from s3gw.jobs import forget_ended as pruning
from s3gw.jobs import seal_audit_log as sealing
from s3gw.jobs.forget_ended import forget_ended
from s3gw.jobs.seal_audit_log import keep_sealed, seal_all
from s3gw.metadata import audit_seals, schema
from s3gw.metadata.database import Connection, Database, DatabaseUnavailable, now
from tests.accounts.test_audit import KEY, write
from tests.jobs.conftest import DAY, Process

pytestmark = pytest.mark.anyio


async def until_sealed(database: Database) -> None:
    async with asyncio.timeout(20):
        while await database.read(audit_seals.any_unsealed):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_lines_are_sealed_as_they_come_in_batches(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_BATCH", 2)
    monkeypatch.setattr(sealing, "PAUSE", 0.01)
    settings: Any = process.services.settings
    settings.master_key, settings.master_key_file = "6b" * 32, None
    keeping = asyncio.create_task(keep_sealed(process.services))
    try:
        for names in (["1", "2", "3", "4", "5"], ["6"]):
            await process.database.write(write, *names)
            await until_sealed(process.database)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    verdict = await verify(process.database, audit_key(KEY))
    assert (verdict.lines, verdict.faults) == (6, [])


async def test_the_sealer_goes_on_when_the_key_or_the_database_is_there_again(
    process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sealing, "PAUSE", 0.01)
    settings: Any = process.services.settings
    settings.master_key, settings.master_key_file = None, process.folder.parent / "master.key"
    is_behind, failures = sealing._is_behind, [DatabaseUnavailable("gone")] * 2  # a read is tried twice

    def failing(conn: Connection) -> bool:
        if failures:
            raise failures.pop()
        return is_behind(conn)

    monkeypatch.setattr(sealing, "_is_behind", failing)
    await process.database.write(write, "1")
    with caplog.at_level(logging.WARNING):
        keeping = asyncio.create_task(keep_sealed(process.services))
        async with asyncio.timeout(20):
            while "gone" not in caplog.text or "is missing" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert caplog.text.count("is missing") == 1
        load_master_keys(settings.master_key_file)
        await until_sealed(process.database)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


class KeptHead:
    """The file in which the sealer keeps the head."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def text(self) -> str:
        return self.path.read_text() if self.path.exists() else ""

    def put(self, text: str) -> None:
        self.path.write_text(text)

    async def until(self, position: int) -> str:
        async with asyncio.timeout(20):
            while not self.text.startswith(f"{position}:"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return self.text


@pytest.fixture
async def sealer(process: Process, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[KeptHead]:
    """It runs."""
    monkeypatch.setattr(sealing, "PAUSE", 0.01)
    settings: Any = process.services.settings
    settings.master_key, settings.master_key_file, settings.data = "6b" * 32, None, tmp_path
    keeping = asyncio.create_task(keep_sealed(process.services))
    yield KeptHead(tmp_path / kept_head.FILE)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


def forget_all(conn: Connection) -> None:
    for table in (schema.audit_log, schema.audit_checkpoints, schema.settings):
        conn.execute(delete(table))


async def faults_of(process: Process, kept: KeptHead) -> list[str]:
    return (await verify_now(process.database, Keyring(KEY), None, kept.path)).faults


async def test_a_log_that_was_emptied_with_every_trace_of_it_is_found_by_the_head_that_was_kept(
    process: Process, sealer: KeptHead, caplog: pytest.LogCaptureFixture
) -> None:
    """And a new log doesn't take its place in the file, however long it gets."""
    await process.database.write(write, "1", "2", "3")
    kept = await sealer.until(3)
    assert await faults_of(process, sealer) == []
    await process.database.write(forget_all)
    assert (await verify_now(process.database, Keyring(KEY))).faults == []  # the database alone doesn't tell
    fewer = "the audit log had 3 lines before, and has fewer now, by audit.head of the data folder"
    assert await faults_of(process, sealer) == [fewer]
    for names, fault in ((["4"], fewer), (["5", "6", "7"], "another line is where the audit log ended before")):
        await process.database.write(write, *names)
        await until_sealed(process.database)
        (found,) = await faults_of(process, sealer)
        assert fault in found
        async with asyncio.timeout(20):
            while fault.partition(", by")[0] not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert sealer.text == kept
    sealer.path.unlink()  # as after a restore
    await sealer.until(4)
    assert await faults_of(process, sealer) == []


async def test_what_is_kept_is_made_by_nobody_without_the_master_key(process: Process, sealer: KeptHead) -> None:
    await process.database.write(write, "1", "2")
    kept = await sealer.until(2)
    await process.database.write(write, "3")
    await sealer.until(3)
    place, key_id, seal = kept.split()
    wrong = "the head that was kept isn't sealed under this master key, by audit.head of the data folder"
    for text in (f"1{place[1:]} {key_id} {seal}", f"{place} {key_id} {'0' * 64}"):
        sealer.put(text)
        assert await faults_of(process, sealer) == [wrong]
    sealer.put(kept)  # an older one is as good
    assert await faults_of(process, sealer) == []
    sealer.put("x")
    assert "isn't what a server has kept there" in (await faults_of(process, sealer))[0]


async def test_what_was_pruned_is_no_fault_and_neither_is_a_head_under_another_master_key(
    process: Process, sealer: KeptHead
) -> None:
    await process.database.write(write, "1", "2")
    kept = await sealer.until(2)
    await process.database.write(write, "3")
    await sealer.until(3)
    for count in (2, 1):
        await process.database.write(audit_seals.prune, audit_key(KEY), await process.database.read(now), count)
        sealer.put(kept)
        assert await faults_of(process, sealer) == []
    place, _, seal = kept.split()
    sealer.put(f"{place} {'ab' * 8} {seal}")
    assert await faults_of(process, sealer) == []
    sealer.put(f"9{place[1:]} {'ab' * 8} {seal}")
    assert "the audit log had 9 lines before" in (await faults_of(process, sealer))[0]


async def test_lines_are_kept_for_the_retention_and_no_longer(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: Any = process.services.settings
    settings.master_key, settings.master_key_file, settings.audit_retention = "6b" * 32, None, 30
    settings.event_retry = 24
    monkeypatch.setattr(pruning, "_BATCH", 2)
    await process.database.write(write, "1", "2", "3")
    await seal_all(process.database, Keyring(KEY))
    reports: list[object] = []
    for days, left in ((29, 3), (31, 0)):
        monkeypatch.setattr(pruning, "_clock", SimpleNamespace(settle=lambda now, days=days: now + days * DAY))
        await forget_ended(process.services, None, reports.append)
        assert (await verify(process.database, audit_key(KEY)))[::2] == (left, [])
    assert reports == [{"audit_lines": 2}, {"audit_lines": 3}]


async def test_a_clock_that_can_not_be_trusted_prunes_nothing(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "_clock", SimpleNamespace(settle=lambda now: None))
    await forget_ended(process.services, None, pytest.fail)
