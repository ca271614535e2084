"""The job process seals new lines at once, and goes on when it can't, and prunes old ones."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from s3gw.accounts.audit import verify
from s3gw.auth.audit_key import audit_key
from s3gw.auth.key_file import load_master_keys
from s3gw.auth.master_key import Keyring
from s3gw.jobs import forget_ended as pruning
from s3gw.jobs import seal_audit_log as sealing
from s3gw.jobs.forget_ended import forget_ended
from s3gw.jobs.seal_audit_log import keep_sealed, seal_all
from s3gw.metadata import audit_seals
from s3gw.metadata.database import Connection, Database, DatabaseUnavailable
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


async def test_lines_are_kept_for_the_retention_and_no_longer(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: Any = process.services.settings
    settings.master_key, settings.master_key_file, settings.audit_retention = "6b" * 32, None, 30
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
