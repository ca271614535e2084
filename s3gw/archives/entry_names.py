"""Names of an archive's entries, made of keys: whatever a key has in it, its entry is unpacked inside of the folder
that it is unpacked into, and no two entries lie in each other's way.

A key is any text. One segment of it becomes one name that every file system takes: not empty, no `.` or `..`, without
control characters, backslashes (which lead elsewhere on Windows) or a drive, and of 255 bytes at most. And where a
file `a` lies beside a folder `a/`, which no file system can have, the folder is called `a (2)`.
"""

from __future__ import annotations

import re

_LONGEST = 255  # bytes of one name, on most file systems
_ROOM = 14  # of them for a number
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|(?<=^[A-Za-z]):")


class EntryNames:
    """Paths must come in the order of their UTF-8, in which all that is below a folder is together: so only the folders
    on the way to the present one are remembered.
    """

    def __init__(self) -> None:
        self._open = [_Folder("", "")]

    def of(self, path: str, *, is_folder: bool = False) -> str:
        """`is_folder`: it ends with a slash and stands for the folder itself. "" for the outermost."""
        *folders, name = path.split("/")
        self._open_all(folders)
        place = self._open[-1].place
        return place if is_folder and not name else f"{place}{self._open[-1].take(name)}"

    def _open_all(self, folders: list[str]) -> None:
        depth = 0
        while depth < min(len(folders), len(self._open) - 1) and self._open[depth + 1].given == folders[depth]:
            depth += 1
        del self._open[depth + 1 :]
        for given in folders[depth:]:
            parent = self._open[-1]
            self._open.append(_Folder(given, f"{parent.place}{parent.take(given)}/"))


class _Folder:
    """`place` is where it is in the archive, with a slash at the end; `given` what the key has for it."""

    def __init__(self, given: str, place: str) -> None:
        self.given, self.place = given, place
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}  # by name: the last that was tried, so that many alike aren't quadratic

    def take(self, segment: str) -> str:
        name = wanted = safe(segment)
        while name in self._taken:
            number = self._numbers[wanted] = self._numbers.get(wanted, 1) + 1
            name = _numbered(wanted, number)
        self._taken.add(name)
        return name


def safe(segment: str) -> str:
    name = _UNSAFE.sub("_", segment)
    if not name.strip(". "):
        return "_"
    return name if len(name) * 4 <= _LONGEST or len(name.encode()) <= _LONGEST else _cut(*_split(name), _LONGEST)


def _numbered(name: str, number: int) -> str:
    stem, ending = _split(name)
    return _cut(stem, f" ({number}){ending}", _LONGEST)


def _split(name: str) -> tuple[str, str]:
    """And its ending, if it has a short one."""
    stem, dot, ending = name.rpartition(".")
    return (stem, f"{dot}{ending}") if stem and len(ending.encode()) <= _ROOM else (name, "")


def _cut(stem: str, ending: str, most: int) -> str:
    return stem.encode()[: most - len(ending.encode())].decode("utf-8", "ignore") + ending
