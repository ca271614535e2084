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
_NAMES = ("openat", "mkdir", "rename", "unlink", "ftruncate", "fallocate", "sendfile", "copy_file_range")
COMMAND = ("strace", "-f", "--seccomp-bpf", "-yy", "-xx", "-s", str(1 << 20), "-e", f"trace={','.join(WRITES + FLUSHES + _NAMES)}")

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
    unfinished: dict[int, tuple[str, str, int]] = {}
    numbers = iter(range(1 << 60))
    events: dict[int, list[object]] = {}
    order: list[tuple[int, bool]] = []
    calls: dict[int, Call] = {}
    del events
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        found = _LINE.match(line)
        if found is None:  # a signal or an exit
            continue
        thread, resumed, name, rest = int(found[1]), found[2], found[3], found[4]
        if resumed is not None:
            name, before, number = unfinished.pop(thread)
            calls[number] = _call(thread, name, before + rest)
            order.append((number, True))
            continue
        number = next(numbers)
        order.append((number, False))
        if rest.endswith("<unfinished ...>"):
            unfinished[thread] = (name, rest.removesuffix("<unfinished ...>"), number)
        else:
            calls[number] = _call(thread, name, rest)
            order.append((number, True))
    # A call that never ended (its process was killed) did nothing that counts.
    return (Event(has_ended, calls[number]) for number, has_ended in order if number in calls)


def _call(thread: int, name: str, text: str) -> Call:
    result = None
    for result in _RESULT.finditer(text):
        pass
    assert result is not None, text[-200:]
    arguments = text[: result.start()]
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
