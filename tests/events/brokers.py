"""A real Redis and a real RabbitMQ, on this machine, for as long as a test module lasts."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.places import memory_folder
from tests.postgresql import free_port

PASSWORD = "password-of-the-broker"
_RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"
_SECONDS_TO_START = 60


@contextmanager
def _process(command: Sequence[str], folder: Path, port: int, variables: Mapping[str, str]) -> Iterator[None]:
    log = folder / "log"
    with log.open("ab") as out:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | variables, stdout=out, stderr=out)
    try:
        ends_at = time.monotonic() + _SECONDS_TO_START
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > ends_at:
                    pytest.fail(f"{command[0]} didn't start:\n{log.read_text()[-2000:]}", pytrace=False)
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def redis(port: int, folder: Path) -> Iterator[None]:
    """One that asks for a password, and keeps what it was told in `folder`."""
    program = shutil.which("redis-server")
    assert program is not None, "these tests need Redis: scripts/install-test-programs.sh installs it"
    options = {"port": port, "bind": "127.0.0.1", "requirepass": PASSWORD, "appendonly": "yes", "dir": folder}
    command = [program, *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
    with _process(command, folder, port, {}):
        yield


@contextmanager
def rabbitmq() -> Iterator[str]:
    """Its URL, with the user that it has at first."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="s3gw-rabbitmq-", dir=memory_folder()))
    (folder / "plugins").write_text("[].")
    mapper = free_port()  # of the names of Erlang's nodes; its program goes on when RabbitMQ has ended
    variables = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(mapper),
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_NODENAME": f"s3gw{port}@localhost",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
    }
    epmd = shutil.which("epmd")
    assert epmd is not None, "these tests need RabbitMQ: scripts/install-brokers.sh installs it"
    names = subprocess.Popen([epmd, "-port", str(mapper)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with _process([_RABBITMQ], folder, port, variables):
            yield f"amqp://guest:guest@127.0.0.1:{port}"
    finally:
        names.kill()
        names.wait()
        shutil.rmtree(folder, ignore_errors=True)
