"""Every interleaving of upload, copy, read, delete, reaper and sweep, with no grace at all, on both databases.

After each step every object must give exactly its bytes and no row may lack its file; at each end, after the sweep and
the reaper have had their turn, no file may lack its row.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, Table, bindparam, literal_column, select, text, union_all

from s3gw.blobs import filesystem
from s3gw.blobs.filesystem import FilesystemStore
from s3gw.blobs.read_pins import Needs, Pin, ReadPins
from s3gw.blobs.stored_chunk import StoredChunk, is_intact
from s3gw.jobs.reaper import _Released as Released
from s3gw.metadata import blobs, buckets, contents, identities, pins, processes, schema
from s3gw.metadata.database import Connection, Database, Prepared
from tests.actors import SHARD, copy, death, delete, heart, late_sweep, read, reaper, sweep, upload
from tests.explorer import Actor, Explorer, Jump, Local

A, B = b"a" * 100, b"b" * 101
OLD, ONE, TWO = "old", "one", "two"  # processes; `old` wrote what is there at the beginning


class Gateway:
    """A bucket, a store and the processes that work with them. Keeps nothing that `remember` doesn't give."""

    def __init__(self, store: FilesystemStore, folder: Path) -> None:
        self.store, self._folder = store, folder / SHARD
        self.pins: dict[str, ReadPins] = {}
        self.bucket_id = 0
        self._dead: frozenset[str] = frozenset()
        self._bad: frozenset[str] = frozenset()  # locations

    def set_up(self, conn: Connection, living: Sequence[str], *preceding: Actor) -> None:
        """`OLD` does what precedes and is gone then; the `living` are there from the beginning."""
        owner = identities.create_user(conn, name="owner")
        self.bucket_id = buckets.create(
            conn, name="bucket", owner_id=owner.id, region="us-east-1", defaults="classic", now=1
        )
        for name in (OLD, *living):
            processes.register(conn, name, "worker", "here", 1)
            self.pins[name] = ReadPins(lasting=0)  # each may be published at any time
        for actor in preceding:
            self.run(conn, actor)
        self.kill(OLD)
        self.run(conn, sweep("sweep", OLD))

    def run(self, conn: Connection, actor: Actor) -> None:
        position, local = 0, {}
        while position < len(actor.steps):
            outcome = actor.steps[position](self, conn, local)
            position, local = outcome if isinstance(outcome, Jump) else Jump(position + 1, outcome)

    def spoil(self, location: str) -> None:
        path = self._path(location)
        path.write_bytes(b"X" + path.read_bytes()[1:])
        self._bad |= {location}

    def kill(self, process: str) -> None:
        self._dead |= {process}

    def is_bad(self, location: str) -> bool:
        return location in self._bad

    def lives(self, process: str) -> bool:
        return process not in self._dead

    def etag_of(self, data: bytes) -> str:
        return hashlib.md5(data).hexdigest()

    def read_chunk(self, chunk: StoredChunk) -> bytes:
        try:
            return bytes(chunk.read(memoryview(bytearray(1024)), 0, chunk.blob.size))
        finally:
            chunk.close()

    def locations(self) -> list[str]:
        return list(self._files())

    def published(self, conn: Connection, process: str) -> Needs:
        of_process = [row for row in _PINS.all(conn) if row[0] == process]
        return Needs(
            frozenset(row[1] for row in of_process if row[1]), frozenset(row[2] for row in of_process if row[2])
        )

    # What the explorer asks

    def remember(self) -> Any:
        pins = {
            name: (opened.epoch, [(pin, pin.content, pin.blob, pin.is_published) for pin in opened._open])
            for name, opened in self.pins.items()
        }
        return pins, self._files(), self._dead

    def restore(self, memory: Any) -> None:
        pins, files, self._dead = memory
        for name, (epoch, opened) in pins.items():
            self.pins[name].epoch = epoch
            self.pins[name]._open = {pin for pin, *_ in opened}
            for pin, content, blob, is_published in opened:
                pin.content, pin.blob, pin.is_published = content, blob, is_published
        now = self._files()
        for location in now.keys() - files.keys():
            self._path(location).unlink()
        for location in files.keys() - now.keys():
            self._path(location).write_bytes(files[location])

    def dump(self, conn: Connection) -> Any:
        rows: dict[str, list[Any]] = {kind: [] for kind in "cbopsn"}
        for kind, *row in _DUMP.all(conn):
            rows[kind].append(tuple(row))
        rows["n"] = sorted(_PINS.all(conn))
        return rows

    def fingerprint(self, dump: Any, locals: Sequence[Local]) -> Hashable:
        """Everything that decides what can happen. Of the numbers of contents and of epochs, only the order does."""
        rank = {row[1]: number for number, row in enumerate(dump["c"])}
        known = [{name: _plain(value, rank) for name, value in local.items()} for local in locals]
        held = [sorted((_plain(pin, rank), pin.epoch) for pin in opened._open) for opened in self.pins.values()]
        reads = [
            (opened.epoch, *(epoch for _, epoch in pins)) for opened, pins in zip(self.pins.values(), held, strict=True)
        ]
        epochs = [
            [row[4] for row in dump["c"]],
            [row[3] for row in dump["b"]],
            [row[1] for row in dump["p"]],
            [int(row[0]) for row in dump["s"]],
            *reads,
            [local.pop(name) for local in known for name in _EPOCHS if name in local],
        ]
        order = {epoch: number for number, epoch in enumerate(sorted({e for some in epochs for e in some} - {None}))}
        return repr(
            (
                [row[2:4] for row in dump["c"]],
                [row[:3] for row in dump["b"]],
                [(row[0], rank.get(row[1])) for row in dump["o"]],
                [(row[0], row[2]) for row in dump["p"]],
                [[order.get(epoch) for epoch in some] for some in epochs],
                [sorted(local.items()) for local in known],
                [[plain for plain, _ in pins] for pins in held],
                [(process, rank.get(content_id), digest) for process, content_id, digest in dump["n"]],
                sorted(self._files()),
                sorted(self._dead),
            )
        )

    def check(self, dump: Any) -> None:
        """A and B differ in size, so a size tells which of them a content or chunk is."""
        files = self._files()
        chunks = {row[2]: row[0] for row in dump["b"]}
        sizes = {row[1]: row[3] for row in dump["c"]}
        for location in chunks.values():
            assert location in files, "a row without a file"
        for key, content_id, size, *_ in dump["o"]:
            assert sizes[content_id] == size, "an object without its content"
            assert size in chunks, f"{key} has lost its chunk"
            location = chunks[size]
            assert location in self._bad or files[location][:size] in (A, B), "wrong bytes"

    def check_end(self, conn: Connection, locals: Mapping[str, Local]) -> None:
        """Beat, bury, sweep and reap to the end: files and rows match, and every count is right."""
        for name, opened in self.pins.items():
            if self.lives(name):
                assert len(opened) == 0, f"{name} has left a read open"
            else:
                self.run(conn, sweep("sweep", name))
        for _ in range(3):
            self.run(conn, reaper())
            for name in filter(self.lives, self.pins):
                self.run(conn, heart(name, beats=1))
        dump = self.dump(conn)
        self.check(dump)
        assert {row[0] for row in dump["b"]} == set(self._files()), "a file without a row"
        refs = Counter(content_id for _, content_id, *_ in dump["o"])
        assert {row[1]: row[2] for row in dump["c"]} == refs, "a wrong count, or what was released isn't reaped"
        for content_id in refs:
            (extent,) = contents.load(conn, content_id).extents
            blob = blobs.find(conn, extent.digest)
            assert blob is not None
            assert self.is_bad(blob.location) or is_intact(self.store, blob)

    def _files(self) -> dict[str, bytes]:
        return {name: self._path(name).read_bytes() for name in os.listdir(self._folder)}

    def _path(self, location: str) -> Path:
        return self._folder / location


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


