"""Other servers, for `make bench PEERS="minio versitygw"`: how each is started, with the keys of the bench.

A peer is a program in the folder that S3GW_BENCH_PEERS names, or on the PATH; README.md beside this file says how one
gets it. One that isn't there, or doesn't start, is shown with the reason, not left out. Each runs with the durability
that it has by default, which the table names; `-fsync` is the same program told to flush.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.client import Connection, Refused
from bench.servers import CannotStart, Running, free_port, new_folder, running
from bench.signing import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Signer

_SECONDS_TO_WRITE = 60.0


@dataclass(frozen=True)
class Start:
    """A command, its environment, and what has to be done once it accepts connections."""

    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] | None = None


@dataclass(frozen=True)
class Peer:
    name: str
    program: str
    durability: str  # of an acknowledged PUT
    start: Callable[[str, Path, int], Start]  # from the program, an empty folder and the port
    version: str = "--version"  # what makes the program tell it


def _minio(program: str, folder: Path, port: int) -> Start:
    command = [program, "server", str(folder / "data"), "--quiet", "--address", f"127.0.0.1:{port}"]
    environment = {"MINIO_ROOT_USER": ACCESS_KEY_ID, "MINIO_ROOT_PASSWORD": SECRET_ACCESS_KEY, "MINIO_BROWSER": "off"}
    return Start(command, {**environment, "MINIO_UPDATE": "off"})


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


def _seaweedfs(program: str, folder: Path, port: int, flushes: bool = False) -> Start:
    (folder / "data").mkdir()
    key = {"accessKey": ACCESS_KEY_ID, "secretKey": SECRET_ACCESS_KEY}
    identity = {"name": "bench", "credentials": [key], "actions": ["Admin", "Read", "List", "Tagging", "Write"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    # gRPC ports are given too: where they aren't, they are 10,000 above the others, and may be above 65,535.
    parts = ("master", "volume", "filer")
    ports = {name: free_port() for part in parts for name in (f"{part}.port", f"{part}.port.grpc")}
    options = [f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
    # Each bucket takes several volumes; as many as have room at their full 30 GB would be too few for two buckets.
    options += ["-volume.max=100"]
    options += [f"-s3.config={config}", f"-s3.port={port}", f"-s3.port.grpc={free_port()}"]
    options += [f"-{name}={number}" for name, number in ports.items()]
    # Reports to its makers, and servers on fixed ports, which would be in each other's way; not every version has them.
    told = subprocess.run([program, "help", "server"], capture_output=True, text=True)
    known = set((told.stdout + told.stderr).split())
    unwanted = ("master.telemetry=false", "s3.port.iceberg=0", "s3.port.lance=0")
    options += [f"-{one}" for one in unwanted if f"-{one.split('=')[0]}" in known]

    def address(part: str) -> str:
        return f"127.0.0.1:{ports[f'{part}.port']}.{ports[f'{part}.port.grpc']}"

    def flush_each_write() -> None:
        command = [program, "shell", f"-master={address('master')}", f"-filer={address('filer')}"]
        asked = "fs.configure -locationPrefix=/buckets/ -fsync -apply\n"
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=60)
        if '"fsync"' not in done.stdout:
            raise CannotStart(f"weed shell: {(done.stdout + done.stderr)[-300:]}")

    return Start([program, "server", *options], prepare=flush_each_write if flushes else None)


_GARAGE = """
metadata_dir = "{folder}/meta"
data_dir = "{folder}/data"
db_engine = "lmdb"
metadata_fsync = {flushes}
data_fsync = {flushes}
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{secret}"
[s3_api]
s3_region = "{region}"
api_bind_addr = "127.0.0.1:{port}"
"""


def _garage(program: str, folder: Path, port: int, flushes: bool = False) -> Start:
    config = folder / "garage.toml"
    values = {"folder": folder, "rpc": free_port(), "secret": "5e" * 32, "region": REGION, "port": port}
    values["flushes"] = str(flushes).lower()
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
        Peer("minio", "minio", "fdatasync, folders not", _minio),
        Peer("versitygw", "versitygw", "no flush", _versitygw),
        Peer("seaweedfs", "weed", "no flush", _seaweedfs, version="version"),
        Peer("seaweedfs-fsync", "weed", "fsync of the data", partial(_seaweedfs, flushes=True), version="version"),
        Peer("garage", "garage", "no flush", _garage),
        Peer("garage-fsync", "garage", "fsync", partial(_garage, flushes=True)),
        Peer("rustfs", "rustfs", "no flush", _rustfs),
    )
}


def program_of(name: str) -> str | None:
    folders = (os.environ.get("S3GW_BENCH_PEERS"), os.environ.get("PATH"))
    return shutil.which(PEERS[name].program, path=os.pathsep.join(filter(None, folders)))


def version_of(name: str) -> str:
    """The first line of what the program says of itself."""
    program = program_of(name)
    assert program is not None
    done = subprocess.run([program, PEERS[name].version], capture_output=True, text=True, timeout=60)
    return next(iter((done.stdout + done.stderr).strip().splitlines()), "it doesn't tell its version")


@contextmanager
def peer(name: str) -> Iterator[Running]:
    program = program_of(name)
    if program is None:
        raise CannotStart(f"{PEERS[name].program} is neither on the PATH nor in the folder of S3GW_BENCH_PEERS")
    port = free_port()
    with new_folder() as folder:
        start = PEERS[name].start(program, folder, port)
        with running(name, start.command, port, folder, start.environment) as server:
            if start.prepare is not None:
                start.prepare()
            _wait_until_it_writes(server)
            yield server


def _wait_until_it_writes(server: Running) -> None:
    """A port that accepts isn't enough: what is behind it may start still."""
    signer = Signer()
    requests = [signer.head("PUT", "/ready"), signer.put("/ready/first", b"x")]
    deadline = time.monotonic() + _SECONDS_TO_WRITE
    while requests:
        try:
            connection = Connection(server.port)
            connection.exchange(requests[0])
            connection.close()
            requests.pop(0)
        except (Refused, OSError) as error:
            if time.monotonic() > deadline:
                raise CannotStart(f"{server.name} takes no object: {error}") from error
            time.sleep(0.5)
