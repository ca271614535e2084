"""What starting costs: the CPU time of commands that need no server, and of a server that is started and stopped.

    python -m bench.startup [--rounds 10] [PROGRAM …]

PROGRAM is the `s3gw` of another checkout's environment, measured in turns with ours. CPU time is that of the whole
process tree. The machine's speed changes by the minute: the minimum says what the work costs, the median what it took.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path

from bench.servers import Running, new_folder

_OURS = str(Path(sys.executable).with_name("s3gw"))
_COMMANDS = (("--help",), ("user", "list"), ("key", "list"), ("bucket", "list"), ("job", "list"), ("config",))
# Compiled modules are kept: a program that is installed has them.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _end(process: subprocess.Popen[bytes]) -> float:
    """Wait for the end; seconds of CPU of the process and all that it has waited for."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{process.args!r} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def command_seconds(program: str, arguments: tuple[str, ...], data: Path) -> float:
    given = [program, *arguments] if arguments[0] == "--help" else [program, *arguments, "--data", str(data)]
    return _end(subprocess.Popen(given, stdout=subprocess.DEVNULL, env=_ENVIRONMENT))


class Shares:
    """What each process of a tree has used, looked at a hundred times a second: the last look is before its end."""

    def __init__(self, server: Running) -> None:
        self._server, self._used = server, dict[int, tuple[str, float]]()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            for pid, used in self._server.used_by_process().items():
                before = self._used.get(pid, ("", 0.0))
                self._used[pid] = (_name(pid) or before[0], max(used, before[1]))

    def end(self) -> dict[str, list[float]]:
        self._done.set()
        self._thread.join()
        shares: dict[str, list[float]] = defaultdict(list)
        for _, (name, used) in sorted(self._used.items()):
            shares[name].append(used)
        return shares


def _name(pid: int) -> str:
    """The module that a process of ours runs; nothing of one that has ended."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return ""
    return next((word for word in reversed(words) if word.startswith("s3gw.")), words[0] and "command line")


def server_seconds(program: str, data: Path, shares: dict[str, list[float]] | None = None) -> float:
    """Two workers, started until they are ready and stopped at once."""
    command = [program, "serve", "--data", str(data), "--workers", "2", "--json"]
    command += ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
    command += ["--share-listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_ENVIRONMENT)
    watched = None if shares is None else Shares(Running("s3gw", 0, process, data))
    assert process.stdout is not None
    with process.stdout as output:
        json.loads(output.readline())
    process.terminate()
    used = _end(process)
    if shares is not None and watched is not None:
        shares.update(watched.end())
    return used


def measure(programs: list[str], rounds: int) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number in range(rounds + 1):
        for program in programs:
            with new_folder() as folder:
                data = folder / "data"
                one = {"first start and stop": server_seconds(program, data)}
                one["later start and stop"] = server_seconds(program, data)
                for arguments in _COMMANDS:
                    one[f"s3gw {' '.join(arguments)}"] = command_seconds(program, arguments, data)
            for work, seconds in one.items() if number else ():  # the first round compiles modules
                found[work, program].append(seconds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="The CPU time of starting.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM")
    options = parser.parse_args()
    programs = [_OURS, *options.programs]
    for (work, program), seconds in measure(programs, options.rounds).items():
        print(f"{work:22} min {min(seconds):.2f} s  median {statistics.median(seconds):.2f} s  {program}")
    for program in programs:
        with new_folder() as folder:
            server_seconds(program, folder / "data")
            shares: dict[str, list[float]] = {}
            server_seconds(program, folder / "data", shares)
        print(f"shares of a later start, {program}:")
        for name, used in shares.items():
            print(f"    {name:26} {', '.join(f'{seconds:.2f} s' for seconds in used)}")


if __name__ == "__main__":
    main()
