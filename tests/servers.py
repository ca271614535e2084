"""`s3gw serve` as users start it: a process tree of its own, on free ports, in a folder of the test."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from s3gw.cli import app

ROOT_KEY = ("AKIAROOTEXAMPLE", "secret-of-the-root-user-in-tests")


def environment(**settings: str) -> dict[str, str]:
    """Ours, without the settings that the person who runs the tests happens to have."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("S3GW_")}
    return inherited | settings


@dataclass
class RunningServer:
    """`facts` is what `serve --json` printed; `log` is its standard error, `settings` what a test set; `data` and
    `environment` are those it has.
    """

    process: subprocess.Popen[str]
    facts: dict[str, Any]
    log: Path
    data: Path
    environment: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def s3(self) -> str:
        return str(self.facts["s3"])

    @property
    def admin(self) -> str:
        return str(self.facts["admin"])

    @property
    def share(self) -> str:
        return str(self.facts["share"])

    def get(self, url: str, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(url, timeout=20, context=context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def command(self, *arguments: str) -> Any:
        """What `s3gw … --json` prints, run beside the server; in this process, because a new one takes a second."""
        done = CliRunner().invoke(app, [*arguments, "--data", str(self.data), "--json"], env=self.environment)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def running_server(data: Path, *options: str, under: Sequence[str] = (), **settings: str) -> Iterator[RunningServer]:
    """Two workers and a known root key, unless `options` or `settings` say otherwise. `under` is a tracer's command."""
    command = [*under, sys.executable, "-P", "-m", "s3gw", "serve", "--data", str(data), "--json"]
    defaults = {"--listen": "127.0.0.1:0", "--admin-listen": "127.0.0.1:0"}
    defaults |= {"--share-listen": "127.0.0.1:0", "--workers": "2"}
    for name, value in defaults.items():
        if name not in options:
            command += [name, value]
    # A reserve in each of the suite's folders would fill the disk that it is for.
    # Tests ask more often than people, and for many of them. Who is told events is here.
    known = {"S3GW_MIN_FREE_SPACE": "0", "S3GW_API_RATE_LIMIT": "off", "S3GW_EVENT_NETWORKS": "127.0.0.0/8"}
    known |= {"S3GW_ROOT_ACCESS_KEY_ID": ROOT_KEY[0], "S3GW_ROOT_SECRET_ACCESS_KEY": ROOT_KEY[1]}
    log = data.with_name(f"{data.name}.log")
    variables = environment(**(known | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | settings))
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [*command, *options],
            cwd=data.parent,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the server didn't start:\n{log.read_text()}"
        yield RunningServer(process, json.loads(line), log, data, variables, settings)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        assert process.stdout is not None
        process.stdout.close()
