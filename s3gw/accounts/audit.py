"""Reading the whole audit log in steps, each a short transaction: to verify it, and to export it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from s3gw import kept_head
from s3gw.auth.audit_key import audit_key_now
from s3gw.auth.master_key import Keyring
from s3gw.metadata import audit_lines, audit_seals
from s3gw.metadata.audit_chain import BEGINNING, Line, Place
from s3gw.metadata.audit_lines import Wanted
from s3gw.metadata.audit_seals import Checkpoint, Name, is_sealed_behind
from s3gw.metadata.database import Database

STEP = 500  # lines
Progress = Callable[[int], Awaitable[None]]


class Verdict(NamedTuple):
    """`lines` were checked; `faults` says what is wrong, a line each. `head` is up to where the log was sealed."""

    lines: int
    head: Place
    faults: list[str]


def document(line: Line) -> dict[str, Any]:
    """As JSON has it. Times are microseconds since the epoch; position and mac are null until it is sealed."""
    before, after = (None if text is None else json.loads(text) for text in (line.before, line.after))
    return line._asdict() | {"before": before, "after": after, "mac": line.mac.hex() or None}


async def lines(database: Database, wanted: Wanted) -> AsyncIterator[list[Line]]:
    """All that are wanted, the oldest first."""
    after = 0
    while found := await database.scan(audit_lines.step, wanted, after, STEP):
        yield found
        after = found[-1].id


async def head(database: Database, key: bytes) -> Place:
    """The value to keep elsewhere. Raises Tampered."""
    was_begun = await database.read(audit_seals.is_begun)  # first: it is committed with the head
    noted = (await database.read(audit_seals.checkpoints)).get("head")
    if noted is None:
        if was_begun:
            raise audit_seals.Tampered(audit_seals.HEADLESS)
        return BEGINNING
    if not noted.is_genuine(key, "head"):
        raise audit_seals.Tampered("the head of the log isn't what was noted under this master key")
    return noted.place


async def verify_now(
    database: Database,
    keys: Keyring,
    kept: Place | None = None,
    file: Path | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """As `verify`, under the master key that counts; once more where another has taken its place meanwhile. Whether the
    log goes on from the head that a server has kept in the `file`, too.
    """
    while True:
        key = await database.read(audit_key_now, keys)
        verdict = await verify(database, key, kept, progress)
        if file is not None:
            verdict.faults.extend(await _faults_of_file(database, keys, file))
        if not verdict.faults or await database.read(audit_key_now, keys) == key:
            return verdict


async def _faults_of_file(database: Database, keys: Keyring, file: Path) -> list[str]:
    try:
        kept = await asyncio.to_thread(kept_head.read, file)
        if kept is not None:
            await database.read(kept_head.require_goes_on, keys, kept)
    except audit_seals.Tampered as error:
        return [f"{error}, by {file.name} of the data folder"]
    return []


async def verify(
    database: Database, key: bytes, kept: Place | None = None, progress: Progress | None = None
) -> Verdict:
    """Whether the lines are those that were sealed, up to the last seal; and whether the log goes on from `kept`, a
    head that was printed before. `progress` is told how many lines were read. While it is verified it may be written
    to, sealed and pruned.
    """
    walk, was_short = _Walk(key, kept), False
    while True:
        found = await database.scan(audit_seals.sealed_after, walk.place.position, STEP)
        walk.begin_behind(found.checkpoints.get("start"))
        for line in found.lines:
            walk.take(line)
        if progress is not None:
            await progress(walk.lines)
        if found.is_begun and "head" not in found.checkpoints:
            walk.fault(audit_seals.HEADLESS)
        head = walk.genuine("head", found.checkpoints.get("head"))
        # Lines that were sealed between the two statements are there when it is asked again.
        if not found.lines and (was_short or head.position <= walk.place.position):
            return walk.end(head)
        was_short = not found.lines


class _Walk:
    """Along the chain; `place` is how far it has come."""

    def __init__(self, key: bytes, kept: Place | None) -> None:
        self.place = self._start = BEGINNING
        self._key, self._kept, self._lines = key, kept, 0
        self._faults: list[str] = []

    @property
    def lines(self) -> int:
        return self._lines

    def genuine(self, name: Name, checkpoint: Checkpoint | None) -> Place:
        if checkpoint is None:
            return BEGINNING
        if not checkpoint.is_genuine(self._key, name):
            self.fault(f"the {name} of the log isn't what was noted under this master key")
        return checkpoint.place

    def begin_behind(self, start: Checkpoint | None) -> None:
        """Lines before the start were removed for their age, maybe just now."""
        self._start = self.genuine("start", start)
        if self._start.position > self.place.position:
            self._go_to(self._start)

    def take(self, line: Line) -> None:
        position = line.position or 0
        if position <= self.place.position:  # removed since it was read
            return
        if position > self.place.position + 1:
            self.fault(f"{position - self.place.position - 1} lines are missing before line {line.id} of {line.at}")
        elif not is_sealed_behind(self._key, self.place, line):
            self.fault(f"line {line.id} was changed: {line.action} of {line.resource}")
        self._lines += 1
        self._go_to(Place(position, line.mac))

    def _go_to(self, place: Place) -> None:
        self.place = place
        if self._kept is not None and place.position == self._kept.position and place.mac != self._kept.mac:
            self.fault("another line is where the head that was kept was")

    def end(self, head: Place) -> Verdict:
        if head.position > self.place.position:
            self.fault(f"the last {head.position - self.place.position} lines that were sealed are missing")
        elif head != self.place:
            self.fault("the log doesn't end with the line that its head names")
        if self._kept is not None and self._kept.position > self.place.position:
            self.fault("the log ends before the head that was kept")
        if self._kept is not None and 0 < self._kept.position < self._start.position:
            self.fault("the lines at the head that was kept were removed for their age: keep a newer one")
        return Verdict(self._lines, self.place, self._faults)

    def fault(self, what: str) -> None:
        if what not in self._faults:
            self._faults.append(what)
