"""What strace saw of a server: its calls on files and sockets, in the order in which they began and ended.

Only for Linux. Strings are asked for in hexadecimal digits, so nothing has to be unescaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

WRITES = ("write", "pwrite64", "writev", "pwritev", "sendto", "sendmsg")
FLUSHES = ("fsync", "fdatasync")
_NAMES = ("openat", "mkdir", "rename", "link", "unlink", "ftruncate")
# Not expected. The model of the disk doesn't know them, so the test must hear of it when they come.
UNKNOWN = ("fallocate", "sendfile", "copy_file_range", "linkat", "renameat2", "splice", "truncate")
_CALLS = ",".join(WRITES + FLUSHES + _NAMES + UNKNOWN)
COMMAND = ("strace", "-f", "--seccomp-bpf", "-yy", "-xx", "-s", str(1 << 20), "-e", f"trace={_CALLS}")

_UNFINISHED = "<unfinished ...>"
_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)")
_RESULT = re.compile(r"\) += (-?\d+)")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_DESCRIPTOR = re.compile(r"(\d+)<((?:TCP|TCPv6|UNIX)[^ ]*\]|[^>]*)>")


class Call(NamedTuple):
    """`target` is the path or the socket (`TCP:[…]`) of its first descriptor; `strings` are its other arguments."""

    thread: int
    name: str
    target: str
    strings: tuple[bytes, ...]
    numbers: tuple[int, ...]
    flags: str
    result: int


class Event(NamedTuple):
    """A call begins or ends."""

    has_ended: bool
    call: Call


def read_events(path: Path) -> Iterator[Event]:
    """A call that never ended (its process was killed) did nothing that counts, and is left out."""
    unfinished: dict[int, tuple[str, str, int]] = {}
    calls: dict[int, Call] = {}
    order: list[tuple[bool, int]] = []
    for number, line in enumerate(path.read_text(encoding="ascii", errors="replace").splitlines()):
        found = _LINE.match(line)
        if found is None:  # a signal or an exit
            continue
        thread, rest = int(found[1]), found[4]
        if found[2] is not None:
            name, before, begun = unfinished.pop(thread)
            calls[begun] = _call(thread, name, before + rest)
            order.append((True, begun))
            continue
        order.append((False, number))
        if rest.endswith(_UNFINISHED):
            unfinished[thread] = (found[3], rest.removesuffix(_UNFINISHED), number)
        else:
            calls[number] = _call(thread, found[3], rest)
            order.append((True, number))
    return (Event(has_ended, calls[number]) for has_ended, number in order if number in calls)


def _call(thread: int, name: str, text: str) -> Call:
    *_, result = _RESULT.finditer(text)
    arguments = text[: result.start()].rstrip()
    strings = _STRING.findall(arguments)
    assert not any(cut for _, cut in strings), "the trace doesn't hold all that was written"
    descriptor = _DESCRIPTOR.match(arguments)
    bare = _STRING.sub("", arguments)
    return Call(
        thread,
        name,
        "" if descriptor is None else _plain(descriptor[2]),
        tuple(_bytes(text) for text, _ in strings),
        tuple(int(number) for number in re.findall(r"(?<=, )\d+(?=,|$)", bare)),
        bare,
        int(result[1]),
    )


def _bytes(digits: str) -> bytes:
    return bytes.fromhex(digits.replace("\\x", ""))


def _plain(name: str) -> str:
    return _bytes(name).decode() if name.startswith("\\x") else name
