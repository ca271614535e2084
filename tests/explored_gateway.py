"""A bucket, a store and the processes that work with them, as the explorer of orders wants them (explorer.py)."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import Select, Table, literal_column, select, text, union_all

from s3gw.content import filesystem
from s3gw.content.filesystem import FilesystemStore
from s3gw.content.read_pins import ReadPins
from s3gw.content.reader import ContentReader
from s3gw.content.stored_chunk import is_intact
from s3gw.content.writer import BodyWriter
from s3gw.disks.room import Room
from s3gw.jobs.reaper import reap
from s3gw.jobs.sweep import sweep as run_sweep
from s3gw.known_rules import KnownRules
from s3gw.metadata import blobs, buckets, contents, identities, processes, schema
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Connection
from s3gw.metadata.prepared import Prepared
from s3gw.process_identity import Heart, ProcessIdentity, lock_folder
from s3gw.services import Services
from tests.actors import BUCKET
from tests.explorer import Actor, SteppedDatabase, SteppedExecutor, Turns

A, B = b"a" * 100, b"b" * 101
OLD, ONE, TWO, JOBS = "old", "one", "two", "jobs"  # processes; `old` wrote what is there at the beginning


class Gateway:
    """A bucket, a store and the processes that work with them. All of it begins anew with each order."""

    def __init__(self, data: Path) -> None:
        self._data, self._folder = data, data / "blobs"
        self._store = FilesystemStore(self._folder)
        self._beginning: dict[str, bytes] = {}  # the files that each order begins with
        self._locks: dict[str, int] = {}
        self._bad: frozenset[str] = frozenset()  # locations
        self.services: dict[str, Services] = {}
        self.hearts: dict[str, Heart] = {}
        self.has_sweep = False
        self.bucket: Bucket

    def set_up(self, conn: Connection, living: Sequence[str], preceding: Sequence[Actor]) -> None:
        """`OLD` does what precedes and is gone then; the `living` are there from the beginning."""
        owner = identities.create_user(conn, name="owner")
        buckets.create(conn, name=BUCKET, owner_id=owner.id, region="us-east-1", defaults="classic", now=1)
        found = buckets.find(conn, BUCKET)
        assert found is not None
        self.bucket = found
        self._living = (OLD,)
        lock_folder(self._data).mkdir()
        for name in (OLD, *living):
            processes.register(conn, name, "worker", "here", 1)
        self.run_alone(conn, *preceding)
        processes.mark_dead(conn, OLD)
        processes.forget(conn, OLD)
        self._living = tuple(living)

    def run_alone(self, conn: Connection, *actors: Actor) -> None:
        """One after the other, to their ends; the files are where each order begins."""
        turns = Turns()
        turns.is_over = True

        async def run() -> None:
            self.start(conn, turns)
            for actor in actors:
                await actor.run(self)

        asyncio.run(run())
        self._beginning = self.files()
        self.stop()

    def spoil(self) -> None:
        for location, data in self._beginning.items():
            self._beginning[location] = b"X" + data[1:]
            self._bad |= {location}

    @property
    def has_bad_chunks(self) -> bool:
        return bool(self._bad)

    def kill(self, process: str) -> None:
        os.close(self._locks.pop(process))

    def lives_on(self, process: str) -> bool:
        """Whether nobody has declared it dead."""
        return processes.look(self._conn, process)[1]

    # What the explorer asks

    def start(self, conn: Connection, turns: Turns) -> None:
        self._conn = conn
        found = self.files()
        for location in found.keys() - self._beginning.keys():
            os.unlink(self._path(location))
        for location, data in self._beginning.items():
            if found.get(location) != data:
                Path(self._path(location)).write_bytes(data)
        for name in self._living:
            lock = lock_folder(self._data) / f"{name}.lock"
            self._locks[name] = os.open(lock, os.O_CREAT | os.O_RDWR)
            fcntl.flock(self._locks[name], fcntl.LOCK_EX)
        self.services = {name: self._process(name, conn, turns) for name in (*self._living, JOBS)}
        self.hearts = {name: Heart(services.database, name, services.pins) for name, services in self.services.items()}

    def _process(self, name: str, conn: Connection, turns: Turns) -> Services:
        database, read_pins = SteppedDatabase(conn, turns), ReadPins(lasting=0)  # each may be published at any time
        disk = SteppedExecutor(turns, self._matters)
        asyncio.get_event_loop().set_default_executor(SteppedExecutor(turns))
        body_writer = BodyWriter(database, self._store, name, read_pins, inline_limit=50)
        body_writer._services.hashing.shutdown()
        body_writer._services.disk.shutdown()
        body_writer._services = replace(
            body_writer._services, hashing=SteppedExecutor(turns, lambda job: False), disk=disk
        )
        content_reader = ContentReader(database, self._store)
        content_reader._threads.shutdown()
        content_reader._threads = SteppedExecutor(turns)
        settings = SimpleNamespace(
            scan="off", data=self._data, body_timeout=60, max_metadata=2048, max_key=1024, copy_etag="layout"
        )
        nothing = cast("Any", None)
        return Services(
            cast("Any", settings), database, self._store, read_pins, ProcessIdentity(name), Room(self._data, None, 0),
            body_writer, content_reader, KnownRules(database), nothing, nothing, nothing, nothing, nothing,
        )  # fmt: skip

    def _matters(self, job: Any) -> bool:
        """What an upload does with its own new file is seen by nobody but a sweep."""
        while isinstance(job, partial):
            job = job.func
        return self.has_sweep or getattr(job, "__name__", "") not in ("write", "finish", "commit", "discard")

    def stop(self) -> None:
        for descriptor in self._locks.values():
            os.close(descriptor)
        self._locks.clear()

    def lives(self, process: str) -> bool:
        return process == JOBS or process in self._locks

    def dump(self, conn: Connection) -> dict[str, list[Any]]:
        rows: dict[str, list[Any]] = {kind: [] for kind in "cbops"}
        for kind, *row in _DUMP.all(conn):
            rows[kind].append(tuple(row))
        rows["n"] = sorted(map(tuple, _PINS.all(conn)))
        return rows

    def fingerprint(self, conn: Connection) -> object:
        held = [
            (name, services.pins.epoch, sorted(repr((p.epoch, p.content, p.blob, p.is_published)) for p in opened))
            for name, services in self.services.items()
            for opened in [services.pins._open]
        ]
        return self.dump(conn), held, sorted(self._locations()), sorted(self._locks)

    def check(self, conn: Connection) -> None:
        """A and B differ in size, so a size tells which of them a content or chunk is."""
        files, dump = self.files(), self.dump(conn)
        chunks = {row[2]: row[0] for row in dump["b"]}
        sizes = {row[1]: row[3] for row in dump["c"]}
        for location in chunks.values():
            assert location in files, "a row without a file"
        for key, content_id, size, *_ in dump["o"]:
            assert sizes[content_id] == size, "an object without its content"
            assert size in chunks, f"{key} has lost its chunk"
            location = chunks[size]
            assert location in self._bad or files[location][:size] in (A, B), "wrong bytes"

    async def check_end(self, conn: Connection) -> None:
        """Beat, sweep and reap to the end: files and rows match, and every count is right."""
        for name in filter(self.lives, self._living):
            assert len(self.services[name].pins) == 0, f"{name} has left a pin open"
        await run_sweep(self.services[JOBS], None, lambda progress: None)
        for _ in range(4):
            await reap(self.services[JOBS], None, lambda progress: None)
            for name in filter(self.lives, self._living):
                await self.hearts[name].beat()
        self.check(conn)
        dump = self.dump(conn)
        # Who lives on after it was declared dead may write a file when the sweep was there already.
        known = {row[0] for row in dump["p"]} | {OLD} | set(self._locks)
        there = set(self._locations())
        files = {location for location in there if blobs.process_of(location) in known}
        named = {row[0] for row in dump["b"]}
        assert files <= named <= there, "a file without a row, or a row without a file"
        refs = Counter(content_id for _, content_id, *_ in dump["o"])
        assert {row[1]: row[2] for row in dump["c"]} == refs, "a wrong count, or what was released isn't reaped"
        assert dump["n"] == [], "a pin of nobody"
        for content_id in refs:
            (extent,) = contents.load(conn, content_id).extents
            blob = blobs.find(conn, extent.digest)
            assert blob is not None
            assert blob.location in self._bad or is_intact(self._store, blob)

    def files(self) -> dict[str, bytes]:
        found = {}
        for location in self._locations():
            with open(self._path(location), "rb") as file:
                found[location] = file.read()
        return found

    def _locations(self) -> list[str]:
        return [name for shard in filesystem._SHARDS for name in os.listdir(f"{self._folder}/{shard}")]

    def _path(self, location: str) -> str:
        return f"{self._folder}/{location[-2:]}/{location}"


def _table(kind: str, table: Table, *names: str) -> Select[Any]:
    """One kind of rows: a text, then four numbers."""
    columns = [table.c[name] if name else literal_column("''" if not n else "0") for n, name in enumerate(names)]
    return select(literal_column(f"'{kind}'").label("kind"), *columns).select_from(table)


_DUMP = Prepared(
    union_all(
        _table("c", schema.contents, "", "id", "refs", "size", "released_at"),
        _table("b", schema.blobs, "location", "refs", "size", "released_at", ""),
        _table("o", schema.objects, "key", "content_id", "size", "", ""),
        _table("p", schema.processes, "name", "oldest_open", "is_dead", "", ""),
        _table("s", schema.settings, "value", "", "", "", "").where(schema.settings.c.name == "epoch"),
    ).order_by(text("1, 2, 3"))
)
_PINS = Prepared(
    union_all(
        select(schema.content_pins.c.process, schema.content_pins.c.content_id, literal_column("''").label("d")),
        select(schema.blob_pins.c.process, literal_column("0"), schema.blob_pins.c.digest),
    )
)
