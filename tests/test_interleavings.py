"""Every interleaving of upload, copy, read, delete, heartbeats, reaper and sweep: the handlers and jobs themselves.

After each step every object must give exactly its bytes and no row may lack its file; at each end, after the sweep and
the reaper have had their turn, no file may lack its row, and no pin its read. Pins are lasting from the beginning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, select

from s3gw.content import filesystem
from s3gw.jobs import reaper as reaping
from s3gw.metadata import blobs, contents, pins, processes, schema
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.prepared import Prepared
from tests.actors import copy, death, delete, heart, late_sweep, read, reaper, sweep, upload
from tests.explored_gateway import OLD, ONE, TWO, A, B, Gateway
from tests.explorer import Actor, Explorer

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

    monkeypatch.setattr(reaping, "mark_dead_processes", nobody)


def _first() -> Actor:
    return upload("first", OLD, "k", A)


# One connection runs all of it, so PostgreSQL shows no more than that its SQL means the same: each actor runs on it
# in the tests of deaths below, and by `make soak` in pairs. With the reaper there are so many orders that its one
# transaction, which goes back and forth between ten thousands of savepoints, takes hours.
_SQL_OF_BOTH = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)], indirect=True
)
_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def _shortly(*names: str) -> Any:
    """Of all actors these are tested each time, and the others by `make soak`."""
    return pytest.mark.parametrize(
        "name", [name if name in names else pytest.param(name, marks=pytest.mark.soak) for name in _ACTORS]
    )


@_SQL_OF_BOTH
@pytest.mark.parametrize("pair", _PAIRS, ids=" and ".join)
def test_two_at_once(explore: Explore, pair: tuple[str, str]) -> None:
    assert explore(_ACTORS[pair[0]](ONE), _ACTORS[pair[1]](TWO), preceding=[_first()]).ends > 0


def _deleted_before(name: str) -> list[Actor]:
    """What is uploaded was there, but nobody counts on it any more."""
    before = [upload("other", OLD, "gone", B if name == "overwrite" else A), delete("its delete", OLD, "gone")]
    return before if name in ("upload the same", "overwrite") else [*before, _first()]


def _marked(gateway: Gateway) -> Callable[[Connection], None]:
    """What was deleted has been marked, and every process knows the new epoch."""
    return lambda conn: gateway.run_alone(conn, reaper(rounds=1), heart(ONE, 1))


@_SQLITE
@pytest.mark.usefixtures("nobody_dies")
@_shortly("read")
def test_one_beside_the_reaper_of_what_was_marked_before(explore: Explore, gateway: Gateway, name: str) -> None:
    actors = _ACTORS[name](ONE), heart(ONE, 1), reaper(rounds=2)
    assert explore(*actors, preceding=_deleted_before(name), prepare=_marked(gateway)).states > 50


@_SQLITE
@pytest.mark.soak
@pytest.mark.usefixtures("nobody_dies")
@pytest.mark.parametrize("name", _ACTORS)
def test_one_beside_the_reaper_of_what_was_deleted_before(explore: Explore, name: str) -> None:
    assert explore(_ACTORS[name](ONE), heart(ONE), reaper(), preceding=_deleted_before(name)).states > 50


@_SQLITE
@pytest.mark.usefixtures("nobody_dies")
@pytest.mark.soak
@pytest.mark.parametrize("name", ["upload the same", "copy", "read"])
def test_one_beside_a_delete_and_the_reaper(explore: Explore, name: str) -> None:
    actor = _ACTORS[name](ONE)
    assert explore(actor, delete("delete", "jobs", "k"), heart(ONE), reaper(), preceding=[_first()]).states > 200


@_SQLITE
@pytest.mark.soak
@pytest.mark.usefixtures("nobody_dies")
def test_two_reapers(explore: Explore, gateway: Gateway) -> None:
    """One has lost its lease and doesn't know it yet."""
    before = [_first(), delete("delete", OLD, "k")]
    actors = reaper("one reaper", 2), reaper("another", 2), heart(ONE, 1)
    assert explore(*actors, preceding=before, prepare=_marked(gateway)).states > 100


@pytest.mark.parametrize("name", _ACTORS)
def test_death_at_any_moment_and_the_sweep(explore: Explore, name: str) -> None:
    actors = _ACTORS[name](ONE), death(ONE), late_sweep("sweep")
    assert explore(*actors, preceding=[_first()]).ends > 0


@_SQLITE
@_shortly("overwrite", "read")
def test_a_process_that_is_declared_dead_but_works_on(explore: Explore, name: str) -> None:
    """It was silent for too long. What it writes is refused, or named before the sweep looks."""
    actors = _ACTORS[name](ONE), sweep("sweep", ONE), heart(ONE, 1)
    assert explore(*actors, preceding=[_first()]).ends > 0


@_SQL_OF_BOTH
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


@pytest.mark.soak
@_SQLITE
def test_a_heart_that_lets_go_of_an_epoch_before_the_needs_are_published_is_found(
    explore: Explore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pins, "publish", lambda conn, *needs: True)
    actors = _ACTORS["read"](ONE), delete("delete", "jobs", "k"), heart(ONE), reaper(rounds=2)
    with pytest.raises(AssertionError, match="an open read lost its bytes"):
        explore(*actors, preceding=[_first()])


@pytest.mark.soak
@_SQLITE
def test_a_reaper_that_ignores_pins_is_found(explore: Explore, monkeypatch: pytest.MonkeyPatch) -> None:
    unpinned = Prepared(
        select(schema.contents.c.id)
        .where(schema.contents.c.refs == 0, schema.contents.c.released_at < bindparam("floor"))
        .limit(bindparam("batch"))
    )
    monkeypatch.setattr(contents, "_released_before", unpinned)
    actors = _ACTORS["read"](ONE), delete("delete", "jobs", "k"), heart(ONE), reaper(rounds=2)
    with pytest.raises(AssertionError, match="an open read lost its bytes"):
        explore(*actors, preceding=[_first()])


@_SQLITE
def test_a_commit_that_trusts_a_process_declared_dead_is_found(
    explore: Explore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "is_dead", lambda conn, name: False)
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
