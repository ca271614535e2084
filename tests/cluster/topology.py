"""All of a cluster as processes: PostgreSQL with a synchronous standby, SeaweedFS, three nodes with data folders and
addresses of their own, and HAProxy with deploy/haproxy.cfg in front. Each part is killed, stopped and started alone.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.network import Network
from tests.cluster.postgresql_pair import Pair
from tests.crash.storage import settle
from tests.crash.test_crash import kill_everything
from tests.places import folder_on_disk
from tests.servers import RunningServer, running_server
from tests.stores import BUCKET, CREDENTIALS, SeaweedFS

NODES = (1, 2, 3)
STORE = f"s3://{BUCKET}/cluster"
_CONFIGURATION = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"
_MASTER_KEY = "6b" * 32
_SETTINGS = {"S3GW_MASTER_KEY": _MASTER_KEY, "S3GW_BLOBS": STORE, "S3GW_BUCKETS": "bucket", "S3GW_ACCESS_LOG": "false"}


class Node:
    """`s3`, `admin` and `share` are its addresses, whichever process has them."""

    def __init__(self, data: Path, address: str, under: Sequence[str], settings: dict[str, str]) -> None:
        self.data, self.address = data, address
        self._under, self._settings = under, settings
        self._stack = ExitStack()
        self.server: RunningServer | None = None

    @property
    def s3(self) -> str:
        return f"http://{self.address}:9000"

    @property
    def admin(self) -> str:
        return f"http://{self.address}:9001"

    def start(self) -> None:
        ports = {"--listen": 9000, "--admin-listen": 9001, "--share-listen": 9002}
        options = [word for name, port in ports.items() for word in (name, f"{self.address}:{port}")]
        options += ["--workers", "1"]
        running = running_server(self.data, *options, under=self._under, **self._settings)
        self.server = self._stack.enter_context(running)

    def kill(self) -> None:
        """All its processes at once, without a word."""
        assert self.server is not None
        kill_everything(self.server, self.data)
        self._stack.close()

    def signal(self, number: signal.Signals) -> None:
        assert self.server is not None
        os.killpg(self.server.process.pid, number)

    def stop(self) -> None:
        self._stack.close()


@dataclass
class Cluster:
    """`s3`, `admin` and `share` are HAProxy's."""

    folder: Path
    network: Network
    database: Pair
    store: SeaweedFS
    nodes: list[Node] = field(default_factory=list)
    _stacks: dict[str, ExitStack] = field(default_factory=dict)

    @property
    def s3(self) -> str:
        return f"http://{self.network.haproxy}:9000"

    @property
    def admin(self) -> str:
        return f"http://{self.network.haproxy}:9001"

    @property
    def share(self) -> str:
        return f"http://{self.network.haproxy}:9002"

    def start_store(self) -> None:
        stack = self._stacks["store"] = ExitStack()
        stack.enter_context(self.store.running())

    def kill_store(self) -> None:
        assert self.store.process is not None
        self.store.process.kill()
        self._stacks.pop("store").close()

    def settings(self, number: int, extra: dict[str, str] | None = None) -> dict[str, str]:
        """Of a node."""
        own = {
            "S3GW_DATABASE_URL": self.database.url(self.network.database_of(number)),
            "S3GW_BLOBS_ENDPOINT": f"http://{self.network.store_of(number)}:{self.store.port}",
            "S3GW_TRUSTED_PROXIES": f"{self.network.proxy_of(number)}/32",
        }
        return _SETTINGS | CREDENTIALS | own | (extra or {})

    def disorder(self) -> list[str]:
        """What is wrong with rows and chunks once all nodes have ended."""
        for node in self.nodes:
            node.stop()
        settings = {"blobs": STORE, "blobs_endpoint": self.store.url, "master_key": _MASTER_KEY}
        return settle(self.nodes[0].data, self.database.url(), **settings)

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()
        for stack in reversed(self._stacks.values()):
            stack.close()


@contextmanager
def running_cluster(
    prepare: Callable[[list[Path]], None] = lambda nodes: None, *, network: Network | None = None, **settings: str
) -> Iterator[Cluster]:
    """`prepare` is given the nodes' data folders, none of which exists, before the first node starts."""
    with folder_on_disk() as folder, ExitStack() as stack:
        folder.chmod(0o755)
        network = network or Network()
        stack.enter_context(network.made())
        places = {name: folder / name for name in ("database", "store", "nodes")}
        for place in places.values():
            place.mkdir()
        addresses = {"127.0.0.1", *map(network.database_of, NODES)}
        database = Pair(places["database"], network.trusted, sorted(addresses))
        stack.enter_context(database.running())
        cluster = Cluster(folder, network, database, SeaweedFS(places["store"], network.store_bind))
        stack.callback(cluster.stop)
        cluster.start_store()
        folders = [places["nodes"] / f"node{number}" for number in NODES]
        prepare(folders)
        for number, data in zip(NODES, folders, strict=True):
            under = network.under(number)
            node = Node(data, network.node(number), under, cluster.settings(number, settings))
            cluster.nodes.append(node)
            node.start()
        stack.enter_context(_haproxy(folder, network))
        await_answer(f"{cluster.admin}/readyz")
        yield cluster


@contextmanager
def _haproxy(folder: Path, network: Network) -> Iterator[None]:
    program = shutil.which("haproxy", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))
    assert program is not None, "scripts/install-haproxy.sh installs it"
    addresses = {f"S3GW_NODE_{number}": network.node(number) for number in NODES} | {"S3GW_HAPROXY": network.haproxy}
    with (folder / "haproxy.log").open("wb") as log:
        command = [program, "-db", "-f", str(_CONFIGURATION)]
        process = subprocess.Popen(command, env=os.environ | addresses, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def await_answer(url: str, within: float = 60) -> None:
    """Until it is 200."""
    until = time.monotonic() + within
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < until, url
        time.sleep(0.1)
