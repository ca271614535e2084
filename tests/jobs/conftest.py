"""A process with its services on both databases, beating as often as a test asks it to."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import select

from s3gw import process_identity
from s3gw.content import filesystem
from s3gw.content.filesystem import FilesystemStore
from s3gw.content.read_pins import ReadPins
from s3gw.content.reader import ContentReader
from s3gw.content.writer import BodyWriter
from s3gw.disks.room import Room
from s3gw.jobs import expire_uploads, forget_ended, reaper, runner, settled_clock
from s3gw.jobs.reaper import reap
from s3gw.jobs.settled_clock import SettledClock
from s3gw.known_rules import KnownRules
from s3gw.metadata import client_tokens, contents, jobs, processes, schema
from s3gw.metadata.contents import Content
from s3gw.metadata.database import Connection, Database, now
from s3gw.process_identity import Heart, open_process_identity
from s3gw.services import Services
from tests.content.bodies import body_of, random_bytes

BODY = random_bytes(2000)
HOUR = 3_600_000_000  # microseconds
DAY = 24 * HOUR


def ignore(progress: Any) -> None:
    pass


@dataclass
class Process:
    """`services` as a job gets them; the settings are only those that jobs read."""

    services: Services
    heart: Heart
    folder: Path

    @property
    def database(self) -> Database:
        return self.services.database

    async def put(self, data: bytes = BODY) -> Content:
        async with self.services.writer.storing(body_of(data)) as stored:
            content_id = await self.database.write(_insert, stored.content)
        return await self.database.read(contents.load, content_id)

    async def get(self, content: Content) -> bytes:
        return b"".join([bytes(piece) async for piece in self.services.reader.read(content)])

    async def reap(self, rounds: int = 1) -> list[Any]:
        """Rounds of the reaper, with a beat after each; what progress they told last."""
        told: list[Any] = []
        for _ in range(rounds):
            await reap(self.services, None, told.append)
            assert await self.heart.beat()
        return told

    def files(self) -> list[Path]:
        return [path for path in self.folder.glob("??/*") if path.is_file()]

    async def leftovers(self) -> tuple[int, int, int]:
        """How many contents, blobs and jobs there are."""
        return await self.database.read(_count)

    async def the_job(self) -> jobs.Job:
        (job,) = await self.database.read(jobs.list_jobs)
        return job

    async def progress(self) -> Any:
        return json.loads((await self.the_job()).progress or "null")


def _insert(conn: Connection, new: contents.NewContent) -> int:
    return contents.insert(conn, new)


def _count(conn: Connection) -> tuple[int, int, int]:
    found, stored, queued = (
        len(conn.execute(select(column)).all())
        for column in (schema.contents.c.id, schema.blobs.c.digest, schema.jobs.c.id)
    )
    return found, stored, queued


@pytest.fixture
async def process(
    database: Database, few_shards: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Process]:
    monkeypatch.setattr(process_identity, "BEAT", 3600)
    for flush in ("flush", "flush_folder"):  # no power is lost here
        monkeypatch.setattr(filesystem, flush, lambda where: os.stat(where))
    folder, pins = tmp_path / "blobs", ReadPins(lasting=0)
    store = FilesystemStore(folder)
    async with open_process_identity(database, tmp_path, "jobs", pins) as alive:
        writer = BodyWriter(database, store, alive.name, pins, inline_limit=1000, numbers=alive.numbers)
        reader = ContentReader(database, store)
        told = SimpleNamespace(
            data=tmp_path, upload_expiry=7, audit_retention=365, event_retry=24, master_key="6b" * 32
        )
        told.event_backlog, told.scrub_rate = 100, 0
        told.master_key_file, told.user_retention = None, 30
        told.inline_limit, told.chunk_size, told.upload_memory = 1000, 8 << 20, 64 << 20
        told.max_key, told.max_metadata, told.copy_etag, told.region = 1024, 2048, "layout", "us-east-1"
        told.max_unpack_job_files, told.max_unpack_job_size = 1000, 1 << 30
        told.scan, told.scan_clamd, told.scan_command = "off", None, None
        told.celery_broker = None
        told.scan_timeout, told.scan_max_size, told.scan_at_once = 10.0, 1 << 20, 2
        told.preview_max_size, told.preview_max_pixels = 1 << 20, 1_000_000
        told.preview_memory, told.preview_timeout = 1 << 30, 20.0
        settings, nothing = cast(Any, told), cast(Any, None)
        services = Services(
            settings,
            database,
            store,
            pins,
            alive,
            Room(tmp_path, None, 0),
            writer,
            reader,
            KnownRules(database),
            nothing,
            nothing,
            nothing,
            nothing,
            nothing,
        )
        yield Process(services, Heart(database, alive.name, pins), folder)
        await writer.close()
        await reader.close()


class Clock:
    """`offset`: how far the database's clock was set forward, in microseconds; `elapsed`: seconds that pass at once."""

    def __init__(self) -> None:
        self.offset = 0
        self.elapsed = 0.0

    def pass_by(self, seconds: float) -> None:
        """Time passes, for every clock."""
        self.elapsed += seconds
        self.offset += int(seconds * 1_000_000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved, monotonic = Clock(), time.monotonic

    def moved_now(conn: Connection) -> int:
        return now(conn) + moved.offset

    for module in (client_tokens, expire_uploads, forget_ended, jobs, processes, reaper, runner):
        monkeypatch.setattr(module, "now", moved_now)
    # In the place of the module: the event loop uses the function too.
    monkeypatch.setattr(settled_clock, "time", SimpleNamespace(monotonic=lambda: monotonic() + moved.elapsed))
    for module in (expire_uploads, forget_ended):
        monkeypatch.setattr(module, "_clock", SettledClock())
    return moved
