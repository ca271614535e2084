"""Buffers of one size for reading, used again and again.

Reading into memory that is mapped already is many times faster than into fresh pages. A transport may hold on to a
piece after it took it, so nobody hands a buffer back: it is free when nothing refers to its bytes any more.
"""

from __future__ import annotations

from collections import deque

_TRIES = 8  # looking at more costs more than a new buffer


class BufferPool:
    """Keeps at most `limit` buffers of `size` bytes; gives more if that isn't enough. Used on the event loop only.

    Threads and transports hold views. Whether a buffer is free is decided by one atomic step, `bytearray.pop`, which
    fails while there is a view; and where there is none, nobody can make one.
    """

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self._limit = limit
        self._buffers: deque[bytearray] = deque()

    def take(self) -> memoryview:
        """A buffer that is ours as long as this view or a view of it lives."""
        for _ in range(min(_TRIES, len(self._buffers))):
            buffer = self._buffers[0]
            self._buffers.rotate(-1)
            if _is_free(buffer):
                return memoryview(buffer)
        buffer = bytearray(self.size)
        if len(self._buffers) < self._limit:
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
