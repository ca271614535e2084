"""Two nodes are upgraded in turn under load: nothing fails but what clients repeat, and what is too old ends."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from s3gw.metadata.revision import NEWEST
from tests.crash.sockets import eventually
from tests.gateways import client_of
from tests.places import folder_on_disk
from tests.postgresql import Server
from tests.raw_requests import send
from tests.releases import make_next_release, number
from tests.servers import RunningServer, environment, running_server

pytestmark = pytest.mark.soak

_CLIENTS = 4
_REPEATED = {503}  # which every SDK repeats


class Cluster:
    """Nodes by their folder's name, each with a program of its own; the chunks are in one folder."""

    def __init__(self, folder: Path, url: str, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._settings = {"S3GW_DATABASE_URL": url, "S3GW_MASTER_KEY": "6b" * 32, "S3GW_BUCKET_DEFAULTS": "classic"}
        self._open: dict[str, ExitStack] = {}
        self.nodes: dict[str, RunningServer] = {}

    def start(self, name: str, program: Path | None = None) -> RunningServer:
        data = self._folder / name
        if not data.exists() and name != "one":
            data.mkdir()
            (data / "blobs").symlink_to(self._folder / "one" / "blobs")
        settings = self._settings | ({} if program is None else {"PYTHONPATH": str(program)})
        self._open[name] = self._stack.enter_context(ExitStack())
        node = self._open[name].enter_context(running_server(data, "--workers", "1", **settings))
        self.nodes[name] = node
        return node

    def stop(self, name: str) -> None:
        """As a load balancer has it: no new request comes, then the node ends."""
        del self.nodes[name]
        self._open.pop(name).close()


class Load:
    """Clients that put, read and overwrite, each its own keys, and note what they were told."""

    def __init__(self, cluster: Cluster, bucket: str) -> None:
        self._cluster, self._bucket = cluster, bucket
        self._stop = threading.Event()
        self.told: Counter[str] = Counter()
        self.acknowledged: dict[str, bytes] = {}
        self.wrong: list[str] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._work, args=(client,)) for client in range(_CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _work(self, client: int) -> None:
        step = 0
        while not self._stop.is_set():
            step += 1
            path = f"/{self._bucket}/{client}-{step % 50}"
            body = f"{client} {step} ".encode() * (1 if step % 5 else 4000)
            if self._ask(client + step, "PUT", path, body) is not None:
                self.acknowledged[path] = body
                read = self._ask(client + step + 1, "GET", path)
                if read is not None and read != body:
                    self.wrong.append(f"{path}: another body than was put")
            else:
                self.acknowledged.pop(path, None)  # it may have been stored

    def _ask(self, turn: int, method: str, path: str, body: bytes = b"") -> bytes | None:
        """None where it has to be repeated."""
        nodes = list(self._cluster.nodes.values())
        try:
            answer = send(nodes[turn % len(nodes)], method, path, body)
        except (OSError, http.client.HTTPException) as error:
            self.told[type(error).__name__] += 1
            return None
        self.told[f"{method} {answer.status}"] += 1
        if answer.status != 200 and answer.status not in _REPEATED:
            self.wrong.append(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
        return answer.body if answer.status == 200 else None


def test_two_nodes_are_upgraded_in_turn_under_load(postgresql: Server, tmp_path: Path) -> None:
    program = make_next_release(tmp_path / "next")
    url = postgresql.url(postgresql.create_database())
    with folder_on_disk() as folder, ExitStack() as stack, psycopg.connect(url, autocommit=True) as database:
        cluster = Cluster(folder, url, stack)
        client_of(cluster.start("one")).create_bucket(Bucket="rolling")
        cluster.start("two")
        load = Load(cluster, "rolling")
        with load.running():
            assert eventually(lambda: len(load.acknowledged) > 50, 60)
            cluster.stop("one")
            cluster.start("one", program)
            # The schema was expanded under the old node; what would take something away from it waits.
            assert _revision(database) == number(1)
            before = load.told["PUT 200"]
            assert eventually(lambda: load.told["PUT 200"] > before + 100, 60)
            cluster.stop("two")
            cluster.start("two")  # an old node may even start again
            cluster.stop("two")
            cluster.start("two", program)
            before = load.told["PUT 200"]
            assert eventually(lambda: load.told["PUT 200"] > before + 100, 60)
            assert _revision(database) == number(2), "no older node lives, so the last one to start contracts"
        assert load.wrong == []
        assert set(load.told) <= {"PUT 200", "GET 200", "PUT 503", "GET 503", "ConnectionRefusedError"}, load.told
        for path, body in load.acknowledged.items():
            assert send(cluster.nodes["two"], "GET", path).body == body
        with pytest.raises(AssertionError, match="the server didn't start"):
            cluster.start("three")
        assert f"needs a program of {number(1)} or later" in (folder / "three.log").read_text()


def test_what_is_taken_away_under_an_older_node_by_force_ends_it_with_its_reason(
    postgresql: Server, tmp_path: Path
) -> None:
    program = make_next_release(tmp_path / "next")
    url = postgresql.url(postgresql.create_database())
    with folder_on_disk() as folder, ExitStack() as stack, psycopg.connect(url, autocommit=True) as database:
        old = Cluster(folder, url, stack).start("one")
        command = [sys.executable, "-P", "-m", "s3gw", "migrate", "--database-url", url, "--json"]
        variables = environment(PYTHONPATH=str(program))
        waits = subprocess.run(command, env=variables, capture_output=True, check=True, text=True, cwd=folder).stdout
        assert f"revision {number(2)} of the schema waits" in waits
        assert _revision(database) == number(1)
        subprocess.run([*command, "--force"], env=variables, check=True, cwd=folder)
        assert _revision(database) == number(2)
        assert old.process.wait(60) == 1
        said = old.log.read_text()
        assert f"this s3gw knows {NEWEST}: it is too old" in said
        assert "Traceback" not in said


def _revision(database: psycopg.Connection[tuple[str]]) -> str:
    found = database.execute("SELECT version_num FROM alembic_version").fetchone()
    assert found is not None
    return found[0]
