"""A chunk in a store in the network, read with few requests and bounded memory.

A chunk's list of block digests lies at its end and is asked for first. What is expected to be read and lies close to
it comes with it, in one request; else it is fetched in windows, one ahead of the reader, while the list is fetched.
Lists are remembered, so the next range of the same chunk takes one request. When all memory for windows is in use,
a read asks for exactly its own bytes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor

from s3gw.content.chunk import BLOCK
from s3gw.content.object_store import ObjectStore
from s3gw.content.store import BlobCorrupt, StoreUnavailable

WINDOW = 2 * 1024 * 1024
MEMORY = 128 * 1024 * 1024  # of a process, for windows
_THREADS = 16
_TAIL, _TAILS = 4096, 4096  # bytes of the longest list, and how many are remembered
_TOGETHER = 1024 * 1024 + _TAIL  # from the first expected byte to the end of the list: worth one request less


class Ahead:
    """The threads that fetch windows, and what memory is left for them, under the lock."""

    def __init__(self, memory: int = MEMORY) -> None:
        self._free = memory
        self._lock = threading.RLock()  # a window may be collected while its thread has it
        self._threads = ThreadPoolExecutor(_THREADS, "s3gw-ahead")

    def begin(self, objects: ObjectStore, name: str, start: int, length: int) -> Window | None:
        """None: there is no memory for it."""
        with self._lock:
            if self._free < length:
                return None
            self._free -= length
        try:
            fetched = self._threads.submit(objects.read_range, name, start, length)
        except RuntimeError:  # shut down, or no thread to be had
            self.give_back(length)
            return None
        return Window(self, start, length, fetched)

    def give_back(self, length: int) -> None:
        with self._lock:
            self._free += length

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Window:
    """Bytes that are being fetched, or were. Its memory is given back when nobody refers to it any more."""

    def __init__(self, ahead: Ahead, start: int, length: int, fetched: Future[memoryview]) -> None:
        self._ahead, self.fetched = ahead, fetched
        self.start, self.length = start, length

    def covers(self, offset: int) -> bool:
        return self.start <= offset < self.start + self.length

    @property
    def has_come(self) -> bool:
        return self.fetched.done() and not self.fetched.cancelled() and self.fetched.exception() is None

    def bytes_at(self, offset: int, most: int) -> memoryview:
        """Waits for them. Raises what fetching them raised; none: the object ends before."""
        try:
            return self.fetched.result()[offset - self.start :][:most]
        except CancelledError:
            raise StoreUnavailable("the store was closed") from None

    def give_up(self) -> None:
        """Don't fetch it if that hasn't begun."""
        self.fetched.cancel()

    def __del__(self) -> None:
        self._ahead.give_back(self.length)


class Tails:
    """The ends of chunks that were read last, by name and offset: what lies there never changes. Under the lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def find(self, name: str, offset: int, length: int) -> bytes | None:
        with self._lock:
            found = self._known.get((name, offset))
            if found is None or len(found) != length:
                return None
            self._known.move_to_end((name, offset))
            return found

    def note(self, name: str, offset: int, data: bytes) -> None:
        with self._lock:
            self._known[(name, offset)] = data
            if len(self._known) > _TAILS:
                self._known.popitem(last=False)

    def forget(self, name: str) -> None:
        with self._lock:
            for place in [place for place in self._known if place[0] == name]:
                del self._known[place]


class RemoteSource:
    """See `BlobSource`. Nothing is asked of the store before the first read."""

    def __init__(self, objects: ObjectStore, name: str, ahead: Ahead, tails: Tails) -> None:
        self._objects, self._name = objects, name
        self._ahead, self._tails = ahead, tails
        self._start = self._end = 0  # what is expected, in whole blocks
        self._held: tuple[int, memoryview] | None = None  # that came together with the list
        self._window: Window | None = None
        self._next: Window | None = None
        self._is_begun = False

    def expect(self, offset: int, length: int) -> None:
        self._start = offset // BLOCK * BLOCK
        self._end = -(-(offset + length) // BLOCK) * BLOCK if length > 0 else self._start

    def read_into(self, buffer: memoryview, offset: int) -> None:
        if not self._is_begun and len(buffer):
            self._is_begun = True
            if self._begin(buffer, offset):
                return
        done = 0
        while done < len(buffer):
            found = self._bytes_at(offset + done, len(buffer) - done)
            if not len(found):
                raise BlobCorrupt("the object is too short")
            buffer[done : done + len(found)] = found
            done += len(found)

    def _begin(self, buffer: memoryview, offset: int) -> bool:
        """The first read, which may be of the list. True: it is done."""
        length, end = len(buffer), offset + len(buffer)
        if (known := self._tails.find(self._name, offset, length)) is not None:
            buffer[:] = known
            self._window = self._window_from(self._start)
            return True
        if self._start < min(self._end, offset) and end - self._start <= _TOGETHER:
            self._held = (self._start, self._objects.read_range(self._name, self._start, end - self._start))
        else:
            self._window = self._window_from(self._start)
        if length <= _TAIL:
            found = bytes(self._exactly(offset, length))
            buffer[:] = found
            self._tails.note(self._name, offset, found)
            return True
        return False

    def _exactly(self, offset: int, length: int) -> memoryview:
        found = self._bytes_at(offset, length)
        if len(found) != length:
            raise BlobCorrupt("the object is too short")
        return found

    def _bytes_at(self, offset: int, most: int) -> memoryview:
        """Some of the bytes; none where the object has ended before."""
        if (held := self._held_at(offset, most)) is not None:
            return held
        if (window := self._window_at(offset)) is not None:
            return window.bytes_at(offset, most)
        return self._objects.read_range(self._name, offset, most)

    def _held_at(self, offset: int, most: int) -> memoryview | None:
        if self._held is None or not self._held[0] <= offset < self._held[0] + len(self._held[1]):
            return None
        return self._held[1][offset - self._held[0] :][:most]

    def _window_at(self, offset: int) -> Window | None:
        """The window that has it, which is the present one then; one ahead of it is being fetched. Doesn't wait."""
        if self._window is not None and not self._window.covers(offset):
            if self._next is None or not self._next.covers(offset):
                return None
            self._window, self._next = self._next, None
        if self._window is not None and self._next is None:
            self._next = self._window_from(self._window.start + self._window.length)
        return self._window

    def _window_from(self, start: int) -> Window | None:
        length = min(WINDOW, self._end - start)
        return self._ahead.begin(self._objects, self._name, start, length) if length > 0 else None

    def read_cached(self, buffer: memoryview, offset: int) -> bool:
        """True where it was fetched already. What fetching it raised is found again by who waits."""
        done = 0
        while done < len(buffer):
            found = self._at_hand(offset + done, len(buffer) - done)
            if not found:
                return False
            buffer[done : done + len(found)] = found
            done += len(found)
        return True

    def _at_hand(self, offset: int, most: int) -> memoryview | None:
        if (held := self._held_at(offset, most)) is not None:
            return held
        window = self._window_at(offset)
        return window.bytes_at(offset, most) if window is not None and window.has_come else None

    def close(self) -> None:
        for window in (self._window, self._next):
            if window is not None:
                window.give_up()
        self._held = self._window = self._next = None
