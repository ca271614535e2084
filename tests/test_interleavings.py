"""Every interleaving of upload, copy, read, delete, heartbeats, reaper and sweep: the handlers and jobs themselves.

After each step every object must give exactly its bytes and no row may lack its file; at each end, after the sweep and
the reaper have had their turn, no file may lack its row, and no pin its read. Pins are lasting from the beginning.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations_with_replacement
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Select, Table, bindparam, literal_column, select, text, union_all

from s3gw.blobs import filesystem
from s3gw.blobs.filesystem import FilesystemStore
from s3gw.blobs.read_pins import ReadPins
from s3gw.blobs.reader import ContentReader
from s3gw.blobs.stored_chunk import is_intact
from s3gw.blobs.writer import BodyWriter
from s3gw.context import Services
from s3gw.incarnation import Heart, Incarnation, lock_folder
from s3gw.jobs import reaper as reaping
from s3gw.jobs.reaper import reap
from s3gw.jobs.sweep import sweep as run_sweep
from s3gw.metadata import blobs, buckets, contents, identities, pins, processes, schema
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Connection, Database, Prepared
from tests.actors import BUCKET, copy, death, delete, heart, late_sweep, read, reaper, sweep, upload
from tests.explorer import Actor, Explorer, SteppedDatabase, SteppedExecutor, Turns

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
        for location in self.files():
            self._path(location).unlink()
        for location, data in self._beginning.items():
            self._path(location).write_bytes(data)
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
            data=self._data, body_timeout=60, max_metadata=2048, max_key=1024, copy_etag="layout"
        )
        nothing = cast("Any", None)
        return Services(
            cast("Any", settings), database, self._store, body_writer, content_reader, read_pins, Incarnation(name),
            nothing, nothing, nothing,
        )  # fmt: skip

    def _matters(self, job: Any) -> bool:
        """What an upload does with its own new file is seen by nobody but a sweep."""
        return self.has_sweep or getattr(job, "__name__", "") not in ("_run_one", "commit", "discard")

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
        return self.dump(conn), held, sorted(self.files()), sorted(self._locks)

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
        files = {location for location in self.files() if blobs.incarnation_of(location) in known}
        named = {row[0] for row in dump["b"]}
        assert files <= named <= set(self.files()), "a file without a row, or a row without a file"
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
        for shard in filesystem._SHARDS:
            for name in os.listdir(self._folder / shard):
                found[name] = (self._folder / shard / name).read_bytes()
        return found

    def _path(self, location: str) -> Path:
        return self._folder / location[-2:] / location


def _table(kind: str, table: Table, *names: str) -> Select[Any]:
    """One kind of rows: a text, then four numbers."""
    columns = [table.c[name] if name else literal_column("''" if not n else "0") for n, name in enumerate(names)]
    return select(literal_column(f"'{kind}'").label("kind"), *columns).select_from(table)


_DUMP = Prepared(
    union_all(
        _table("c", schema.contents, "", "id", "refs", "size", "released_at"),
        _table("b", schema.blobs, "location", "refs", "size", "released_at", ""),
        _table("o", schema.objects, "key", "content_id", "size", "", ""),
        _table("p", schema.processes, "incarnation", "oldest_open", "is_dead", "", ""),
        _table("s", schema.settings, "value", "", "", "", "").where(schema.settings.c.name == "epoch"),
    ).order_by(text("1, 2, 3"))
)
_PINS = Prepared(
    union_all(
        select(schema.content_pins.c.incarnation, schema.content_pins.c.content_id, literal_column("''").label("d")),
        select(schema.blob_pins.c.incarnation, literal_column("0"), schema.blob_pins.c.digest),
    )
)


# What may happen at once. The key `k` holds A from the beginning, in a chunk that `old` wrote.
_ACTORS: dict[str, Callable[[str], Actor]] = {
    "upload the same": lambda process: upload(f"upload of {process}", process, f"k-{process}", A),
    "overwrite": lambda process: upload(f"overwrite of {process}", process, "k", B),
    "copy": lambda process: copy(f"copy of {process}", process, "k", f"c-{process}"),
    "read": lambda process: read(f"read of {process}", process, "k"),
    "delete": lambda process: delete(f"delete of {process}", process, "k"),
}
_PAIRS = list(combinations_with_replacement(_ACTORS, 2))


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """Its store flushes nothing and has one folder: no power is lost here; what flushes do is tested in tests/crash."""
    monkeypatch.setattr(filesystem, "flush", lambda fd: None)
    monkeypatch.setattr(filesystem, "flush_folder", lambda path: None)
    monkeypatch.setattr(filesystem, "_SHARDS", tuple(f"{number:02x}" for number in range(4)))
    return Gateway(tmp_path)


Explore = Callable[..., Explorer]


@pytest.fixture
def explore(database: Database, gateway: Gateway) -> Explore:
    """Set up, then explore all orders of the actors. `prepare` may do something to what was set up."""

    def run(
        *actors: Actor, preceding: Sequence[Actor], prepare: Callable[[Connection], None] | None = None
    ) -> Explorer:
        explorer = Explorer(gateway, actors)
        gateway.has_sweep = any("sweep" in actor.name for actor in actors)

        def work(conn: Connection) -> None:
            living = sorted({actor.process for actor in actors} & {ONE, TWO})
            gateway.set_up(conn, living, preceding)
            if prepare is not None:
                prepare(conn)
            explorer.explore(conn)

        asyncio.run(database.write(work))
        return explorer

    return run


@pytest.fixture
def nobody_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for the dead would only make more orders of the same."""

    async def nobody(database: Database, data: Path) -> list[processes.Process]:
        return []

    monkeypatch.setattr(reaping, "bury_the_dead", nobody)


