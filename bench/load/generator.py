"""Runs the load program against a server, and says what came of it: rate, latencies, the server's CPU a request."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.servers import ROOT, Running

SOURCE = Path(__file__).with_name("replay.c")
LIMITING = 0.9  # of a core: from there on the load may be what limits the rate


class NoCompiler(RuntimeError):
    """There is nothing that compiles the load program."""


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
    reconnects: int
    wraps: int
    requests: int
    first_refusal: str

    @property
    def is_valid(self) -> bool:
        """All answered as they should; a refusal is quicker than an answer, and must not count as one."""
        return self.requests > 0 and not self.refused and not self.broken

    @property
    def is_limited_by_load(self) -> bool:
        return self.load_share >= LIMITING

    def describe(self) -> str:
        said = f"p50 {self.p50 / 1000:.1f} ms, p99 {self.p99 / 1000:.1f} ms, load {self.load_share:.0%}"
        said += f", {self.reconnects} reconnects" * bool(self.reconnects)
        said += " LOAD IS THE LIMIT" * self.is_limited_by_load
        invalid = f" INVALID: {self.refused} refused, {self.broken} broken {self.first_refusal}"
        return said + invalid * (not self.is_valid)


@cache
def program() -> Path:
    """The load program, compiled anew when its source is newer."""
    binary = ROOT / "build" / "replay"
    if not binary.exists() or binary.stat().st_mtime < SOURCE.stat().st_mtime:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise NoCompiler("the load program needs a C compiler on the PATH")
        binary.parent.mkdir(exist_ok=True)
        subprocess.run([compiler, "-O2", "-o", str(binary), str(SOURCE)], check=True)
    return binary


def command(server: Running, file: Path, clients: int, seconds: float) -> list[str]:
    return [str(program()), str(server.port), str(file), str(clients), str(seconds)]


def replay(server: Running, file: Path, clients: int, seconds: float) -> Load:
    """The requests of a file, again and again for that long; 0 seconds: each once."""
    words = command(server, file, clients, seconds)
    cpu_before = server.cpu_seconds()
    done = subprocess.run(words, capture_output=True, text=True)
    cpu = server.cpu_seconds() - cpu_before
    if done.returncode:
        raise RuntimeError(f"the load against {server.name} failed: {(done.stdout + done.stderr)[-800:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    requests = int(found["requests"])
    return Load(
        rate=requests / found["seconds"],
        p50=found["p50"],
        p99=found["p99"],
        cpu=cpu * 1e6 / max(requests, 1),
        load_share=found["cpu"] / found["seconds"],
        refused=found["refused"],
        broken=found["broken"],
        reconnects=found["reconnects"],
        wraps=found["wraps"],
        requests=requests,
        first_refusal=found["first_refusal"],
    )


def median(loads: Sequence[Load]) -> Load:
    """The run in the middle; one that isn't valid speaks for all."""
    invalid = [load for load in loads if not load.is_valid]
    return invalid[0] if invalid else sorted(loads, key=lambda load: load.rate)[len(loads) // 2]