_EPOCHS = ("began", "oldest")  # what actors know that are such


_PINS = Prepared(
    union_all(
        select(schema.content_pins.c.incarnation, schema.content_pins.c.content_id, literal_column("''").label("d")),
        select(schema.blob_pins.c.incarnation, literal_column("0"), schema.blob_pins.c.digest),
    )
)


def _plain(value: Any, rank: Mapping[int, int]) -> Any:
    if isinstance(value, Pin):
        return repr((rank.get(value.content or 0), value.blob, value.is_published))
    if isinstance(value, tuple) and value and isinstance(value[0], Pin):
        return [_plain(pin, rank) for pin in value]
    if isinstance(value, StoredChunk):
        return value.blob
    if isinstance(value, Released):
        return [rank.get(content_id) for content_id in value.contents], value.blobs
    return value


# What may happen at once. The key `k` holds A from the beginning, in a chunk that `old` wrote.
_ACTORS: dict[str, Callable[[str], Actor]] = {
    "upload the same": lambda process: upload(f"upload of {process}", process, f"k-{process}", A),
    "overwrite": lambda process: upload(f"overwrite of {process}", process, "k", B),
    "copy": lambda process: copy(f"copy of {process}", process, "k", f"c-{process}"),
    "read": lambda process: read(f"read of {process}", process, "k"),
    "delete": lambda process: delete(f"delete of {process}", process, "k"),
}
_PAIRS = list(itertools.combinations_with_replacement(_ACTORS, 2))


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """Its store has one folder and flushes nothing: no power is lost here; what flushes do is tested in tests/crash."""
    monkeypatch.setattr(filesystem, "flush", lambda fd: None)
    monkeypatch.setattr(filesystem, "flush_folder", lambda path: None)
    folder = tmp_path / "blobs"
    (folder / SHARD).mkdir(parents=True)
    (folder / ".complete").touch()
    return Gateway(FilesystemStore(folder), folder)


Explore = Callable[..., Explorer]