def _first() -> Actor:
    return upload("first", OLD, "k", A)


@pytest.mark.parametrize("pair", _PAIRS, ids=" and ".join)
def test_two_at_once(explore: Explore, pair: tuple[str, str]) -> None:
    assert explore(_ACTORS[pair[0]](ONE), _ACTORS[pair[1]](TWO), preceding=[_first()]).ends > 0


# One connection runs all of it, so PostgreSQL shows no more than that its SQL means the same.
_SQL_OF_BOTH = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)], indirect=True
)


def _deleted_before(name: str) -> list[Actor]:
    """What is uploaded was there, but nobody counts on it any more."""
    before = [upload("other", OLD, "gone", B if name == "overwrite" else A), delete("its delete", OLD, "gone")]
    return before if name in ("upload the same", "overwrite") else [*before, _first()]


def _marked(gateway: Gateway) -> Callable[[Connection], None]:
    """What was deleted has been marked, and every process knows the new epoch."""
    return lambda conn: gateway.run_alone(conn, reaper(rounds=1), heart(ONE, 1))


@_SQL_OF_BOTH
@pytest.mark.usefixtures("nobody_dies")
@pytest.mark.parametrize("name", _ACTORS)
def test_one_beside_the_reaper_of_what_was_marked_before(explore: Explore, gateway: Gateway, name: str) -> None:
    actors = _ACTORS[name](ONE), heart(ONE, 1), reaper(rounds=2)
    assert explore(*actors, preceding=_deleted_before(name), prepare=_marked(gateway)).states > 50


@pytest.mark.soak
@pytest.mark.usefixtures("nobody_dies")
@pytest.mark.parametrize("name", _ACTORS)
def test_one_beside_the_reaper_of_what_was_deleted_before(explore: Explore, name: str) -> None:
    assert explore(_ACTORS[name](ONE), heart(ONE), reaper(), preceding=_deleted_before(name)).states > 50


@_SQL_OF_BOTH
@pytest.mark.usefixtures("nobody_dies")
@pytest.mark.parametrize("name", [pytest.param("upload the same", marks=pytest.mark.soak), "copy", "read"])
def test_one_beside_a_delete_and_the_reaper(explore: Explore, name: str) -> None:
    actor = _ACTORS[name](ONE)
    assert explore(actor, delete("delete", "jobs", "k"), heart(ONE), reaper(), preceding=[_first()]).states > 200


