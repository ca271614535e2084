"""SIGKILL of the whole process tree in the middle of writes: what was acknowledged is there, and nothing is half there.

S3GW_CRASH_ROUNDS says how often (`make test` has a short form, 200 is the long one), S3GW_CRASH_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import threading
import time
from pathlib import Path

import pytest

from s3gw.processes.lock import DataFolderInUse, lock_data_folder
from tests.crash.client import BUCKET
from tests.crash.storage import settle
from tests.crash.workload import CHUNK, Writer
from tests.servers import RunningServer, running_server

_WRITERS = 6
_SETTINGS = {"S3GW_BUCKETS": BUCKET, "S3GW_CHUNK_SIZE": str(CHUNK), "S3GW_MIN_PART": "0", "S3GW_ACCESS_LOG": "false"}
_ROUNDS = {"sqlite": 2, "postgresql": 1}


def rounds(database: str) -> int:
    return int(os.environ.get("S3GW_CRASH_ROUNDS", _ROUNDS[database]))


def kill_everything(server: RunningServer, data: Path) -> None:
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()
    deadline = time.monotonic() + 20
    while True:
        try:
            os.close(lock_data_folder(data))  # the last of them keeps it
            return
        except DataFolderInUse:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def write_until_killed(server: RunningServer, data: Path, writers: list[Writer], seconds: float) -> None:
    killed = threading.Event()
    threads = [threading.Thread(target=writer.work, args=(server.s3, killed)) for writer in writers]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    killed.set()
    kill_everything(server, data)
    for thread in threads:
        thread.join()
    assert [writer.failures for writer in writers] == [[]] * len(writers)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_whatever_was_acknowledged_outlives_a_kill_and_nothing_else_is_left(
    database: str, request: pytest.FixtureRequest, disk_path: Path
) -> None:
    seed = os.environ.get("S3GW_CRASH_SEED") or secrets.token_hex(4)
    print(f"S3GW_CRASH_SEED={seed}")  # shown when the test fails
    chance, data = random.Random(seed), disk_path / "data"
    url = None if database == "sqlite" else request.getfixturevalue("postgresql_url")
    options = () if url is None else ("--database-url", url)
    shared = [chance.randbytes(size) for size in (CHUNK, 2 * CHUNK + 1, 3 * CHUNK)]
    writers = [Writer(f"writer{number}", f"{seed}-{number}", shared) for number in range(_WRITERS)]
    for number in range(rounds(database)):
        with running_server(data, *options, **_SETTINGS) as server:
            for writer in writers:
                writer.verify(server.s3)
            write_until_killed(server, data, writers, chance.uniform(0.2, 1.2))
        if number % 4 == 1:
            # Otherwise the restarted server's own jobs race with its clients for the same leftovers.
            assert settle(data, url) == []
    with running_server(data, *options, **_SETTINGS) as server:
        for writer in writers:
            writer.verify(server.s3)
    assert settle(data, url) == []
    assert sum(writer.acknowledged for writer in writers) > 3 * rounds(database)
