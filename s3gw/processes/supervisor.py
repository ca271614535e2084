"""`s3gw serve`: locks the data folder, prepares the database, accepts connections, keeps the processes alive.

One thread around a selector. It opens no database and imports next to nothing, so it stays small and has nothing that
could hang. Started by the command line through exec (cli/serve.py), with settings that were checked there.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from s3gw.disks.faults import in_words
from s3gw.metadata.database_url import is_postgresql, sqlite_path
from s3gw.metrics import folder as metrics_folder
from s3gw.processes import listeners, messages
from s3gw.processes.connection_dispatcher import ConnectionDispatcher
from s3gw.processes.lock import DataFolderInUse, lock_data_folder
from s3gw.processes.made import Made
from s3gw.processes.process import Process, Slot
from s3gw.processes.startup_report import StartupReport

_ACCEPTS_AT_ONCE = 64
_MOST_WAITING = 256
_TICK = 0.1  # seconds between looks at timers
_GRACE = 5.0  # seconds beyond shutdown_timeout before a process is killed
_SAME_SIGNAL = 0.2  # seconds in which a second signal is the first once more: a process group may be sent it twice


class StartFailed(Exception):
    """A part of the server can't start. Its reason was told already unless there is a message."""


class Supervisor:
    """`settings` is the JSON form of config.Settings. What is told, and when, is `report`'s."""

    def __init__(self, settings: dict[str, Any], report: StartupReport) -> None:
        self.settings = settings
        self._report = report
        self._selector = selectors.DefaultSelector()
        self._dispatcher = ConnectionDispatcher()
        self._listeners: dict[bytes, socket.socket] = {}
        self._is_accepting = False
        self._is_preparing = True
        self._prepared: dict[str, str] | None = None
        self._is_ready = False
        self._asked_at = 0.0
        self._stop_by: float | None = None
        self._signals, self._wakeup = socket.socketpair()

    def run(self) -> int:
        """Serve until a signal says stop; return the exit status."""
        settings = self.settings
        self._watch_signals()
        data, url = Path(settings["data"]), settings["database_url"]
        self._made = Made(data, None if is_postgresql(url) else sqlite_path(url, data).absolute())
        self._lock = lock_data_folder(data)
        self._made.look()
        try:
            self._listeners = {
                messages.S3: listeners.bind(settings["listen"], "--listen (S3GW_LISTEN)"),
                messages.ADMIN: listeners.bind(settings["admin_listen"], "--admin-listen (S3GW_ADMIN_LISTEN)"),
                messages.SHARE: listeners.bind(settings["share_listen"], "--share-listen (S3GW_SHARE_LISTEN)"),
            }
        except listeners.CannotListen:
            self._made.undo()
            raise
        scheme = "https" if settings["tls_cert"] else "http"
        settings["share_url"] = settings["share_url"] or listeners.url_of(self._listeners[messages.SHARE], scheme)
        self._metrics = metrics_folder.make()
        document = json.dumps(settings).encode()
        inherited = (self._lock,)
        self._preparation = Process.start("s3gw.processes.first_start", document, inherited)
        self._selector.register(self._preparation.control, selectors.EVENT_READ, self._on_prepared)
        first = json.dumps(settings | {"is_first_worker": True}).encode()
        documents = [first, *[document] * (settings["workers"] - 1)]
        self._workers = [Slot("s3gw.processes.worker", each, inherited) for each in documents]
        self._jobs = Slot("s3gw.jobs.process", document, inherited)
        for slot in self._workers:
            self._start(slot)
        try:
            return self._loop()
        finally:
            self._kill_all()
            if self._metrics is not None:
                metrics_folder.remove(self._metrics)

    def _slots(self) -> list[Slot]:
        return [*self._workers, self._jobs]

    def _loop(self) -> int:
        while True:
            for key, _ in self._selector.select(_TICK):
                key.data()
            now = time.monotonic()
            if self._stop_by is None:
                self._keep_alive(now)
                self._hand_over_waiting()
            elif self._has_stopped(now):
                self._report.log("info", "stopped")
                return 0

    # Starting

    def _on_prepared(self) -> None:
        """The database is migrated and, at the first start, has its admin: everybody may open it."""
        answer = self._preparation.read_all()
        if answer is None:
            return
        self._is_preparing = False
        self._selector.unregister(self._preparation.control)
        self._preparation.wait()
        if not answer and self._stop_by is not None:
            return  # it was ended by a second signal
        prepared = json.loads(answer or b'{"error": ""}')  # empty when it crashed, and its traceback was printed
        if "error" in prepared:
            if prepared.get("is_untouched"):
                self._made.undo()
            raise StartFailed(prepared["error"])
        self._prepared = prepared
        self._report.tell_credentials(prepared)  # at once: they are never shown again
        if self._stop_by is not None:
            return
        for slot in self._slots():
            if slot.process is not None:
                slot.process.send(messages.GO)

    def _start(self, slot: Slot) -> None:
        process = slot.start(time.monotonic())
        self._selector.register(process.control, selectors.EVENT_READ, lambda: self._hear(slot, process))
        if self._prepared is not None:
            process.send(messages.GO)

    def _hear(self, slot: Slot, process: Process) -> None:
        data = process.receive()
        if data == b"":
            self._selector.unregister(process.control)
            return
        process.link.hear(data or b"")
        if self._stop_by is None and not self._is_ready and all(worker.is_ready for worker in self._workers):
            self._become_ready()

    def _become_ready(self) -> None:
        assert self._prepared is not None
        self._is_ready = True
        self._start(self._jobs)  # only now, so that it doesn't slow down the start of the workers
        scheme = "https" if self.settings["tls_cert"] else "http"
        self._accept_from_listeners(True)
        self._report.tell_ready(
            {
                "s3": listeners.url_of(self._listeners[messages.S3], scheme),
                "admin": listeners.url_of(self._listeners[messages.ADMIN], scheme),
                "share": listeners.url_of(self._listeners[messages.SHARE], scheme),
                "pid": os.getpid(),
                "workers": len(self._workers),
                "worker_pids": [slot.process.pid for slot in self._workers if slot.process],
                "data": self.settings["data"],
            },
            self._prepared,
        )

    # Serving

    def _accept_from_listeners(self, accept: bool) -> None:
        if accept == self._is_accepting:
            return
        self._is_accepting = accept
        for name, listener in self._listeners.items():
            if accept:
                self._selector.register(listener, selectors.EVENT_READ, lambda name=name: self._accept(name))
            else:
                self._selector.unregister(listener)

    def _accept(self, name: bytes) -> None:
        links = [slot.process.link for slot in self._workers if slot.process]
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                connection, _ = self._listeners[name].accept()
            except BlockingIOError:
                return
            except OSError:  # the client is gone already, or we are out of descriptors
                self._accept_from_listeners(False)
                return
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._dispatcher.give(name, connection, links)

    def _hand_over_waiting(self) -> None:
        if self._dispatcher.waiting:
            self._dispatcher.retry([slot.process.link for slot in self._workers if slot.process])
        if self._is_ready:
            self._accept_from_listeners(len(self._dispatcher.waiting) < _MOST_WAITING)

    def _keep_alive(self, now: float) -> None:
        """Start again what has died, ever later when it keeps dying."""
        for slot in self._slots():
            process = slot.process
            if process is not None and process.poll() is not None:
                self._mark_dead(slot, process, now)
            if slot.start_at is not None and now >= slot.start_at:
                self._start(slot)

    def _mark_dead(self, slot: Slot, process: Process, now: float) -> None:
        if not self._is_ready:
            raise StartFailed
        if process.poll() == messages.UNSUITABLE:
            raise StartFailed("this program can't serve on the database any more, as was told above")
        self._dispatcher.take_back(process.link)
        with contextlib.suppress(KeyError):
            self._selector.unregister(process.control)
        if self._metrics is not None:
            metrics_folder.forget(self._metrics, process.pid)
        delay = slot.mark_dead(now)
        self._report.log(
            "error",
            f"{slot.module} (process {process.pid}) ended with {process.poll()}; starting another in {delay:.1f} s",
        )

    # Stopping

    def _watch_signals(self) -> None:
        for end in (self._signals, self._wakeup):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._selector.register(self._signals, selectors.EVENT_READ, self._on_signal)

    def _on_signal(self) -> None:
        for number in self._signals.recv(4096):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._drain() if self._stop_by is None else self._end_at_once()

    def _end_at_once(self) -> None:
        if time.monotonic() - self._asked_at < _SAME_SIGNAL:
            return
        self._report.log("warning", "stopping at once: what is in flight is broken off")
        self._kill_all()

    def _drain(self) -> None:
        self._asked_at = time.monotonic()
        patience = self.settings["shutdown_timeout"]
        self._report.log(
            "info",
            f"stopping: what is in flight has {patience:g} s to finish; a second signal (Ctrl+C) ends it at once",
        )
        self._stop_by = self._asked_at + patience + _GRACE
        if self._is_accepting:
            for name in self._listeners:
                self._accept(name)  # clients that have connected already are served
            self._accept_from_listeners(False)
        for listener in self._listeners.values():
            listener.close()
        self._dispatcher.close()
        # The preparation isn't stopped: it may have made credentials, which must be printed.
        for slot in self._slots():
            slot.start_at = None
            if slot.process is not None and not slot.process.send(messages.DRAIN):
                slot.process.kill()  # its socket is full, so it isn't running

    def _has_stopped(self, now: float) -> bool:
        assert self._stop_by is not None
        if now > self._stop_by:
            self._kill_all()
        return not self._is_preparing and all(
            slot.process is None or slot.process.poll() is not None for slot in self._slots()
        )

    def _kill_all(self) -> None:
        for process in (self._preparation, *(slot.process for slot in self._slots())):
            if process is not None:
                process.kill()


def main() -> int:
    with open(int(sys.argv[1]), "rb") as source:
        document = json.loads(source.read())
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses "unlimited"
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    report = StartupReport(document["settings"], document["json"], document["key_command"], document["registration"])
    try:
        return Supervisor(document["settings"], report).run()
    except (DataFolderInUse, listeners.CannotListen, StartFailed, OSError) as error:
        if isinstance(error, OSError):
            report.refuse(f"{in_words(error)}; check --data (S3GW_DATA)")
        elif str(error):
            report.refuse(str(error))
        return 1
    finally:
        report.tell_rest()


if __name__ == "__main__":
    sys.exit(main())