@_SQL_OF_BOTH
@pytest.mark.usefixtures("nobody_dies")
def test_two_reapers(explore: Explore, gateway: Gateway) -> None:
    """One has lost its lease and doesn't know it yet."""
    before = [_first(), delete("delete", OLD, "k")]
    actors = reaper("one reaper", 2), reaper("another", 2), heart(ONE, 1)
    assert explore(*actors, preceding=before, prepare=_marked(gateway)).states > 100


@pytest.mark.parametrize("name", ["upload the same", "overwrite", "copy", "read"])
def test_death_at_any_moment_and_the_sweep(explore: Explore, name: str) -> None:
    actors = _ACTORS[name](ONE), death(ONE), late_sweep("sweep")
    assert explore(*actors, preceding=[_first()]).ends > 0


@_SQL_OF_BOTH
@pytest.mark.parametrize("name", ["upload the same", "overwrite", "copy", "read"])
def test_a_process_that_is_declared_dead_but_works_on(explore: Explore, name: str) -> None:
    """It was silent for too long. What it writes is refused, or named before the sweep looks."""
    actors = _ACTORS[name](ONE), sweep("sweep", ONE), heart(ONE, 1)
    assert explore(*actors, preceding=[_first()]).ends > 0


@pytest.mark.parametrize("name", ["upload the same", "copy", "read", "delete"])
def test_a_stored_chunk_that_has_gone_bad_is_replaced(explore: Explore, gateway: Gateway, name: str) -> None:
    def spoil(conn: Connection) -> None:
        gateway.spoil()

    explore(_ACTORS["upload the same"](ONE), _ACTORS[name](TWO), preceding=[_first()], prepare=spoil)


# What the explorer is worth: each of these was thought of as an implementation.

_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@_SQLITE
def test_a_reaper_that_ignores_open_reads_is_found(explore: Explore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "floor", lambda conn: 10**9)
    with pytest.raises(AssertionError, match="an open read lost its bytes"):
        explore(_ACTORS["read"](ONE), delete("delete", "jobs", "k"), reaper(), preceding=[_first()])


@_SQLITE
def test_a_heart_that_lets_go_of_an_epoch_before_the_needs_are_published_is_found(
    explore: Explore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pins, "publish", lambda conn, *needs: True)
    actors = _ACTORS["read"](ONE), delete("delete", "jobs", "k"), heart(ONE), reaper()
    with pytest.raises(AssertionError, match="an open read lost its bytes"):
        explore(*actors, preceding=[_first()])


@_SQLITE
def test_a_reaper_that_ignores_pins_is_found(explore: Explore, monkeypatch: pytest.MonkeyPatch) -> None:
    unpinned = Prepared(
        select(schema.contents.c.id)
        .where(schema.contents.c.refs == 0, schema.contents.c.released_at < bindparam("floor"))
        .limit(bindparam("batch"))
    )
    monkeypatch.setattr(contents, "_released_before", unpinned)
    actors = _ACTORS["read"](ONE), delete("delete", "jobs", "k"), heart(ONE), reaper()
    with pytest.raises(AssertionError, match="an open read lost its bytes"):
        explore(*actors, preceding=[_first()])


@_SQLITE
def test_a_commit_that_trusts_a_process_declared_dead_is_found(
    explore: Explore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "is_dead", lambda conn, incarnation: False)
    with pytest.raises(AssertionError, match="a row without a file"):
        explore(_ACTORS["overwrite"](ONE), sweep("sweep", ONE), preceding=[_first()])


@_SQLITE
def test_an_upload_that_does_not_ask_for_the_row_again_is_found(
    explore: Explore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "floor", lambda conn: 10**9)
    monkeypatch.setattr(blobs, "count", lambda conn, digest: True)
    with pytest.raises(AssertionError, match="has lost its chunk"):
        explore(_ACTORS["upload the same"](ONE), delete("delete", "jobs", "k"), reaper(), preceding=[_first()])
