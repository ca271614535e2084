"""A webhook that remembers what it was told, and that does as it is told itself."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Told(NamedTuple):
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def record(self) -> Any:
        (record,) = self.document["Records"]
        return record

    @property
    def event(self) -> tuple[str, str]:
        """Name and key."""
        return self.record["eventName"], self.record["s3"]["object"]["key"]


class Receiver:
    """`answer` gives the status for what is told; what it answers with 2xx is `told`. Shared with the threads that
    serve it under its lock.
    """

    def __init__(self) -> None:
        self.answer: Callable[[Told], int] = lambda told: 200
        self.told: list[Told] = []
        self.attempts = 0
        self.answer_size = self.sent = 0  # bytes behind the head of each answer, and how many were taken
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                body = self.rfile.read(size)
                if len(body) < size:  # who told it was killed
                    self.close_connection = True
                    return
                status = receiver.take(Told({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(status)
                self.send_header("Content-Length", str(receiver.answer_size))
                if 300 <= status < 400:
                    self.send_header("Location", receiver.url)
                self.end_headers()
                for _ in range(0, receiver.answer_size, 65536):
                    self.wfile.write(bytes(65536))
                    receiver.sent += 65536

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """Whoever breaks off is meant to."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def take(self, told: Told) -> int:
        with self._lock:
            self.attempts += 1
            status = self.answer(told)
            if 200 <= status < 300:
                self.told.append(told)
            return status

    def records(self) -> list[Any]:
        """All that isn't a test."""
        with self._lock:
            return [record for told in self.told for record in told.document.get("Records", ())]

    def wait_for(self, is_so: Callable[[list[Any]], bool], seconds: float = 20.0) -> list[Any]:
        """The records once they are as wanted."""
        ends_at = time.monotonic() + seconds
        while not is_so(records := self.records()):
            assert time.monotonic() < ends_at, f"{len(records)} records of {self.attempts} attempts: {records[-3:]}"
            time.sleep(0.05)
        return records


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()