@pytest.fixture
def explore(database: Database, gateway: Gateway) -> Explore:
    """Set up, then explore all orders of the actors. `prepare` may do something to what was set up."""

    def run(
        *actors: Actor, preceding: Sequence[Actor], prepare: Callable[[Connection], None] | None = None
    ) -> Explorer:
        explorer = Explorer(gateway, actors)

        def work(conn: Connection) -> None:
            living = sorted({actor.process for actor in actors} & {ONE, TWO})
            gateway.set_up(conn, living, *preceding)
            if prepare is not None:
                prepare(conn)
            explorer.explore(conn)

        asyncio.run(database.write(work))
        return explorer

    return run


def _first() -> Actor:
    return upload("first", OLD, "k", A)


@pytest.mark.parametrize("pair", _PAIRS, ids=" and ".join)
def test_two_at_once(explore: Explore, pair: tuple[str, str]) -> None:
    assert explore(_ACTORS[pair[0]](ONE), _ACTORS[pair[1]](TWO), preceding=[_first()]).ends > 0


_SQL_OF_BOTH = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)], indirect=True
)


@_SQL_OF_BOTH
@pytest.mark.parametrize("name", _ACTORS)
def test_one_beside_the_reaper_of_what_was_deleted_before(explore: Explore, name: str) -> None:
    """What is uploaded was there, but nobody counts on it any more."""
    data = B if name == "overwrite" else A
    before = [upload("other", OLD, "gone", data), delete("its delete", OLD, "gone")]
    if name not in ("upload the same", "overwrite"):
        before.append(_first())
    assert explore(_ACTORS[name](ONE), heart(ONE), reaper(), preceding=before).states > 50


@_SQL_OF_BOTH
@pytest.mark.parametrize("name", ["upload the same", "copy", "read"])
def test_one_beside_a_delete_and_the_reaper(explore: Explore, name: str) -> None:
    actor = _ACTORS[name](ONE)
    assert explore(actor, delete("delete", "jobs", "k"), heart(ONE), reaper(), preceding=[_first()]).states > 200


@_SQL_OF_BOTH
def test_two_reapers(explore: Explore, gateway: Gateway) -> None:
    """One has lost its lease and doesn't know it yet. What was deleted has been marked before."""

    def mark(conn: Connection) -> None:
        gateway.run(conn, Actor("the first marks", "jobs", reaper().steps[:2]))
        gateway.run(conn, heart(ONE, 1))

    before = [_first(), delete("delete", OLD, "k")]
    actors = reaper("one reaper"), reaper("another"), heart(ONE, 1)
    assert explore(*actors, preceding=before, prepare=mark).states > 100


@pytest.mark.parametrize("name", ["upload the same", "overwrite", "copy", "read"])
def test_death_at_any_moment_and_the_sweep(explore: Explore, name: str) -> None:
    actors = _ACTORS[name](ONE), death(ONE), late_sweep("sweep", ONE)
    assert explore(*actors, preceding=[_first()]).ends > 0


@pytest.mark.parametrize("name", ["upload the same", "overwrite", "copy", "read"])
def test_a_process_that_is_declared_dead_but_works_on(explore: Explore, name: str) -> None:
    """It was silent for too long. What it writes is refused, or named before the sweep looks."""
    actors = _ACTORS[name](ONE), sweep("sweep", ONE), heart(ONE, 1)
    assert explore(*actors, preceding=[_first()]).ends > 0


@pytest.mark.parametrize("name", ["upload the same", "copy", "read", "delete"])
def test_a_stored_chunk_that_has_gone_bad_is_replaced(explore: Explore, gateway: Gateway, name: str) -> None:
    def spoil(conn: Connection) -> None:
        gateway.spoil(gateway.locations()[0])

    explore(_ACTORS["upload the same"](ONE), _ACTORS[name](TWO), preceding=[_first()], prepare=spoil)


# What the explorer is worth: each of these was thought of as an implementation.


def test_a_reaper_that_ignores_open_reads_is_found(explore: Explore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "floor", lambda conn: 10**9)
    with pytest.raises(AssertionError, match="an open read lost its bytes"):
        explore(_ACTORS["read"](ONE), delete("delete", "jobs", "k"), reaper(), preceding=[_first()])


def test_a_heart_that_lets_go_of_an_epoch_before_the_needs_are_published_is_found(
    explore: Explore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pins, "publish", lambda conn, *needs: True)
    actors = _ACTORS["read"](ONE), delete("delete", "jobs", "k"), heart(ONE), reaper()
    with pytest.raises(AssertionError, match="an open read lost its bytes"):
        explore(*actors, preceding=[_first()])


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


def test_a_commit_that_trusts_a_process_declared_dead_is_found(
    explore: Explore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "is_dead", lambda conn, incarnation: False)
    with pytest.raises(AssertionError, match="a row without a file"):
        explore(_ACTORS["overwrite"](ONE), sweep("sweep", ONE), preceding=[_first()])


def test_an_upload_that_does_not_ask_for_the_row_again_is_found(
    explore: Explore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "floor", lambda conn: 10**9)
    monkeypatch.setattr(blobs, "count", lambda conn, digest: True)
    with pytest.raises(AssertionError, match="has lost its chunk"):
        explore(_ACTORS["upload the same"](ONE), delete("delete", "jobs", "k"), reaper(), preceding=[_first()])
