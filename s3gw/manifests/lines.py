"""Reads the manifest of a batch, as S3 Batch Operations takes it in CSV: `Bucket,Key` or `Bucket,Key,VersionId` on each
line, the keys encoded as in URLs, UTF-8, without a line of names ("Specifying a manifest", Amazon S3 User Guide).

"The manifest must either contain version IDs for all objects or omit version IDs for all objects." A line that is none
makes all of it bad: nobody knows what was meant. No key has a line break that isn't encoded, so no field has one.
"""

from __future__ import annotations

import csv
from typing import NamedTuple

from s3gw.errors import InvalidURI
from s3gw.names import can_be_bucket
from s3gw.wire.target import percent_decode

LARGEST = 1 << 30  # bytes
MOST_LINES = 10_000_000
LONGEST_LINE = 8192  # bytes: a key of 1024 that are all encoded is 3072
_MARK = "\ufeff"  # of the byte order


class Task(NamedTuple):
    """One line. `version_id` is as it was given; None: the current version."""

    bucket: str
    key: str
    version_id: str | None


class Place(NamedTuple):
    """Behind some lines: their bytes, their number, and how many columns they have (0: none was read yet)."""

    offset: int = 0
    lines: int = 0
    columns: int = 0


START = Place()


class BadManifest(Exception):
    """The message is for who asked."""


class Lines:
    """Is given bytes from a place on, and gives tasks; `place` is behind the last of them."""

    def __init__(self, place: Place = START) -> None:
        self.place = place
        self._held, self._at = b"", 0  # the next byte of what is held

    def feed(self, data: bytes) -> None:
        self._held, self._at = self._held[self._at :] + data, 0

    def next(self, is_end: bool) -> Task | None:
        """None where more has to be fed first; at the end, where that was all. Raises BadManifest."""
        task: Task | None = None
        while task is None:
            end = self._held.find(b"\n", self._at, self._at + LONGEST_LINE + 1)
            if end >= 0:
                task = self._take(end, end + 1)
            elif len(self._held) - self._at > LONGEST_LINE:
                raise self._bad(f"has more than {LONGEST_LINE} bytes")
            elif is_end and self._at < len(self._held):
                task = self._take(len(self._held), len(self._held))
            else:
                break
        return task

    def _take(self, end: int, behind: int) -> Task | None:
        line = self._held[self._at : end].removesuffix(b"\r")
        if self.place.lines >= MOST_LINES:
            raise BadManifest(f"a manifest has {MOST_LINES} lines at most")
        task = self._task(line) if line else None  # an empty line is nothing
        taken, self._at = behind - self._at, behind
        self.place = self.place._replace(offset=self.place.offset + taken, lines=self.place.lines + 1)
        return task

    def _task(self, line: bytes) -> Task:
        fields = self._fields(line)
        if len(fields) not in (2, 3):
            raise self._bad("has neither two columns (bucket, key) nor three (with a version id)")
        if self.place.columns not in (0, len(fields)):
            raise self._bad("has other columns than those before: all lines have version ids, or none has")
        self.place = self.place._replace(columns=len(fields))
        bucket, key, *versions = fields
        if not can_be_bucket(bucket):
            raise self._bad("begins with what is no name of a bucket")
        try:
            decoded = percent_decode(key.encode("utf-8"))
        except InvalidURI:
            raise self._bad("has a key that isn't encoded as in a URL") from None
        if not decoded:
            raise self._bad("has no key")
        return Task(bucket, decoded, versions[0] or None if versions else None)

    def _fields(self, line: bytes) -> list[str]:
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            raise self._bad("isn't UTF-8") from None
        if text.startswith(_MARK):
            raise self._bad("begins with a byte order mark")
        if "\0" in text:
            raise self._bad("has a NUL in it")
        try:
            (fields,) = csv.reader([text], strict=True)
        except (csv.Error, ValueError):
            raise self._bad("isn't CSV") from None
        return fields

    def _bad(self, why: str) -> BadManifest:
        return BadManifest(f"line {self.place.lines + 1} {why}")
