"""Starts and stops what is measured, and reads what its processes have used: CPU time and resident memory (Linux)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.signing import ACCESS_KEY_ID, SECRET_ACCESS_KEY

ROOT = Path(__file__).parent.parent
ROOT_PASSWORD = "of nobody but the bench"  # the secret key would be refused, as too easy
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SECONDS_TO_START = 60.0
_SECONDS_TO_CALM_DOWN = 20.0
_LOOK, _QUIET = 0.25, 0.1  # seconds, and a share of one core


class CannotStart(Exception):
    """The program ended, or said nothing for a minute. Has the end of its log."""


@dataclass
class Running:
    """A server and its process tree."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    folder: Path
    admin: str = ""  # the address of the JSON API and the console, of ours

    def tree(self) -> list[int]:
        """The process and everything below it."""
        return tree_of(self.process.pid)

    def cpu_seconds(self) -> float:
        """User and system time of the tree, of children that have ended too."""
        return cpu_seconds_of(self.process.pid)

    def used_by_process(self) -> dict[int, float]:
        """The same of each process by itself, without its children."""
        return {pid: sum(map(int, fields[11:13])) / _TICKS for pid in self.tree() if (fields := _stat(pid))}

    def resident(self) -> int:
        """Bytes, the sum over the tree: what processes share counts in each."""
        total = 0
        for pid in self.tree():
            try:
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
            except (FileNotFoundError, ProcessLookupError):
                pass
        return total

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def tree_of(root: int) -> list[int]:
    """A process and everything below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds_of(root: int) -> float:
    """User and system time of a process and of everything below it, of children that have ended too."""
    used = 0
    for pid in tree_of(root):
        if fields := _stat(pid):
            used += sum(int(field) for field in fields[11:15])
    return used / _TICKS


def parent_of(pid: int) -> int | None:
    """None: there is no such process on this machine."""
    fields = _stat(pid)
    return None if fields is None else int(fields[1])


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third (state) on; the second may hold spaces."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def wait_until_quiet(servers: Sequence[Running], most: float = _SECONDS_TO_CALM_DOWN) -> None:
    """Until they take hardly any CPU, or for so many seconds."""
    deadline = time.monotonic() + most
    used = sum(server.cpu_seconds() for server in servers)
    while time.monotonic() < deadline:
        time.sleep(_LOOK)
        before, used = used, sum(server.cpu_seconds() for server in servers)
        if used - before <= _QUIET * _LOOK:
            return


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def new_folder() -> Iterator[Path]:
    """On the disk that S3GW_BENCH_FOLDER names (default: where temporary files are), removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="s3gw-bench-", dir=os.environ.get("S3GW_BENCH_FOLDER")))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(
    name: str, command: Sequence[str], port: int, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Start a program and wait until its port accepts."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
    server = Running(name, port, process, folder)
    try:
        deadline = time.monotonic() + _SECONDS_TO_START
        while not accepts(port):
            if process.poll() is not None or time.monotonic() > deadline:
                log_end = (folder / "log").read_text(errors="replace")[-800:]
                raise CannotStart(f"{name} doesn't start: {log_end}")
            time.sleep(0.05)
        yield server
    finally:
        server.stop()


@contextmanager
def bare() -> Iterator[Running]:
    port = free_port()
    with (
        new_folder() as folder,
        running("bare", [sys.executable, "-m", "bench.bare", str(port)], port, folder) as server,
    ):
        yield server


@dataclass(frozen=True)
class Code:
    """A checkout of s3gw and the Python that runs it."""

    name: str
    root: Path
    python: str


HERE = Code("s3gw", ROOT, sys.executable)


def start_ours(
    folder: Path,
    workers: int = 1,
    code: Code = HERE,
    root: str = ACCESS_KEY_ID,
    settings: Mapping[str, str] | None = None,
) -> Running:
    """`s3gw serve` on an empty or a used folder; returns when it has said that it is ready. `root`: the admin's key."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(code.root),
        "S3GW_ROOT_ACCESS_KEY_ID": root,
        "S3GW_ROOT_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "S3GW_ROOT_PASSWORD": ROOT_PASSWORD,
        "S3GW_SHARE_LISTEN": "127.0.0.1:0",  # not as an option: another commit may not have it
        **(settings or {}),
    }
    command = [
        code.python, "-m", "s3gw", "serve", "--data", str(folder / "data"), "--workers", str(workers), "--json",
        "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
    ]  # fmt: skip
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=code.root, stdout=subprocess.PIPE, stderr=log, env=environment)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait()
        raise CannotStart(f"s3gw doesn't start: {(folder / 'log').read_text(errors='replace')[-2000:]}")
    told = json.loads(line)
    return Running(code.name, int(told["s3"].rsplit(":", 1)[1]), process, folder, told["admin"])


@contextmanager
def ours(
    workers: int = 1, folder: Path | None = None, code: Code = HERE, settings: Mapping[str, str] | None = None
) -> Iterator[Running]:
    if folder is None:
        with new_folder() as folder, ours(workers, folder, code, settings) as server:
            yield server
        return
    server = start_ours(folder, workers, code, settings=settings)
    try:
        yield server
    finally:
        server.stop()
        assert server.process.stdout is not None
        server.process.stdout.close()


@contextmanager
def ours_for_a_user(code: Code = HERE) -> Iterator[Running]:
    """One worker, where the key of the bench is that of a user without a role."""

    def command(*words: str) -> None:
        subprocess.run(
            [code.python, "-m", "s3gw", *words, "--data", str(folder / "data"), "--json"],
            cwd=code.root,
            env={**os.environ, "PYTHONPATH": str(code.root)},
            stdout=subprocess.DEVNULL,
            check=True,
        )

    with new_folder() as folder:
        server = start_ours(folder, code=code, root="GK" + "0a" * 12)
        try:
            command("user", "create", "owner")
            given = ["--access-key-id", ACCESS_KEY_ID, "--secret-access-key", SECRET_ACCESS_KEY]
            command("key", "create", "owner", *given)
            yield server
        finally:
            server.stop()
            assert server.process.stdout is not None
            server.process.stdout.close()
