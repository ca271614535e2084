"""Start a gateway for the clients, and stop it. Only the documented command line is used."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Gateway:
    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    environment: dict[str, str] = field(default_factory=dict)
    api: str = ""  # the address of the JSON API, and the password of its admin `admin`
    password: str = ""

    def s3gw(self, *words: str) -> Any:
        """Run a command on the gateway's data folder; return its JSON document."""
        command = [program(), *words, "--json"]
        return json.loads(subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, check=True).stdout)


def known_gateway(file: Path) -> Gateway:
    """One that runs already, as a file of JSON tells: our fields by their names (`python -m tests.cluster FILE`)."""
    return Gateway(**json.loads(file.read_text()))


def program() -> str:
    beside = Path(sys.executable).with_name("s3gw")
    found = str(beside) if beside.exists() else shutil.which("s3gw")
    if not found:
        raise SystemExit("s3gw is neither beside this Python nor on the PATH: install the project first")
    return found


@contextmanager
def running_gateway(**settings: str) -> Iterator[Gateway]:
    """A gateway with an empty data folder on a free port, with two workers; its log is shown if it does not
    start."""
    access_key, secret_key = "COMPAT" + secrets.token_hex(7).upper(), secrets.token_hex(20)
    password = secrets.token_hex(20)
    data = Path(tempfile.mkdtemp(prefix="s3gw-compat-data-"))
    environment = {
        **os.environ,
        "S3GW_DATA": str(data / "data"),
        "S3GW_ROOT_ACCESS_KEY_ID": access_key,
        "S3GW_ROOT_SECRET_ACCESS_KEY": secret_key,
        "S3GW_ROOT_PASSWORD": password,
        **settings,
    }
    command = [program(), "serve", "--data", str(data / "data"), "--listen", "127.0.0.1:0"]
    command += ["--admin-listen", "127.0.0.1:0", "--share-listen", "127.0.0.1:0", "--workers", "2", "--json"]
    log = data / "log"
    with log.open("wb") as errors:
        server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors)
        try:
            endpoint, api = ready_endpoints(server, log)
            yield Gateway(endpoint, access_key, secret_key, environment=environment, api=api, password=password)
        finally:
            server.terminate()
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            shutil.rmtree(data, ignore_errors=True)


def ready_endpoints(server: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    """Those of S3 and of the JSON API, from the one line that `serve --json` prints when it is ready."""
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith(b"{"):
            document = json.loads(line)
            return str(document["s3"]), str(document["admin"])
    raise SystemExit(f"the gateway did not start:\n{log.read_text(errors='replace')[-3000:]}")
