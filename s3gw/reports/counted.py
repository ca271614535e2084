"""Counts what is in a bucket: in all, by prefix, by type and by age. In memory are some thousand groups at most, and
they can be kept and loaded again, so that counting goes on where it was.

Versions come in the order of their keys, so a prefix is whole when another one begins.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from s3gw.reports.rows import REST, Row
from s3gw.reports.spec import By

MOST_PREFIXES = 1000  # of a bucket that are told one by one: those with the most bytes
MOST_TYPES = 500  # of a bucket that are told one by one: the first that are met
_DAY = 86_400_000_000  # microseconds
AGES = ((30, "0-29 days"), (90, "30-89 days"), (180, "90-179 days"), (365, "180-364 days"), (730, "365-729 days"))
_OLDEST = "730 days and more"


class Version(Protocol):
    """Of an object, as far as it is counted; `last_modified` in microseconds since the epoch."""

    @property
    def key(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def is_current(self) -> bool: ...
    @property
    def last_modified(self) -> int: ...
    @property
    def type(self) -> str: ...


class Sum(NamedTuple):
    files: int = 0
    versions: int = 0
    current_bytes: int = 0
    bytes: int = 0

    def plus(self, other: Sum) -> Sum:
        return Sum(*(one + more for one, more in zip(self, other, strict=True)))


def sum_of(version: Version) -> Sum:
    return Sum(1, 1, version.size, version.size) if version.is_current else Sum(0, 1, 0, version.size)


class Counts:
    """Of one bucket. `prefix` is what the keys begin with; its folders are told one by one. `at` is when the report was
    asked for, by which ages are told.
    """

    def __init__(self, prefix: str, at: int) -> None:
        self._cut, self._prefix, self._at = len(prefix), prefix, at
        self.all = Sum()
        self._types: dict[str, Sum] = {}
        self._ages: dict[str, Sum] = {}
        self._folders: dict[str, Sum] = {}
        self._rest = Sum()  # of folders that aren't told one by one

    def add(self, versions: Iterable[Version]) -> None:
        for version in versions:
            more = sum_of(version)
            self.all = self.all.plus(more)
            kind = version.type
            _add(self._types, kind if kind in self._types or len(self._types) < MOST_TYPES else REST, more)
            _add(self._ages, age_of(version.last_modified, self._at), more)
            folder, slash, _ = version.key[self._cut :].partition("/")
            self._add_folder(self._prefix + folder + slash if slash else "", more)

    def _add_folder(self, name: str, more: Sum) -> None:
        if name not in self._folders and len(self._folders) >= 2 * MOST_PREFIXES:
            self._shorten()
        _add(self._folders, name, more)

    def _shorten(self) -> None:
        """All folders are whole here, but "", which holds what lies in none."""
        open_one = self._folders.pop("", None)
        kept = heapq.nlargest(MOST_PREFIXES, self._folders.items(), key=lambda item: (item[1].bytes, item[1].versions))
        total = _total(self._folders.values())
        rest = Sum(*(one - other for one, other in zip(total, _total(found for _, found in kept), strict=True)))
        self._folders, self._rest = dict(kept), self._rest.plus(rest)
        if open_one is not None:
            self._folders[""] = open_one

    def rows(self, by: tuple[By, ...], user: str, bucket: str) -> Iterator[Row]:
        if "bucket" in by:
            yield _row("bucket", user, bucket, "", self.all)
        if "prefix" in by:
            if len(self._folders) > MOST_PREFIXES:
                self._shorten()
            for name, found in sorted(self._folders.items()):
                yield _row("prefix", user, bucket, name, found)
            if self._rest.versions:
                yield _row("prefix", user, bucket, REST, self._rest)
        if "type" in by:
            for name, found in sorted(self._types.items()):
                yield _row("type", user, bucket, name, found)
        if "age" in by:
            for name in (*(name for _, name in AGES), _OLDEST):
                if name in self._ages:
                    yield _row("age", user, bucket, name, self._ages[name])

    def dumped(self) -> dict[str, Any]:
        return {
            "all": self.all,
            "types": self._types,
            "ages": self._ages,
            "folders": self._folders,
            "rest": self._rest,
        }

    @classmethod
    def loaded(cls, document: Any, prefix: str, at: int) -> Counts:
        made = cls(prefix, at)
        made.all, made._rest = Sum(*document["all"]), Sum(*document["rest"])
        made._types, made._ages, made._folders = (
            {name: Sum(*found) for name, found in document[group].items()} for group in ("types", "ages", "folders")
        )
        return made


def age_of(last_modified: int, at: int) -> str:
    days = (at - last_modified) // _DAY
    return next((name for end, name in AGES if days < end), _OLDEST)


def user_row(user: str, found: Sum) -> Row:
    return _row("user", user, "", "", found)


def _row(by: By, user: str, bucket: str, name: str, found: Sum) -> Row:
    return Row(by, user, bucket, name, *found)


def _add(groups: dict[str, Sum], name: str, more: Sum) -> None:
    groups[name] = groups.get(name, Sum()).plus(more)


def _total(found: Iterable[Sum]) -> Sum:
    total = Sum()
    for one in found:
        total = total.plus(one)
    return total
