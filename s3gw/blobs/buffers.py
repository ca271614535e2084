"""Buffers of one size for reading, used again and again.

Reading into memory that is mapped already is many times faster than into fresh pages. A transport may hold on to a
piece after it took it, so nobody hands a buffer back: it is free when nothing refers to its bytes any more.
"""

from __future__ import annotations

from collections import deque


class BufferPool:
    """At most `limit` buffers of `size` bytes. For one thread."""

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self._limit = limit
        self._buffers: deque[bytearray] = deque()

    def take(self) -> memoryview | None:
        """A buffer that is free as long as this view and all views of it live; None when all are in use."""
        for _ in range(len(self._buffers)):
            buffer = self._buffers[0]
            self._buffers.rotate(-1)
            if _is_free(buffer):
                return memoryview(buffer)
        if len(self._buffers) == self._limit:
            return None
        buffer = bytearray(self.size)
        self._buffers.append(buffer)
        return memoryview(buffer)


def _is_free(buffer: bytearray) -> bool:
    """Python refuses to resize a bytearray while a view of it exists. Neither call moves any bytes."""
    try:
        buffer.pop()
    except BufferError:
        return False
    buffer.append(0)
    return True
