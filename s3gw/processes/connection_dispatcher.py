"""Which worker serves a connection, and the way it gets there.

The supervisor accepts, because processes that accept from one socket share connections as unevenly as 1 : 31. The
worker with the fewest open connections of that listener gets the next one. The supervisor keeps its copy of the
socket until the worker says that it has it: what a dying worker didn't take goes to another.
"""

from __future__ import annotations

import socket
from collections import Counter, deque
from collections.abc import Collection, Iterable

from s3gw.processes import messages

_LISTENER_OF = {closed[0]: listener for listener, closed in messages.CLOSED.items()}


class WorkerLink:
    """One worker, as far as connections are concerned."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.open: Counter[bytes] = Counter()
        self.untaken: deque[tuple[bytes, socket.socket]] = deque()
        self.is_ready = False
        self._turn = 0

    def load(self, listener: bytes) -> tuple[int, int, int]:
        """To sort by: the least first; of equals, the one that was given a connection longest ago."""
        return self.open[listener], self.open.total(), self._turn

    def give(self, listener: bytes, connection: socket.socket, turn: int) -> bool:
        """False when it can't take more now."""
        try:
            socket.send_fds(self.control, [listener], [connection.fileno()])
        except OSError:  # its queue is full, or it has just died
            return False
        self.open[listener] += 1
        self.untaken.append((listener, connection))
        self._turn = turn
        return True

    def hear(self, data: bytes) -> None:
        for byte in data:
            if byte == messages.TAKEN[0]:
                self.untaken.popleft()[1].close()
            elif byte in _LISTENER_OF:
                self.open[_LISTENER_OF[byte]] -= 1
            elif byte == messages.READY[0]:
                self.is_ready = True


class ConnectionDispatcher:
    """Connections on their way; `waiting` are those that no worker could take yet."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[bytes, socket.socket]] = deque()
        self._turn = 0

    def give(self, listener: bytes, connection: socket.socket, links: Iterable[WorkerLink]) -> bool:
        """Hand a connection to the freest worker, or keep it waiting and return False."""
        ready = [link for link in links if link.is_ready]
        self._turn += 1
        for link in sorted(ready, key=lambda one: one.load(listener)):
            if link.give(listener, connection, self._turn):
                return True
        self.waiting.append((listener, connection))
        return False

    def retry(self, links: Collection[WorkerLink]) -> None:
        for _ in range(len(self.waiting)):
            if not self.give(*self.waiting.popleft(), links):
                self.waiting.rotate(1)  # it was first in the queue and stays so
                return

    def take_back(self, link: WorkerLink) -> None:
        """From a worker that died."""
        self.waiting.extendleft(reversed(link.untaken))
        link.untaken.clear()
        link.is_ready = False

    def close(self) -> None:
        for _, connection in self.waiting:
            connection.close()
        self.waiting.clear()
