"""SIGKILL of the job process, of workers and of everything while a webhook fails half of the time: what was
acknowledged is told, in the order of its key, and what is told last of a key is what the key has.

S3GW_CRASH_ROUNDS says how often (`make soak` has a long form), S3GW_CRASH_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import random
import secrets
import shutil
import signal
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import update

from s3gw.app import open_services
from s3gw.config import load_settings
from s3gw.metadata.database import Connection
from s3gw.metadata.schema import event_deliveries
from tests.crash.client import BUCKET, Client
from tests.crash.test_crash import kill_everything
from tests.events.receiver import Receiver, receiving
from tests.processes.test_supervisor import children
from tests.servers import RunningServer, running_server

_WRITERS = 3
_KEYS = 3
_SHORT, _LONG = 2, 100
_SETTINGS = {"S3GW_BUCKETS": BUCKET, "S3GW_ACCESS_LOG": "false", "S3GW_EVENT_NETWORKS": "127.0.0.1/32"}


class Attempt(NamedTuple):
    """`size` is its own in its key; None: a delete."""

    size: int | None
    is_acknowledged: bool


class Writer:
    def __init__(self, name: str, seed: str) -> None:
        self.attempts: dict[str, list[Attempt]] = {f"{name}-{number}": [] for number in range(_KEYS)}
        self.failures: list[str] = []
        self._size = 0
        self._random = random.Random(seed)

    def work(self, url: str, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                with Client(url, 10) as client:
                    while not stop.is_set():
                        self._write(client)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)  # it was killed, or a worker was

    def _write(self, client: Client) -> None:
        key = self._random.choice(sorted(self.attempts))
        of_key = self.attempts[key]
        is_delete = bool(of_key) and of_key[-1].size is not None and self._random.random() < 0.3
        self._size += 1
        size = None if is_delete else self._size
        of_key.append(Attempt(size, False))
        answer = client.request("DELETE" if is_delete else "PUT", f"{BUCKET}/{key}", bytes(size or 0))
        if answer.is_success:
            of_key[-1] = Attempt(size, True)
        elif answer.status != 503:
            self.failures.append(f"{key}: {answer}")


def told_of(receiver: Receiver) -> dict[str, list[int | None]]:
    """Of each key what was told of it, in its order, each message once."""
    found: dict[str, list[int | None]] = defaultdict(list)
    sequencers: dict[str, str] = {}
    for told in receiver.told:
        if "Records" not in told.document:
            continue
        about = told.record["s3"]["object"]
        if about["sequencer"] > sequencers.get(about["key"], ""):
            sequencers[about["key"]] = about["sequencer"]
            found[about["key"]].append(about.get("size"))
    return found


def disorder_of(key: str, attempts: list[Attempt], told: list[int | None], stored: int | None) -> str | None:
    """`told` is what was attempted, in that order, with all that was acknowledged."""
    place = 0
    for attempt in attempts:
        if place < len(told) and told[place] == attempt.size:
            place += 1
        elif attempt.is_acknowledged and not (attempt.size is None and place and told[place - 1] is None):
            return f"{key}: {attempt} isn't told in its place ({told[max(0, place - 2) : place + 3]})"
    if place != len(told):
        return f"{key}: {told[place:]} was told, which never was so"
    if (told[-1] if told else None) != stored:
        return f"{key}: {told[-1:]} was told at last, but it has {stored}"
    return None


async def _make_due(data: Path, url: str | None, key_file: Path | None = None) -> None:
    """As if the time had passed for which what was refused waits, and a killed process hides what it was telling."""

    def forget(conn: Connection) -> None:
        conn.execute(update(event_deliveries).values(due_at=0))

    async with open_services(load_settings(data=data, database_url=url, master_key_file=key_file), "jobs") as services:
        await services.database.write(forget)


def _configure(server: RunningServer, receiver: Receiver) -> None:
    arn = server.command("event-target", "create", "soak", receiver.url)["arn"]
    events = "<Event>s3:ObjectCreated:*</Event><Event>s3:ObjectRemoved:*</Event>"
    queue = f"<QueueConfiguration><Queue>{arn}</Queue>{events}</QueueConfiguration>"
    document = f"<NotificationConfiguration>{queue}</NotificationConfiguration>".encode()
    with Client(server.s3) as client:
        answer = client.request("PUT", f"{BUCKET}?notification=", document)
        assert answer.is_success, answer


def _kill_some(server: RunningServer, chance: random.Random) -> None:
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in chance.sample(children, chance.randint(1, max(1, len(children) - 1))):
        os.kill(int(child), signal.SIGKILL)


def _round(server: RunningServer, data: Path, writers: list[Writer], chance: random.Random, receiver: Receiver) -> None:
    """The end comes while some is told, which takes the job process a moment after its start."""
    enough, ends_at = receiver.attempts + chance.randint(1, 12), time.monotonic() + 20
    stop = threading.Event()
    threads = [threading.Thread(target=writer.work, args=(server.s3, stop)) for writer in writers]
    for thread in threads:
        thread.start()
    for _ in range(chance.randint(0, 2)):
        time.sleep(chance.uniform(0.1, 0.6))
        _kill_some(server, chance)
    time.sleep(chance.uniform(0.3, 1.0))
    while receiver.attempts < enough and time.monotonic() < ends_at:
        time.sleep(0.01)
    kill_everything(server, data)
    stop.set()
    for thread in threads:
        thread.join()


def _stored(server: RunningServer, key: str) -> int | None:
    with Client(server.s3) as client:
        answer = client.request("HEAD", f"{BUCKET}/{key}")
    return int(answer.headers["content-length"]) if answer.is_success else None


def _run(rounds: int, database: str, request: pytest.FixtureRequest, disk_path: Path) -> None:
    seed = os.environ.get("S3GW_CRASH_SEED") or secrets.token_hex(4)
    print(f"S3GW_CRASH_SEED={seed}")  # shown when the test fails
    chance, failing, data = random.Random(seed), random.Random(seed), disk_path / "data"
    url = None if database == "sqlite" else request.getfixturevalue("postgresql_url")
    settings = _SETTINGS if url is None else _SETTINGS | {"S3GW_DATABASE_URL": url}
    writers = [Writer(f"writer{number}", f"{seed}-{number}") for number in range(_WRITERS)]
    with receiving() as receiver:
        receiver.answer = lambda told: failing.choice((200, 500))
        for number in range(rounds):
            if number:
                asyncio.run(_make_due(data, url))
            with running_server(data, **settings) as server:
                if number == 0:
                    _configure(server, receiver)
                _round(server, data, writers, chance, receiver)
        refused = receiver.attempts - len(receiver.told)
        receiver.answer = lambda told: 200
        asyncio.run(_make_due(data, url))
        with running_server(data, **settings) as server:
            _wait_until_told(server)
            wrong = _disorders(server, writers, told_of(receiver))
    assert wrong == [] and [writer.failures for writer in writers] == [[]] * len(writers)
    acknowledged = sum(one.is_acknowledged for w in writers for of_key in w.attempts.values() for one in of_key)
    print(f"{rounds} rounds, {acknowledged} acknowledged, {receiver.attempts} attempts, {refused} refused")
    assert acknowledged > 3 * rounds and refused > rounds


def _wait_until_told(server: RunningServer) -> None:
    """The reader has passed what it was told of once one that is written now is told."""
    with Client(server.s3) as client:
        assert client.request("PUT", f"{BUCKET}/last", b"").is_success
    ends_at, quiet, least = time.monotonic() + 120, 0, 1 << 30
    while quiet < 3:
        found: Any = server.command("event-target", "show", "soak")
        quiet = quiet + 1 if found["waiting"] == 0 else 0
        if found["waiting"] < least:  # there may be very much
            least, ends_at = found["waiting"], time.monotonic() + 120
        assert time.monotonic() < ends_at, found
        time.sleep(0.3)


def _disorders(server: RunningServer, writers: list[Writer], told: dict[str, list[int | None]]) -> list[str]:
    assert "last" in told
    found = [
        disorder_of(key, attempts, told[key], _stored(server, key))
        for writer in writers
        for key, attempts in writer.attempts.items()
    ]
    return [disorder for disorder in found if disorder is not None]


@pytest.mark.soak  # even two rounds take too long for `make test` on a machine that is busy
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_is_acknowledged_is_told_in_order_whatever_is_killed(
    database: str, request: pytest.FixtureRequest, disk_path: Path
) -> None:
    _run(_SHORT, database, request, disk_path)


@pytest.mark.soak
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_is_acknowledged_is_told_in_order_however_often_it_is_killed(
    database: str, request: pytest.FixtureRequest, disk_path: Path
) -> None:
    _run(int(os.environ.get("S3GW_CRASH_ROUNDS", _LONG)), database, request, disk_path)


@pytest.mark.soak
def test_nodes_tell_in_order_together_while_their_job_processes_die_and_the_master_key_is_rotated(
    request: pytest.FixtureRequest, disk_path: Path
) -> None:
    """Two nodes tell one target over one database; half of it is refused."""
    url, failing = request.getfixturevalue("postgresql_url"), random.Random(1)
    settings = _SETTINGS | {"S3GW_DATABASE_URL": url, "S3GW_MASTER_KEY_FILE": str(disk_path / "master.key")}
    writers = [Writer(f"writer{number}", str(number)) for number in range(4)]
    stop = threading.Event()
    with receiving() as receiver, running_server(disk_path / "one", **settings) as first:
        receiver.answer = lambda told: failing.choice((200, 500))
        _configure(first, receiver)
        shutil.copytree(disk_path / "one", disk_path / "two")
        with running_server(disk_path / "two", **settings) as second:
            nodes = (first, second)
            threads = [
                threading.Thread(target=writer.work, args=(nodes[number % 2].s3, stop))
                for number, writer in enumerate(writers)
            ]
            for thread in threads:
                thread.start()
            for number in range(10):
                time.sleep(2)
                pid = nodes[number % 2].process.pid
                (job_process,) = (child for child, words in children(pid).items() if "s3gw.jobs.process" in words)
                os.kill(job_process, signal.SIGKILL)
                if number % 4 == 1:
                    first.command("master-key", "rotate")
            stop.set()
            for thread in threads:
                thread.join()
            receiver.answer = lambda told: 200
            asyncio.run(_make_due(disk_path / "one", url, disk_path / "master.key"))
            _wait_until_told(second)
            wrong = _disorders(second, writers, told_of(receiver))
    assert wrong == [] and [writer.failures for writer in writers] == [[]] * len(writers)
    again = len(receiver.told) - len({told.headers["webhook-id"] for told in receiver.told})
    print(f"{receiver.attempts} attempts, {len(receiver.told)} told, {again} of them again")
    assert len(receiver.told) > 100
