"""Clients that stop in the middle: raw sockets that send or read a part of a request, and what a server holds then."""

from __future__ import annotations

import os
import socket
import sqlite3
import struct
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from tests.crash.client import BUCKET, sign
from tests.servers import RunningServer


class RawClient:
    """One connection that does what it is told, byte by byte."""

    def __init__(self, server: RunningServer, *, receive_buffer: int = 0) -> None:
        self._url = server.s3
        address = urlsplit(server.s3)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(60)
        self.socket.connect((address.hostname, address.port))

    def begin(self, method: str, key: str, length: int = 0) -> None:
        """Send the head of a request."""
        target, _ = sign(method, f"{self._url}/{BUCKET}/{key}")
        host = urlsplit(self._url).netloc
        self.send(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n".encode())

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_until_closed(self) -> bytes:
        """Everything that still comes; a reset ends it as well."""
        pieces = []
        try:
            while piece := self.socket.recv(1 << 20):
                pieces.append(piece)
        except ConnectionResetError:
            pass
        return b"".join(pieces)

    def read_answer(self) -> tuple[int, bytes]:
        """Status and body; whatever of the body comes, when the connection ends early."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.socket.recv(1 << 16)
            assert piece, data
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        pieces, missing = [body], int(fields.get(b"content-length", b"0")) - len(body)
        while missing > 0 and (piece := self.socket.recv(1 << 20)):
            pieces.append(piece)
            missing -= len(piece)
        return int(head.split()[1]), b"".join(pieces)

    def close(self, *, reset: bool = False) -> None:
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def eventually(condition: Callable[[], bool], within: float = 20) -> bool:
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def stored(data: Path) -> dict[str, int]:
    """How many files and rows there are."""
    counts = {"files": sum(1 for _ in (data / "blobs").glob("??/*"))}
    with closing(sqlite3.connect(data / "s3gw.db")) as conn:
        for table in ("objects", "contents", "blobs", "parts"):
            ((counts[table],),) = conn.execute(f"SELECT count(*) FROM {table}").fetchall()
    return counts


def open_chunks(server: RunningServer) -> list[str]:
    """Chunk files that the workers hold open; [] where /proc doesn't tell."""
    found = []
    for pid in server.facts["worker_pids"]:
        for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                path = os.readlink(descriptor)
            except FileNotFoundError:
                continue
            if "/blobs/" in path:
                found.append(path)
    return found


def resident_memory(pid: int) -> int:
    """Bytes of a process and all below it. What they share is counted for each."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True).stdout
    processes = {int(pid): (int(parent), int(size)) for pid, parent, size in map(str.split, listing.splitlines())}
    tree, total = {pid}, 0
    while found := {child for child, (parent, _) in processes.items() if parent in tree} - tree:
        tree |= found
    for member in tree:
        total += processes[member][1] * 1024
    return total


def random_body(size: int) -> bytes:
    """Of bytes that no other body has, without the time that `size` random bytes would take."""
    block = os.urandom(64 * 1024)
    return b"".join(number.to_bytes(8, "big") + block for number in range(size // len(block) + 1))[:size]
