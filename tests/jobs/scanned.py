"""A process in which contents are scanned for viruses, and scanners that do as a test says."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from s3gw.jobs import watch_scanner as watching
from s3gw.jobs.follow_changes import follow_all, readers_of
from s3gw.jobs.scan import scan
from s3gw.metadata import contents, jobs, objects, outbox, scans, schema
from s3gw.metadata.audit import Actor
from s3gw.metadata.change import ChangeFacts, KeyLock, change
from s3gw.metadata.contents import NewContent
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import NewObject
from tests.content.bodies import body_of
from tests.jobs.conftest import Process
from tests.metadata.test_listing import fill

ACTOR = Actor("u", "user", "s3")


class Scanned:
    """A process with a bucket in which all is held until it is clean."""

    def __init__(self, process: Process) -> None:
        self.process, self.database = process, process.database
        self.settings: Any = process.services.settings

    def by(self, **settings: Any) -> None:
        given = {"scan_clamd": None, "scan_command": None, "scan": "hold"} | settings
        for name, value in given.items():
            setattr(self.settings, name, value)

    async def put(self, key: str, data: bytes, keeps: bool = True) -> bytes:
        """Gives the digest of its content."""
        async with self.process.services.writer.storing(body_of(data)) as stored:
            new = NewObject(key=key, size=len(data), etag="e", owner_id="u")
            facts = ChangeFacts(1, ACTOR, "u", 5, keeps_overwritten=keeps)
            place = partial(contents.insert, new=stored.content)
            await change(self.database, facts, [KeyLock(1, key)], objects.put, new, place)
            return stored.content.digest

    async def put_again(self, key: str) -> None:
        """As a change of its metadata does: the same content over itself."""

        def place(conn: Connection) -> int:
            found = objects.find(conn, 1, key)
            assert found is not None and found.content_id is not None
            contents.retain(conn, found.content_id)
            return found.content_id

        facts, new = ChangeFacts(1, ACTOR, "u", 5, keeps_overwritten=True), NewObject(key, 8, "e", "u")
        await change(self.database, facts, [KeyLock(1, key)], objects.put, new, place)

    async def put_parts(self, key: str, *parts: bytes) -> bytes:
        """As CompleteMultipartUpload does."""

        def place(conn: Connection, stored: list[NewContent], into: list[bytes]) -> int:
            ids = [(number, contents.insert(conn, new), None) for number, new in enumerate(stored, 1)]
            new = contents.part_list(contents.parts_from(conn, ids))
            into.append(new.digest)
            return contents.insert(conn, new, takes_over=True)

        digests: list[bytes] = []
        stored = [contents.inline(part) for part in parts]
        new = NewObject(key=key, size=sum(map(len, parts)), etag="e-2", owner_id="u", parts_count=len(parts))
        placed = partial(place, stored=stored, into=digests)
        await change(self.database, ChangeFacts(1, ACTOR, "u", 5), [KeyLock(1, key)], objects.put, new, placed)
        return digests[-1]

    async def delete(self, key: str) -> None:
        await change(self.database, ChangeFacts(1, ACTOR, "u", 5), [KeyLock(1, key)], objects.delete_latest, key)

    async def follow(self) -> None:
        await follow_all(self.process.services, readers_of(self.database.dialect, self.settings))

    async def scan(self) -> list[Any]:
        """What the job told of its progress."""
        told: list[Any] = []
        await self.follow()
        await scan(self.process.services, None, told.append)
        return told

    async def state(self, digest: bytes) -> str:
        return await self.database.read(scans.state_of, digest)

    async def row(self, digest: bytes) -> scans.Scan:
        found = await self.database.read(scans.find, digest)
        assert found is not None
        return found

    async def make_due(self) -> None:
        await self.database.write(lambda conn: conn.execute(update(schema.scans).values(due_at=0)))

    async def told(self) -> list[tuple[str, str]]:
        """Operations and keys of what the outbox has of scans."""

        def read(conn: Connection) -> list[tuple[str, str]]:
            changes = schema.changes
            statement = select(changes.c.operation, changes.c.key).where(changes.c.kind == "scanned")
            return [(row[0], row[1]) for row in conn.execute(statement.order_by(changes.c.id)).all()]

        return await self.database.read(read)

    async def trashed(self) -> list[bytes]:
        """What is in the trash of the bucket."""
        statement = select(schema.contents.c.layout).join_from(
            schema.trash, schema.contents, schema.contents.c.id == schema.trash.c.content_id
        )
        return await self.database.read(lambda conn: [bytes(row[0]) for row in conn.execute(statement).all()])

    async def queued(self) -> list[str]:
        found = await self.database.read(jobs.list_jobs)
        return sorted(job.kind for job in found if job.state == jobs.QUEUED)


@pytest.fixture
async def scanned(process: Process, monkeypatch: pytest.MonkeyPatch) -> Scanned:
    monkeypatch.setattr(watching, "_asked_at", [])
    await process.database.write(fill, [])
    names = (*readers_of(process.database.dialect), "scans")
    await process.database.write(outbox.register, names)
    found = Scanned(process)
    found.by(scan_command="true")
    return found


def command(tmp_path: Path, script: str, version: str = "1") -> str:
    """A scanner that notes each run."""
    program = tmp_path / "scanner"
    said = f'if [ "$1" = --version ]; then echo "{version}"; exit 0; fi'
    program.write_text(f"#!/bin/sh\n{said}\necho run >>{tmp_path}/runs\n{script}\n")
    program.chmod(0o700)
    return str(program)


def runs(tmp_path: Path) -> int:
    file = tmp_path / "runs"
    return file.read_text().count("run") if file.exists() else 0


FINDS = "if grep -q EICAR; then echo Eicar; exit 1; fi"
