"""The sweep: what dead processes left and no row names goes; what others have or may still name stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from s3gw.content.object_store import ObjectStore
from s3gw.content.remote import RemoteStore
from s3gw.jobs import sweep as sweeping
from s3gw.jobs.sweep import sweep
from s3gw.metadata import contents, processes
from s3gw.metadata.contents import ContentLost, Extent, NewChunk, manifest
from s3gw.process_identity import lock_folder
from tests.content.conformance import write
from tests.jobs.conftest import BODY, Process, ignore
from tests.stores import Proxy

pytestmark = pytest.mark.anyio


@pytest.fixture
async def dead(process: Process) -> str:
    """A process that died without a word, and left two files."""
    await process.database.write(processes.register, "fallen", "worker", "here", 1)
    lock_of(process, "fallen").touch()
    for number in range(2):
        write(process.services.store, f"fallen-{number:08x}", b"x")
    return "fallen"


def lock_of(process: Process, name: str) -> Path:
    return lock_folder(process.services.settings.data) / f"{name}.lock"


async def test_what_the_dead_left_goes_and_they_are_forgotten(process: Process, dead: str) -> None:
    content = await process.put()
    told: list[object] = []
    await sweep(process.services, None, told.append)
    assert told == [{"files": 2}]
    assert await process.get(content) == BODY
    assert len(process.files()) == 1
    known = [known.name for known in await process.database.read(processes.list_processes)]
    assert known == [process.services.process_identity.name]
    assert not lock_of(process, dead).exists()


async def test_files_of_the_living_stay_when_those_of_the_dead_go(process: Process, dead: str) -> None:
    kept = {f"{process.services.process_identity.name}-000000ff", "never-heard-of-000000ff"}  # another database's?
    for location in kept:
        write(process.services.store, location, b"x")
    await sweep(process.services, None, ignore)
    assert {path.name for path in process.files()} == kept


@pytest.mark.soak
async def test_of_a_store_in_the_network_only_what_the_dead_wrote_is_listed(
    process: Process, dead: str, objects: ObjectStore, proxy: Proxy, tmp_path: Path
) -> None:
    store = RemoteStore(objects, tmp_path)
    kept = {f"{process.services.process_identity.name}-000000ff", "fallen-00000005", "fallen-2-00000001"}
    for location in {*kept, "fallen-00000004"}:
        write(store, location, b"x")
    new = manifest([Extent(b"d" * 32, 0, 1)], [NewChunk(b"d" * 32, "fallen-00000005", 1)])
    await process.database.write(lambda conn: contents.insert(conn, new))
    proxy.requests.clear()
    await sweep(replace(process.services, store=store), None, ignore)
    assert [path.partition("chunks%2F")[2] for _, path in proxy.requests if "list-type" in path] == ["fallen%2F"]
    assert set(store.locations()) == kept
    store.close()


async def test_files_stay_as_long_as_nobody_is_dead(process: Process) -> None:
    write(process.services.store, f"{process.services.process_identity.name}-000000ff", b"x")
    await sweep(process.services, None, ignore)
    assert len(process.files()) == 1


async def test_what_a_row_names_outlives_its_writer(process: Process, dead: str) -> None:
    new = manifest([Extent(b"d" * 32, 0, 1)], [NewChunk(b"d" * 32, "fallen-00000001", 1)])
    await process.database.write(lambda conn: contents.insert(conn, new))
    await sweep(process.services, None, ignore)
    assert [path.name for path in process.files()] == ["fallen-00000001"]


async def test_the_dead_commit_nothing(process: Process, dead: str) -> None:
    await process.database.write(processes.mark_dead, dead)
    new = manifest([Extent(b"d" * 32, 0, 1)], [NewChunk(b"d" * 32, "fallen-00000001", 1)])
    for _ in range(2):  # declared dead; forgotten
        with pytest.raises(ContentLost):
            await process.database.write(lambda conn: contents.insert(conn, new))
        await sweep(process.services, None, ignore)


async def test_many_files_go_in_batches(process: Process, dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "_BATCH", 3)
    for number in range(2, 10):
        write(process.services.store, f"fallen-{number:08x}", b"x")
    told: list[object] = []
    await sweep(process.services, None, told.append)
    assert told == [{"files": 3}, {"files": 6}, {"files": 9}, {"files": 10}]
    assert process.files() == []
