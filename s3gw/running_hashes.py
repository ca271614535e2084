"""SHA-256 of resumable uploads, as far as this process has seen them: memory alone, which may be forgotten any time.

Python can't store the state of a hash. So a process keeps that of the uploads that it received last; what another one
received, or this one before it was restarted, is read back once, when the upload is about to end. Used on the event
loop only.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hashlib import _Hash

_MOST = 1024  # uploads, of some hundred bytes each


class Running(NamedTuple):
    """The hash of the first `size` bytes."""

    size: int
    hash: _Hash

    def copy(self) -> Running:
        return Running(self.size, self.hash.copy())


class RunningHashes:
    def __init__(self) -> None:
        self._kept: OrderedDict[str, Running] = OrderedDict()

    def of(self, upload_id: str) -> Running:
        """A copy of what is known: of no bytes at least."""
        found = self._kept.get(upload_id)
        return Running(0, hashlib.sha256()) if found is None else found.copy()

    def keep(self, upload_id: str, running: Running) -> None:
        """Of bytes that are stored."""
        self._kept[upload_id] = running
        self._kept.move_to_end(upload_id)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)

    def forget(self, upload_id: str) -> None:
        self._kept.pop(upload_id, None)
