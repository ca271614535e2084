"""`s3gw blobs move` is killed again and again, and so is the server that is written to meanwhile: every object is what
was acknowledged, no read meets half a chunk, and in the end each row has its chunk and each chunk a row.

S3GW_CRASH_ROUNDS says how often in each direction (8), S3GW_CRASH_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.cluster.load import Load
from tests.crash.client import BUCKET, Client
from tests.crash.storage import settle
from tests.crash.test_crash import kill_everything
from tests.crash.workload import CHUNK
from tests.servers import RunningServer, running_server
from tests.stores import CREDENTIALS, free_ports, new_url

pytestmark = pytest.mark.soak
ROUNDS = int(os.environ.get("S3GW_CRASH_ROUNDS", "8"))
_ROOT = Path(__file__).parents[2]
_OBJECTS, _CLIENTS = 60, 3
_SETTINGS = {"S3GW_BUCKETS": BUCKET, "S3GW_CHUNK_SIZE": str(CHUNK), "S3GW_MIN_PART": "0", "S3GW_ACCESS_LOG": "false"}


class Moving:
    """A server that stays at one address, its clients, and the place that its chunks are moved to."""

    def __init__(self, data: Path, url: str | None, backing: RunningServer, chance: random.Random) -> None:
        self.data, self.database, self.chance = data, url, chance
        self.store = {"S3GW_BLOBS_ENDPOINT": backing.s3} | CREDENTIALS
        self._listen = f"127.0.0.1:{free_ports(1)[0]}"
        self._rest = _SETTINGS | self.store | ({"S3GW_DATABASE_URL": url} if url else {})
        self.load = Load(f"http://{self._listen}", _CLIENTS, str(chance.random()))
        self.bodies = {f"seeded/{number}": chance.randbytes(2 * CHUNK + 1000) for number in range(_OBJECTS)}

    def serving(self, **places: str) -> AbstractContextManager[RunningServer]:
        return running_server(self.data, "--workers", "1", "--listen", self._listen, **self._rest, **places)

    def seed(self) -> None:
        with self.serving(), Client(f"http://{self._listen}") as client:
            for key, body in self.bodies.items():
                assert client.request("PUT", f"{BUCKET}/{key}", body).is_success

    def compare(self) -> None:
        self.load.verify()
        self._compare_seeded()

    def _compare_seeded(self) -> None:
        with Client(f"http://{self._listen}") as client:
            for key, body in self.bodies.items():
                assert client.request("GET", f"{BUCKET}/{key}").body == body, key

    def begin_move(self, kill_at: int, to: str, server: RunningServer) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.backup.killed", str(kill_at)]
        command += ["blobs", "move", "--to", to, "--data", str(self.data)]
        return subprocess.Popen(command, cwd=_ROOT, env=server.environment, stdout=subprocess.DEVNULL)

    def kill_movers(self, to: str, steps: int, places: dict[str, str]) -> int:
        """How many were killed. In every fourth round the server is, while one copies."""
        killed = 0
        for number in range(ROUNDS):
            with self.serving(**places) as server, self.load.running():
                mover = self.begin_move(self.chance.randint(1, steps), to, server)
                self.load.await_answers(time.monotonic())
                if number % 4 == 3:
                    time.sleep(self.chance.uniform(0.1, 2))
                    kill_everything(server, self.data)
                outcome = mover.wait(300)
                assert outcome in (0, -signal.SIGKILL)
                killed += outcome != 0
                if number % 4 != 3:
                    self._compare_seeded()
        return killed

    def move(self, to: str, places: dict[str, str]) -> None:
        """To the end, while clients write; then all is compared that the new place alone has."""
        with self.serving(**places) as server:
            with self.load.running():
                mover = self.begin_move(0, to, server)
                while mover.poll() is None:
                    self._compare_seeded()
                assert mover.returncode == 0
            self.compare()
        alone = {name: value for name, value in places.items() if name != "S3GW_BLOBS_OTHER"}
        with self.serving(**alone):
            self.compare()
        assert "isn't what was stored" not in self.data.with_name(f"{self.data.name}.log").read_text()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_move_that_is_killed_is_gone_on_with_and_no_read_meets_half_a_chunk(
    engine: str, backing_server: RunningServer, credentials: None, disk_path: Path, request: pytest.FixtureRequest
) -> None:
    seed = os.environ.get("S3GW_CRASH_SEED") or secrets.token_hex(4)
    print(f"S3GW_CRASH_SEED={seed}")
    database = request.getfixturevalue("postgresql_url") if engine == "postgresql" else None
    moving, store = Moving(disk_path / "data", database, backing_server, random.Random(seed)), new_url()
    moving.seed()

    to_store = {"S3GW_BLOBS": store, "S3GW_BLOBS_OTHER": "folder"}
    killed = moving.kill_movers(store, _OBJECTS, to_store)
    moving.move(store, to_store)
    assert settle(moving.data, database, blobs=store, blobs_endpoint=backing_server.s3) == []

    shutil.rmtree(moving.data / "blobs")
    to_folder = {"S3GW_BLOBS_OTHER": store}
    killed += moving.kill_movers("folder", 6 * _OBJECTS, to_folder)
    moving.move("folder", to_folder)
    assert settle(moving.data, database) == []
    print(f"{killed} of {2 * ROUNDS} movers killed; {moving.load.told}")
    assert killed > ROUNDS / 2
