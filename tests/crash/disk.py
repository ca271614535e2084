"""A disk that loses all it may lose: bytes that no fsync covered, and names whose folder was not flushed.

It is fed with the calls of a trace (system_calls.py) and can write out, at any moment, what a loss of power leaves.
Stricter than ext4: flushing a file doesn't keep its name, flushing a folder keeps nothing but its own entries.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.system_calls import FLUSHES, UNKNOWN, WRITES, Call, Event

_Write = tuple[int, bytes | None]  # offset and bytes; None: cut there


@dataclass
class _File:
    """`written` are the changes since the last flush, `position` is where write() goes on."""

    is_folder: bool = False
    position: int = 0
    kept: bytearray = field(default_factory=bytearray)
    written: list[_Write] = field(default_factory=list)
    renamed: list[tuple[str, _File | None]] = field(default_factory=list)

    def keep(self, count: int) -> None:
        for offset, data in self.written[:count]:
            if data is None:
                del self.kept[offset:]
            else:
                self.kept.extend(bytes(max(0, offset - len(self.kept))))
                self.kept[offset : offset + len(data)] = data
        del self.written[:count]


class Disk:
    """`root` existed before and is durable. Paths outside of it are of no interest."""

    def __init__(self, root: Path, *, loses_flushes_of: str = "") -> None:
        """`loses_flushes_of`: a pattern of paths whose flushes do nothing, as if the server had forgotten them."""
        self._root = str(root)
        self._lost = re.compile(loses_flushes_of) if loses_flushes_of else None
        self._files: dict[str, _File] = {self._root: _File(is_folder=True)}
        self._durable: dict[str, _File] = dict(self._files)
        self._flushing: dict[int, int] = {}
        self._syncs: list[str] = []

    def apply(self, event: Event) -> None:
        call = event.call
        if call.result < 0:
            return
        if call.name in FLUSHES and self._knows(call.target):
            self._flush(event)
        elif event.has_ended:
            self._change(call)

    def _knows(self, path: str) -> bool:
        return path in self._files

    def _flush(self, event: Event) -> None:
        """What was written before the flush began is kept when it has ended."""
        call = event.call
        file = self._files[call.target]
        if not event.has_ended:
            self._flushing[call.thread] = len(file.renamed if file.is_folder else file.written)
            return
        count = self._flushing.pop(call.thread)
        if self._lost is not None and self._lost.search(call.target):
            return
        self._syncs.append(call.target)
        if not file.is_folder:
            file.keep(count)
            return
        for path, entry in file.renamed[:count]:
            if entry is None:
                self._durable.pop(path, None)
            else:
                self._durable[path] = entry
        del file.renamed[:count]

    def _change(self, call: Call) -> None:
        paths = [os.fsdecode(text) for text in call.strings] if call.name not in WRITES else [call.target]
        if not any(path.startswith(f"{self._root}/") for path in (*paths, call.target)):
            return
        assert call.name not in UNKNOWN, f"{call.name} isn't part of this model"
        if call.name == "openat":
            self._open(paths[0], call.flags)
        elif call.name == "mkdir":
            self._name(paths[0], _File(is_folder=True))
        elif call.name == "unlink":
            self._name(paths[0], None)
        elif call.name in ("rename", "link"):
            self._name(paths[1], self._files[paths[0]])
            if call.name == "rename":
                self._name(paths[0], None)
        elif call.name == "ftruncate":
            self._write(call.target, (call.numbers[-1], None))
        else:
            self._write_bytes(call)

    def _open(self, path: str, flags: str) -> None:
        if path not in self._files and "O_CREAT" in flags:
            self._name(path, _File())
        file = self._files.get(path)
        if file is not None:
            file.position = 0
            if "O_TRUNC" in flags:
                file.written.append((0, None))

    def _write_bytes(self, call: Call) -> None:
        data = b"".join(call.strings)[: call.result]
        file = self._files.get(call.target)
        if file is None:  # deleted meanwhile
            return
        if call.name.startswith("p"):
            self._write(call.target, (call.numbers[-1], data))
        else:
            self._write(call.target, (file.position, data))
            file.position += len(data)

    def _write(self, path: str, write: _Write) -> None:
        file = self._files.get(path)
        if file is not None:
            file.written.append(write)

    def _name(self, path: str, file: _File | None) -> None:
        folder = self._files.get(os.path.dirname(path))
        assert folder is not None, path
        folder.renamed.append((path, file))
        if file is None:
            self._files.pop(path, None)
        else:
            self._files[path] = file

    def take_syncs(self) -> list[str]:
        """The paths that were flushed since the last call."""
        syncs, self._syncs = self._syncs, []
        return syncs

    def unflushed(self, part: str) -> list[str]:
        """Files and folders with that in their path which would not be found as they are now. (Deleted ones may be.)"""
        return [
            path
            for path, file in self._files.items()
            if part in path and (file.written or self._durable.get(path) is not file)
        ]

    def write_out(self, folder: Path) -> None:
        """Make what is durable now, with `folder` in the place of the root."""
        folders = {os.path.dirname(self._root)}
        for path in sorted(self._durable):  # parents first
            file, target = self._durable[path], folder / path.removeprefix(self._root).lstrip("/")
            if os.path.dirname(path) not in folders:
                continue  # a folder above it is lost
            if file.is_folder:
                target.mkdir(exist_ok=True)
                folders.add(path)
            else:
                target.write_bytes(file.kept)
                target.chmod(0o600)
