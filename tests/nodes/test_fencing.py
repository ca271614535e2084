"""A node that others may take for dead writes nothing: it is refused, nothing of it stays, and nothing else is lost."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3gw import lease, process_identity
from s3gw.content.filesystem import FilesystemStore
from s3gw.content.read_pins import ReadPins
from s3gw.jobs.sweep import sweep
from s3gw.lease import Lease, LeaseLost
from s3gw.metadata import blobs, processes
from s3gw.metadata.engines import open_database
from s3gw.process_identity import Heart, mark_dead_processes, open_process_identity
from s3gw.storage import Storage
from tests.content.bodies import random_bytes
from tests.crash.client import BUCKET
from tests.crash.sockets import RawClient, eventually
from tests.nodes.conftest import Nodes
from tests.servers import RunningServer

MIB = 1 << 20
CHUNK = 8 * MIB
_keys = (f"key-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def shared_bucket(s3: Any) -> str:
    s3.create_bucket(Bucket=BUCKET)
    return BUCKET


@contextmanager
def stopped(server: RunningServer) -> Iterator[None]:
    """All its processes, as when its machine stands still."""
    os.killpg(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(server.process.pid, signal.SIGCONT)


async def sweep_on(node: RunningServer, nodes: Nodes, monkeypatch: pytest.MonkeyPatch, silence: float = 60) -> int:
    """As the jobs of this node do; how many were dead. Those that have no lock in its folder are so after a silence."""
    database = open_database(nodes.url, node.data)
    settings, store = SimpleNamespace(data=node.data), FilesystemStore(node.data / "blobs")
    try:
        await mark_dead_processes(database, node.data)
        with monkeypatch.context() as patch:
            patch.setattr(process_identity, "_SILENCE", silence)
            dead = await mark_dead_processes(database, node.data)
            services = cast("Storage", SimpleNamespace(database=database, store=store, settings=settings))
            await sweep(services, None, lambda progress: None)
        return len(dead)
    finally:
        await database.close()


def files(nodes: Nodes) -> set[str]:
    return {path.name for path in (nodes.one.data / "blobs").glob("??/*")}


async def unnamed(nodes: Nodes, folder: Path) -> list[str]:
    database = open_database(nodes.url, folder)
    try:
        return await database.read(blobs.unnamed, sorted(files(nodes)))
    finally:
        await database.close()


async def workers_of(node: RunningServer, nodes: Nodes) -> list[int]:
    """The process ids of the living: they have a lock in the folder."""
    database = open_database(nodes.url, node.data)
    try:
        known = await database.read(processes.list_processes)
    finally:
        await database.close()
    locks = {path.stem for path in process_identity.lock_folder(node.data).iterdir()}
    return [each.pid for each in known if each.name in locks and each.role == "worker" and not each.is_dead]


def serves(server: RunningServer) -> bool:
    try:
        return server.get(f"{server.admin}/readyz")[0] == 200
    except OSError:
        return False


def came_back(nodes: Nodes, instead_of: list[int]) -> bool:
    """The first node, with another worker."""
    workers = asyncio.run(workers_of(nodes.one, nodes))
    return bool(set(workers) - set(instead_of)) and serves(nodes.one)


def test_the_late_commit_of_a_node_that_stood_still_is_refused_and_nothing_of_it_stays(
    nodes: Nodes, s3: Any, other_s3: Any, shared_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, kept, there = next(_keys), next(_keys), random_bytes(CHUNK)
    s3.put_object(Bucket=BUCKET, Key=kept, Body=there)
    before, body = files(nodes), random_bytes(CHUNK + MIB)
    workers = asyncio.run(workers_of(nodes.one, nodes))
    client = RawClient(nodes.one)
    client.begin("PUT", key, len(body))
    client.send(body[: CHUNK + 100])
    assert eventually(lambda: files(nodes) != before)
    with stopped(nodes.one):
        assert asyncio.run(sweep_on(nodes.other, nodes, monkeypatch, silence=0)) >= 2
        assert files(nodes) == before, "the sweep of the other took what it had written"
        other_s3.put_object(Bucket=BUCKET, Key=f"{key}-other", Body=random_bytes(CHUNK))
    client.send(body[CHUNK + 100 :])
    answer = client.read_until_closed()  # nothing where the machine is so busy that it ends first
    client.close()
    assert not answer or (answer.startswith(b"HTTP/1.1 503") and b"<Code>ServiceUnavailable" in answer)
    assert eventually(lambda: came_back(nodes, workers), within=90), "it comes back under other names"
    asyncio.run(sweep_on(nodes.other, nodes, monkeypatch))
    assert asyncio.run(unnamed(nodes, tmp_path)) == [], "nor does what it wrote after the sweep stay"
    listed = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert key not in {row["Key"] for row in listed}
    assert other_s3.get_object(Bucket=BUCKET, Key=kept)["Body"].read() == there
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    assert other_s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body


def test_what_a_node_that_was_killed_had_begun_is_swept(
    nodes: Nodes, s3: Any, shared_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(nodes)
    client = RawClient(nodes.one)
    client.begin("PUT", next(_keys), 2 * CHUNK)
    client.send(random_bytes(CHUNK + 100))
    assert eventually(lambda: files(nodes) != before)
    workers = asyncio.run(workers_of(nodes.one, nodes))
    os.kill(workers[0], signal.SIGKILL)
    client.close()
    assert eventually(lambda: came_back(nodes, workers), within=90)
    asyncio.run(sweep_on(nodes.one, nodes, monkeypatch))
    assert asyncio.run(unnamed(nodes, tmp_path)) == []


@pytest.mark.anyio
async def test_a_process_begins_no_file_once_others_may_take_it_for_dead(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(lease, "now", lambda: clock[0])
    monkeypatch.setattr(process_identity, "lease_now", lambda: clock[0])
    monkeypatch.setattr(process_identity, "_REST", 0.0)
    monkeypatch.setattr(process_identity, "BEAT", 3600)
    database, pins = open_database(postgresql_url, tmp_path), ReadPins()
    async with open_process_identity(database, tmp_path, "worker", pins) as alive:
        heart = Heart(database, alive.name, pins, alive.numbers)
        assert next(alive.numbers) == 1
        clock[0] += lease.LENGTH - 1
        assert next(alive.numbers) == 2
        clock[0] += 1
        with pytest.raises(LeaseLost):
            next(alive.numbers)
        assert await heart.beat()
        assert next(alive.numbers) == 3
        await database.write(processes.mark_dead, alive.name)
        assert not await heart.beat()
        clock[0] += lease.LENGTH
        with pytest.raises(LeaseLost):
            next(alive.numbers)
    await database.close()


def test_a_lease_is_over_before_a_silence_is_and_lasts_over_several_beats() -> None:
    assert lease.LENGTH + 10 <= process_identity._SILENCE
    assert process_identity._REST + process_identity.BEAT <= lease.LENGTH / 2


def test_an_ended_lease_is_not_renewed() -> None:
    ended = Lease(lasts_for_ever=True)
    assert next(ended) == 1
    ended.end()
    ended.renew(lease.now())
    assert not ended.lasts
    with pytest.raises(LeaseLost):
        next(ended)


@pytest.mark.anyio
async def test_what_a_forgotten_process_left_after_the_sweep_goes_with_the_next(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_identity, "BEAT", 0.01)
    monkeypatch.setattr(process_identity, "_LAST_WORDS", 0.0)
    database, died = open_database(postgresql_url, tmp_path), asyncio.Event()
    async with open_process_identity(database, tmp_path, "worker", ReadPins(), died.set) as alive:
        await database.write(processes.mark_dead, alive.name)
        await database.write(processes.forget, alive.name)
        await asyncio.wait_for(died.wait(), 20)
        (buried,) = await database.read(processes.list_processes)
        assert (buried.name, buried.is_dead) == (alive.name, 1)
        assert not alive.numbers.lasts
    await database.close()
