"""As replay.lua, for what wrk can't do: HEAD (it waits for a body that never comes), and a file sent exactly once.

    python replay.py PORT FILE CLIENTS SECONDS       SECONDS 0: until the end of the file

A loop around poll() with a blocking socket a client; 6 to 8 µs a request, so it isn't what limits a server in Python.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class Client:
    """One connection with at most one request in flight."""

    __slots__ = ("is_head", "refusal", "remaining", "sent_at", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.remaining = 0  # bytes of the body that haven't come
        self.is_head = False
        self.refusal = b""
        self.sent_at = 0

    def send(self, record: bytes) -> None:
        self.is_head = record.startswith(b"HEAD")
        self.sent_at = time.perf_counter_ns()
        self.socket.sendall(record)

    def receive(self) -> int | None:
        """The status when the answer is complete; None when more of it is to come; 0: of a body's last piece."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server closed the connection")
        if self.remaining:
            self.remaining -= len(data)
            return None if self.remaining else 0
        end = data.find(b"\r\n\r\n")
        while end < 0:
            data += self.socket.recv(1 << 18)
            end = data.find(b"\r\n\r\n")
        status = int(data[9:12])
        if not self.is_head and status != 204:
            self.remaining = length_of(data[: end + 2]) - (len(data) - end - 4)
        if status >= 300:
            self.refusal = data[:15] + data[end + 4 :][:300]
        return status if not self.remaining or status >= 300 else None


def length_of(head: bytes) -> int:
    head = head.lower()
    start = head.find(b"content-length:")
    if start < 0:
        raise ValueError("an answer without Content-Length")
    return int(head[start + 15 : head.index(b"\r\n", start)])


def next_record(file: BinaryIO, wraps: bool) -> bytes | None:
    length = file.read(8)
    if not length and wraps:
        file.seek(0)
        length = file.read(8)
    return file.read(int(length)) if length else None


class Load:
    def __init__(self, port: int, file: BinaryIO, clients: int, seconds: float) -> None:
        self.file = file
        self.seconds = seconds
        self.latencies: list[int] = []
        self.refused = 0
        self.first_refusal = ""
        self.wraps = 0
        self.selector = selectors.DefaultSelector()
        for _ in range(clients):
            client = Client(port)
            self.selector.register(client.socket, selectors.EVENT_READ, client)
        self.clients: Iterator[Client] = (key.data for key in list(self.selector.get_map().values()))

    def run(self) -> dict[str, object]:
        started = time.perf_counter_ns()
        end = started + int(self.seconds * 1e9) if self.seconds else 1 << 63
        busy = sum(self.send_next(client) for client in self.clients)
        while busy and time.perf_counter_ns() < end:
            for key, _ in self.selector.select(1):
                client = key.data
                status = client.receive()
                if status is None:
                    continue
                self.latencies.append(time.perf_counter_ns() - client.sent_at)
                if status >= 300:
                    self.refuse(client)
                busy -= not self.send_next(client)
        return self.result((time.perf_counter_ns() - started) / 1e9)

    def send_next(self, client: Client) -> bool:
        record = next_record(self.file, bool(self.seconds))
        if record is None:
            self.selector.unregister(client.socket)
            return False
        client.send(record)
        return True

    def refuse(self, client: Client) -> None:
        while client.remaining > 0:
            client.remaining -= len(client.socket.recv(client.remaining))
        self.refused += 1
        self.first_refusal = self.first_refusal or client.refusal.decode(errors="replace")

    def result(self, seconds: float) -> dict[str, object]:
        ordered = sorted(self.latencies) or [0]
        return {
            "requests": len(self.latencies),
            "seconds": seconds,
            "refused": self.refused,
            "first_refusal": self.first_refusal,
            "broken": 0,
            "wraps": 0,
            "p50": ordered[len(ordered) // 2] / 1000,
            "p99": ordered[len(ordered) * 99 // 100] / 1000,
        }


def main() -> None:
    port, path, clients, seconds = sys.argv[1:]
    with Path(path).open("rb") as file:
        print("RESULT", json.dumps(Load(int(port), file, int(clients), float(seconds)).run()))


if __name__ == "__main__":
    main()
