"""A plain client for large bodies: whole transfers over blocking sockets, in as many threads as there are streams.

Bodies are sent from memory and what comes is dropped in the kernel (Linux), so that the client costs as little as a
client can: on two cores it takes its time from the server's.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.signing import UNSIGNED, Signer, path_of

MIB = 1 << 20
_DROP = socket.MSG_TRUNC if sys.platform == "linux" else 0


class Refused(Exception):
    """An answer that isn't a success."""


@dataclass(frozen=True)
class Body:
    """Random bytes, of which every MiB begins with a stamp of its own: no two bodies share a chunk.

    Many of them share their memory; `copies` makes one larger than that.
    """

    pattern: bytes
    stamp: bytes
    copies: int = 1

    @property
    def size(self) -> int:
        return len(self.pattern) * self.copies

    def pieces(self) -> list[bytes | memoryview]:
        view = memoryview(self.pattern)
        found: list[bytes | memoryview] = []
        for number in range(self.size // MIB):
            offset = number * MIB % len(self.pattern)
            stamp = self.stamp + number.to_bytes(8, "big")
            found += [stamp, view[offset + len(stamp) : offset + MIB]]
        return found

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()


PATTERN_MIB = 64
_pattern = b""


def body(mib: int) -> Body:
    """A body of that size that was never made before."""
    global _pattern
    _pattern = _pattern or os.urandom(PATTERN_MIB * MIB)
    if mib <= PATTERN_MIB:
        return Body(_pattern[: mib * MIB], os.urandom(16))
    return Body(_pattern, os.urandom(16), mib // PATTERN_MIB)


class Connection:
    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(MIB)

    def close(self) -> None:
        self._socket.close()

    def exchange(self, head: bytes, pieces: Sequence[bytes | memoryview] = ()) -> int:
        """Send a request and swallow its answer; give the body's length. Raises Refused."""
        self._socket.sendall(head)
        for piece in pieces:
            self._socket.sendall(piece)
        answer = b""
        while (end := answer.find(b"\r\n\r\n")) < 0:
            received = self._socket.recv(16 << 10)
            if not received:
                raise Refused("the connection was closed")
            answer += received
        status = int(answer[9:12])
        if status >= 300:
            raise Refused(answer.decode(errors="replace")[:400])
        if b"transfer-encoding: chunked" in answer[:end].lower():
            return self._swallow_chunks(answer[end + 4 :])
        length = 0 if status == 204 else length_of(answer[: end + 2])
        left = length - (len(answer) - end - 4)
        while left > 0:
            received_length = self._socket.recv_into(self._buffer, min(left, MIB), _DROP)
            if not received_length:
                raise Refused("the connection was closed within a body")
            left -= received_length
        return length

    def _swallow_chunks(self, received: bytes) -> int:
        """A small answer whose length isn't told, as some peers give to a copy."""
        while not received.endswith(b"0\r\n\r\n"):
            more = self._socket.recv(16 << 10)
            if not more:
                raise Refused("the connection was closed within a chunked body")
            received += more
        return len(received)

    def put(self, key: str, body: Body, payload: str = UNSIGNED) -> None:
        head = Signer().head("PUT", path_of(key), payload=payload, length=body.size)
        self.exchange(head, body.pieces())

    def get(self, key: str) -> int:
        return self.exchange(Signer().head("GET", path_of(key)))

    def copy(self, source: str, key: str) -> None:
        signed = {"x-amz-copy-source": path_of(source)}
        self.exchange(Signer().head("PUT", path_of(key), signed=signed))


def length_of(head: bytes) -> int:
    head = head.lower()
    start = head.find(b"content-length:")
    if start < 0:
        raise Refused("an answer without Content-Length")
    return int(head[start + 15 : head.index(b"\r\n", start)])


def in_streams(port: int, jobs: Sequence[Sequence[Callable[[Connection], object]]]) -> float:
    """Run each list of jobs on a connection of its own, all at once; seconds until the last has ended."""

    def stream(own: Sequence[Callable[[Connection], object]]) -> None:
        connection = Connection(port)
        try:
            for job in own:
                job(connection)
        finally:
            connection.close()

    started = time.perf_counter()
    with ThreadPoolExecutor(len(jobs)) as pool:
        for future in [pool.submit(stream, own) for own in jobs]:
            future.result()
    return time.perf_counter() - started
