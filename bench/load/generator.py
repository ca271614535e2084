"""Runs a load program against a server, and says what came of it: rate, latencies, the server's CPU time a request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.servers import Running

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Load:
    """One run. Latencies and CPU are microseconds; `load_share` is how busy the load program was, of one core."""

    rate: float
    p50: float
    p99: float
    cpu: float
    load_share: float
    refused: int
    broken: int
    wraps: int
    requests: int
    first_refusal: str

    @property
    def is_valid(self) -> bool:
        """All answered as they should; a refusal is quicker than an answer, and must not count as one."""
        return self.requests > 0 and not self.refused and not self.broken

    def describe(self) -> str:
        valid = "" if self.is_valid else f" INVALID: {self.refused} refused, {self.broken} broken {self.first_refusal}"
        return f"p50 {self.p50 / 1000:.1f} ms, p99 {self.p99 / 1000:.1f} ms, load {self.load_share:.0%}{valid}"


def wrk(server: Running, file: Path, clients: int, seconds: float) -> Load:
    """Any requests but HEAD, for whole seconds."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    command += ["-s", str(HERE / "replay.lua"), f"http://127.0.0.1:{server.port}", "--", str(file)]
    return _run(server, command)


def replay(server: Running, file: Path, clients: int, seconds: float) -> Load:
    """Any requests; 0 seconds: each request of the file once."""
    command = [sys.executable, str(HERE / "replay.py"), str(server.port), str(file), str(clients), str(seconds)]
    return _run(server, command)


def _run(server: Running, command: Sequence[str]) -> Load:
    cpu_before = server.cpu_seconds()
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    output, errors = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    process.stderr.close()
    elapsed = time.monotonic() - started
    results = [line for line in output.splitlines() if line.startswith("RESULT ")]
    if process.returncode or not results:
        raise RuntimeError(f"{command[0]} against {server.name} failed: {(output + errors)[-800:]}")
    found: dict[str, Any] = json.loads(results[0].removeprefix("RESULT "))
    requests = int(found["requests"])
    return Load(
        rate=requests / found["seconds"],
        p50=found["p50"],
        p99=found["p99"],
        cpu=(server.cpu_seconds() - cpu_before) * 1e6 / max(requests, 1),
        load_share=(usage.ru_utime + usage.ru_stime) / elapsed,
        refused=found["refused"],
        broken=found["broken"],
        wraps=found["wraps"],
        requests=requests,
        first_refusal=found.get("first_refusal", ""),
    )


def median(loads: Sequence[Load]) -> Load:
    """The run in the middle; one that isn't valid speaks for all."""
    invalid = [load for load in loads if not load.is_valid]
    return invalid[0] if invalid else sorted(loads, key=lambda load: load.rate)[len(loads) // 2]
