"""A process that the supervisor started, and the slot in which it is started again when it dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

from s3gw.processes.connection_dispatcher import WorkerLink

# -P: modules aren't looked for in the folder that the server happens to be started in, where anybody may have put some.
PYTHON = (sys.executable, "-P", "-m")
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 10.0  # seconds before a process that died is started again
_HEALTHY_AFTER = 30.0  # seconds; one that lived so long starts without delay


class Process:
    """A child, spawned and never forked off: no database connection may cross a fork."""

    def __init__(self, popen: subprocess.Popen[bytes], control: socket.socket) -> None:
        self._popen = popen
        self.control = control
        self.link = WorkerLink(control)
        self._answer = bytearray()

    @classmethod
    def start(cls, module: str, settings: bytes, inherited: Sequence[int]) -> Process:
        """`settings` becomes its standard input; `inherited` are descriptors that it keeps open."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        # The child begins with these blocked, and so can't be ended by them before it ignores them.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            with theirs:
                popen = subprocess.Popen(
                    [*PYTHON, "s3gw.processes.run_child", module, str(theirs.fileno())],
                    stdin=subprocess.PIPE,
                    pass_fds=(theirs.fileno(), *inherited),
                )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        assert popen.stdin is not None
        try:
            popen.stdin.write(settings)
            popen.stdin.close()
        except BrokenPipeError:
            pass  # it is dead already, which poll() will tell
        return cls(popen, ours)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def poll(self) -> int | None:
        return self._popen.poll()

    def wait(self) -> int:
        return self._popen.wait()

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()

    def send(self, message: bytes) -> bool:
        """False when its socket is full. True for a dead process, of which poll() tells."""
        try:
            return self.control.send(message) == len(message)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def receive(self) -> bytes | None:
        """What it has sent; b"" when it has closed its end, None when there is nothing now."""
        try:
            return self.control.recv(4096)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def read_all(self) -> bytes | None:
        """Everything that it has sent, once it has closed its end; None before."""
        data = self.receive()
        if data:
            self._answer += data
        return bytes(self._answer) if data == b"" else None


class Slot:
    """One place in the tree: at most one process at a time."""

    def __init__(self, module: str, settings: bytes, inherited: Sequence[int]) -> None:
        self.module = module
        self.process: Process | None = None
        self.start_at: float | None = None
        self._settings = settings
        self._inherited = inherited
        self._started_at = 0.0
        self._delay = 0.0

    @property
    def is_ready(self) -> bool:
        return self.process is not None and self.process.link.is_ready

    def start(self, now: float) -> Process:
        self.start_at = None
        self._started_at = now
        self.process = Process.start(self.module, self._settings, self._inherited)
        return self.process

    def mark_dead(self, now: float) -> float:
        """Forget the process, which has died; return the seconds until the next is due."""
        if self.process is not None:
            self.process.control.close()
        self.process = None
        lived_well = now - self._started_at >= _HEALTHY_AFTER
        self._delay = _FIRST_DELAY if lived_well else min(max(_FIRST_DELAY, self._delay * 2), _LONGEST_DELAY)
        self.start_at = now + self._delay
        return self._delay


def replace_this_process(module: str, *arguments: str) -> None:
    """Become `python -m module`: same process id, without what the command line has loaded."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [*PYTHON, module, *arguments])
