"""A real clamd with a signature of our own: an ordinary process, in a folder of the test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# What every scanner knows for a virus, and that is none; in two pieces, or scanners would find it here.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-" + b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
STREAM_LIMIT = 1 << 20  # bytes that it looks at
_CONFIGURATION = """
LocalSocket {folder}/clamd.socket
DatabaseDirectory {folder}/signatures
LogFile {folder}/clamd.log
LogClean yes
LogTime no
PidFile {folder}/clamd.pid
Foreground yes
StreamMaxLength 1M
MaxThreads 4
CommandReadTimeout 30
"""


@dataclass
class RunningClamd:
    folder: Path

    @property
    def address(self) -> str:
        return f"unix:{self.folder}/clamd.socket"

    def scans(self) -> int:
        """How many streams it has looked at."""
        return (self.folder / "clamd.log").read_text().count("instream(")


def program() -> str | None:
    return shutil.which("clamd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/opt/homebrew/sbin")


@contextmanager
def running_clamd(folder: Path) -> Iterator[RunningClamd]:
    clamd = program()
    assert clamd is not None, "clamd isn't installed: scripts/install-test-programs.sh does that"
    (folder / "signatures").mkdir(parents=True)
    (folder / "signatures" / "test.ndb").write_text(f"Test.Eicar:0:*:{EICAR[:34].hex()}\n")
    configuration = folder / "clamd.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder))
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen([clamd, "-c", str(configuration)], stdout=output, stderr=output)
    try:
        _wait_for(folder / "clamd.socket", process)
        yield RunningClamd(folder)
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as one:
            try:
                one.connect(str(path))
                return
            except OSError:
                time.sleep(0.02)
    raise AssertionError(f"clamd didn't start: {(path.parent / 'output').read_text()}")
