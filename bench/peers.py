"""Other servers, for `make bench PEERS="minio versitygw"`: how each is started, with the keys of the bench.

A peer is a program on the PATH. One that isn't there, or doesn't start, is shown with the reason, not left out.
Each runs with the durability that it has by default, which the table names.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.servers import CannotStart, Running, free_port, new_folder, running
from bench.signing import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY


@dataclass(frozen=True)
class Start:
    """A command, its environment, and what has to be done once it accepts connections."""

    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] | None = None


@dataclass(frozen=True)
class Peer:
    name: str
    durability: str  # of an acknowledged PUT
    start: Callable[[str, Path, int], Start]  # from the program, an empty folder and the port


def _minio(program: str, folder: Path, port: int) -> Start:
    command = [program, "server", str(folder / "data"), "--quiet", "--address", f"127.0.0.1:{port}"]
    environment = {"MINIO_ROOT_USER": ACCESS_KEY_ID, "MINIO_ROOT_PASSWORD": SECRET_ACCESS_KEY, "MINIO_BROWSER": "off"}
    return Start(command, environment)


def _versitygw(program: str, folder: Path, port: int) -> Start:
    (folder / "data").mkdir()
    options = ["--access", ACCESS_KEY_ID, "--secret", SECRET_ACCESS_KEY, "--region", REGION, "--quiet", "--keep-alive"]
    return Start([program, *options, "--port", f"127.0.0.1:{port}", "posix", str(folder / "data")])


def _rustfs(program: str, folder: Path, port: int) -> Start:
    (folder / "data").mkdir()
    environment = {
        "RUSTFS_ACCESS_KEY": ACCESS_KEY_ID,
        "RUSTFS_SECRET_KEY": SECRET_ACCESS_KEY,
        "RUSTFS_ADDRESS": f"127.0.0.1:{port}",
        "RUSTFS_CONSOLE_ENABLE": "false",
    }
    return Start([program, str(folder / "data")], environment)


def _weed(program: str, folder: Path, port: int) -> Start:
    (folder / "data").mkdir()
    key = {"accessKey": ACCESS_KEY_ID, "secretKey": SECRET_ACCESS_KEY}
    identity = {"name": "bench", "credentials": [key], "actions": ["Admin", "Read", "List", "Tagging", "Write"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    options = [f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
    options += [f"-s3.config={config}", f"-s3.port={port}", "-volume.max=0"]
    options += [f"-{part}.port={free_port()}" for part in ("master", "volume", "filer")]
    return Start([program, "server", *options])


_GARAGE = """
metadata_dir = "{folder}/meta"
data_dir = "{folder}/data"
db_engine = "lmdb"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{secret}"
[s3_api]
s3_region = "{region}"
api_bind_addr = "127.0.0.1:{port}"
"""


def _garage(program: str, folder: Path, port: int) -> Start:
    config = folder / "garage.toml"
    values = {"folder": folder, "rpc": free_port(), "secret": "5e" * 32, "region": REGION, "port": port}
    config.write_text(_GARAGE.format(**values))

    def command(*arguments: str) -> str:
        done = subprocess.run([program, "-c", str(config), *arguments], capture_output=True, text=True)
        if done.returncode:
            raise CannotStart(f"garage {arguments[0]}: {done.stderr[-300:]}")
        return done.stdout

    def prepare() -> None:
        node = command("node", "id", "-q").strip().split("@")[0]
        command("layout", "assign", "-z", "bench", "-c", "100G", node)
        command("layout", "apply", "--version", "1")
        command("key", "import", "--yes", "-n", "bench", ACCESS_KEY_ID, SECRET_ACCESS_KEY)
        command("key", "allow", "--create-bucket", ACCESS_KEY_ID)

    return Start([program, "-c", str(config), "server"], prepare=prepare)


PEERS = {
    peer.name: peer
    for peer in (
        Peer("minio", "fdatasync", _minio),
        Peer("versitygw", "no flush", _versitygw),
        Peer("garage", "no flush", _garage),
        Peer("weed", "no flush", _weed),
        Peer("rustfs", "no flush", _rustfs),
    )
}


@contextmanager
def peer(name: str) -> Iterator[Running]:
    if name not in PEERS:
        raise CannotStart(f"no such peer is known; there are {', '.join(PEERS)}")
    program = shutil.which(name)
    if program is None:
        raise CannotStart("not on the PATH")
    port = free_port()
    with new_folder() as folder:
        start = PEERS[name].start(program, folder, port)
        with running(name, start.command, port, folder, start.environment) as server:
            if start.prepare is not None:
                start.prepare()
            yield server
