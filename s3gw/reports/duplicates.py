"""Finds contents that are there several times, in bounded memory however many there are.

All versions are walked along some times. Where there are more than fit, a first walk fills two bitmaps: whether a
slot (a part of the digest) was met, and whether it was met again. What was met once is nobody's duplicate, and is left
out of the walks that count; where what remains doesn't fit either, each walk counts a part of it. The largest groups
are chosen, and a last walk finds their places.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from s3gw.reports.rows import REST, Row

MOST_DUPLICATES = 1000  # groups that are told one by one: those that would save the most
MOST_PLACES = 10  # that are told of each
HELD_AT_ONCE = 250_000  # digests: about 50 MB
_SLOTS = 1 << 26  # bits of a bitmap: 8 MiB


class Place(Protocol):
    """A version with a content."""

    @property
    def key(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def is_current(self) -> bool: ...
    @property
    def digest(self) -> bytes: ...


class Group(NamedTuple):
    versions: int
    files: int
    size: int

    @property
    def saved(self) -> int:
        """Bytes that would be, if it were there once."""
        return (self.versions - 1) * self.size


class _Met:
    """Which slots of digests were met, and which again."""

    def __init__(self) -> None:
        self._once, self._again = bytearray(_SLOTS // 8), bytearray(_SLOTS // 8)
        self.again = 0  # slots

    def add(self, digest: bytes) -> None:
        byte, bit = self._slot(digest)
        if self._once[byte] & bit and not self._again[byte] & bit:
            self._again[byte] |= bit
            self.again += 1
        self._once[byte] |= bit

    def is_again(self, digest: bytes) -> bool:
        byte, bit = self._slot(digest)
        return bool(self._again[byte] & bit)

    def _slot(self, digest: bytes) -> tuple[int, int]:
        slot = int.from_bytes(digest[:4], "big") % _SLOTS
        return slot >> 3, 1 << (slot & 7)


class Duplicates:
    """To be given all versions by `look`, walk after walk, until `end_walk` says that it was enough. `expected`: about
    how many there are.
    """

    def __init__(self, expected: int) -> None:
        self._met = _Met() if expected > HELD_AT_ONCE else None
        self._stage = "count" if self._met is None else "meet"
        self._parts, self._part = 1, 0
        self._held: dict[bytes, Group] = {}
        self._found: list[tuple[int, bytes, Group]] = []  # a heap of the largest
        self._all = Group(0, 0, 0)
        self._saved, self._groups = 0, 0
        self._places: dict[bytes, list[str]] = {}
        self._first: dict[bytes, tuple[str, str, str]] = {}

    def look(self, versions: Iterable[Place], user: str, bucket: str) -> None:
        for version in versions:
            if not version.size:  # nothing would be saved
                continue
            if self._stage == "meet":
                assert self._met is not None, "it is what this stage fills"
                self._met.add(version.digest)
            elif self._stage == "count":
                self._count(version)
            elif version.digest in self._places:
                self._note(version, user, bucket)

    def _count(self, version: Place) -> None:
        digest = version.digest
        if self._parts > 1 and int.from_bytes(digest[-4:], "big") % self._parts != self._part:
            return
        if self._met is not None and not self._met.is_again(digest):
            return
        known = self._held.get(digest, Group(0, 0, version.size))
        self._held[digest] = Group(known.versions + 1, known.files + version.is_current, version.size)

    def _note(self, version: Place, user: str, bucket: str) -> None:
        places = self._places[version.digest]
        if not places:
            self._first[version.digest] = (user, bucket, version.key)
        if len(places) < MOST_PLACES:
            places.append(f"{bucket}/{version.key}")

    def end_walk(self) -> bool:
        """Whether another walk is needed."""
        if self._stage == "meet":
            assert self._met is not None, "it is what this stage fills"
            self._parts, self._stage = 1 + self._met.again // HELD_AT_ONCE, "count"
            return self._met.again > 0
        if self._stage == "count":
            self._choose()
            self._part += 1
            if self._part == self._parts:
                self._met, self._stage = None, "find"
                self._places = {digest: [] for _, digest, _ in self._found}
            return self._part < self._parts or bool(self._places)
        return False

    def _choose(self) -> None:
        for digest, group in self._held.items():
            if group.versions < 2:
                continue
            self._groups += 1
            self._saved += group.saved
            self._all = Group(self._all.versions + group.versions, self._all.files + group.files, 0)
            entry = (group.saved, digest, group)
            if len(self._found) < MOST_DUPLICATES:
                heapq.heappush(self._found, entry)
            else:
                heapq.heappushpop(self._found, entry)
        self._held = {}

    def rows(self) -> Iterator[Row]:
        """The largest first, and the rest in one."""
        told = sorted(self._found, key=lambda entry: entry[:2], reverse=True)
        for saved, digest, group in told:
            if digest not in self._first:  # all of it was deleted meanwhile
                continue
            user, bucket, key = self._first[digest]
            sums = group.files, group.versions, group.files * group.size, group.versions * group.size
            yield Row("duplicates", user, bucket, key, *sums, saved, tuple(self._places[digest]))
        if self._groups > len(told):
            files = self._all.files - sum(group.files for _, _, group in told)
            versions = self._all.versions - sum(group.versions for _, _, group in told)
            saved = self._saved - sum(saved for saved, _, _ in told)
            yield Row("duplicates", "", "", REST, files, versions, duplicate_bytes=saved)
