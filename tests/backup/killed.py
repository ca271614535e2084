"""`python -m tests.backup.killed N ARGUMENTS…`: s3gw's command, killed at the Nth step by which something may last.

Those are writes, flushes, new names, removals, PostgreSQL's commits, and requests that change an object store; each
counts twice, before it is done and behind it. With N = 0 nothing is killed, and the last line of standard error is how
many there were.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

import obstore
import psycopg

from s3gw.backup.remote import RemotePlace
from s3gw.cli import main

_STEPS = ("pwrite", "fsync", "link", "rename", "unlink", "mkdir")
_BEAT, _SILENCE = 0.5, 4.0  # seconds until the lock in a store of a command that was killed is taken over
_REQUESTS = ("put", "copy", "delete")


class Kill:
    def __init__(self, at: int) -> None:
        self._at, self.passed = at, 0
        self._lock = threading.Lock()

    def before_and_after(self, owner: Any, name: str) -> None:
        step = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            self._pass()
            result = step(*arguments, **options)
            self._pass()
            return result

        setattr(owner, name, counted)

    def _pass(self) -> None:
        with self._lock:
            self.passed += 1
            if self.passed == self._at:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    kill = Kill(int(sys.argv.pop(1)))
    for name in _STEPS:
        kill.before_and_after(os, name)
    for name in _REQUESTS:
        kill.before_and_after(obstore, name)
    kill.before_and_after(psycopg.Connection, "commit")
    RemotePlace.__init__.__defaults__ = _BEAT, _SILENCE
    try:
        main()
    finally:
        print(kill.passed, file=sys.stderr)
