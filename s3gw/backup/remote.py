"""`Place` in an object store, where each object is written as a whole and lasts once that was answered.

Stores have no locks. So whoever changes the backup holds an object `lock` and writes it anew every few seconds; one
that hasn't changed for a minute, by the clock of who waits, is of a command that was killed, and is taken over. A
holder that finds another's name in it stops, and so does one that hasn't written it for half as long as others wait: it
stood still. Who only reads takes no lock: what is removed meanwhile he misses.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from s3gw.backup.format import MARKER, MARKER_TEXT, check_marker
from s3gw.backup.objects import Objects
from s3gw.backup.place import BackupError, NotInBackup

BEAT, SILENCE = 10.0, 60.0  # seconds
_LOCK, _DAMAGED = "lock", "damaged"
_NEVER = float("inf")  # there is no lock that could be lost


class RemotePlace:
    """See `Place`. While there is a lock, the thread that beats sets `_lost`, once, and `_heard`: when its last request
    that was answered began.
    """

    def __init__(self, url: str, beat: float = BEAT, silence: float = SILENCE) -> None:
        self._objects = Objects(url)
        self._beat, self._silence = beat, silence
        self._lost = threading.Event()
        self._heard = _NEVER

    def create(self) -> None:
        try:
            self._objects.read(MARKER)
        except NotInBackup:
            other = next((name for name in self._objects.names("") if name != _LOCK), None)
            if other is not None:
                raise BackupError(f"{self._objects.url} is no backup, and not empty: there is {other} in it") from None
            with suppress(FileExistsError):
                self._objects.create(MARKER, MARKER_TEXT.encode())
        self.require()

    def require(self) -> None:
        try:
            text = self._objects.read(MARKER)
        except NotInBackup:
            raise BackupError(f"there is no backup at {self._objects.url}") from None
        check_marker(text.decode(errors="replace"))

    @contextmanager
    def locked(self, *, alone: bool) -> Iterator[None]:
        if not alone:
            yield
            return
        ours = secrets.token_hex(16)
        self._heard = self._take_lock(ours)
        ending = threading.Event()
        beating = threading.Thread(target=self._keep_lock, args=(ours, ending), daemon=True)
        beating.start()
        try:
            yield
        finally:
            ending.set()
            beating.join()
            if not self._is_lost():
                self._objects.delete(_LOCK)
            self._heard = _NEVER

    def _take_lock(self, ours: str) -> float:
        """When the request began that took it."""
        before, since = b"", time.monotonic()
        while True:
            began = time.monotonic()
            try:
                self._objects.create(_LOCK, _written(ours))
                return began
            except FileExistsError:
                found = self._found_lock()
            if found != before:
                if before:
                    raise BackupError(
                        f"another command uses the backup at {self._objects.url} just now: {_holder(found)}"
                    )
                before = found
            elif time.monotonic() - since >= self._silence:
                self._objects.delete(_LOCK)  # of one that was killed
            time.sleep(self._beat / 4)

    def _found_lock(self) -> bytes:
        with suppress(NotInBackup):
            return self._objects.read(_LOCK)
        return b""

    def _keep_lock(self, ours: str, ending: threading.Event) -> None:
        while not ending.wait(self._beat):
            began = time.monotonic()
            with suppress(BackupError):  # `_require_lock` says when that has lasted too long
                if f'"{ours}"'.encode() not in self._found_lock():
                    self._lost.set()
                    return
                self._objects.replace(_LOCK, _written(ours))
                self._heard = began

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder of this machine (TMPDIR) for what isn't to stay."""
        with tempfile.TemporaryDirectory(prefix="s3gw-backup-") as folder:
            yield Path(folder)

    def names(self, folder: str) -> Iterator[str]:
        for name in self._objects.names(folder):
            yield name.removeprefix(f"{folder}/")

    def read(self, name: str) -> bytes:
        return self._objects.read(name)

    def write(self, name: str, data: bytes) -> None:
        self._require_lock()
        self._objects.replace(name, data)

    def flush(self) -> None:
        self._require_lock()

    def remove(self, name: str) -> None:
        self._require_lock()
        self._objects.delete(name)

    def set_aside(self, name: str) -> None:
        self._require_lock()
        with suppress(NotInBackup):
            self._objects.copy(name, f"{_DAMAGED}/{name.rpartition('/')[2]}.{secrets.token_hex(4)}")
        self._objects.delete(name)

    def _require_lock(self) -> None:
        if self._is_lost():
            raise BackupError(f"another command has taken the backup at {self._objects.url} over: run this one again")

    def _is_lost(self) -> bool:
        return self._lost.is_set() or time.monotonic() - self._heard > self._silence / 2


def _written(ours: str) -> bytes:
    told = {"by": ours, "host": socket.gethostname(), "pid": os.getpid(), "turn": time.monotonic_ns()}
    return json.dumps(told).encode()


def _holder(found: bytes) -> str:
    try:
        told = json.loads(found)
        return f"process {told['pid']} on {told['host']}"
    except (ValueError, KeyError, TypeError):
        return "an unknown one"
