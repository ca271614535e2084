"""Pauses a thread at one line of the watched files, while all other threads run on.

What must be one step and isn't shows when a thread stands still in its middle for long enough that everybody else has
done what they can. `lines_of` gives the lines that a scenario reaches; a test then runs the scenario once for each.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, NamedTuple

PAUSE = 0.02  # seconds: a scenario's other threads are through with what they can do long before
_LONGEST = 120  # seconds of one scenario, after which it hangs: nothing in the process could end it then


class Line(NamedTuple):
    """A line as one kind of thread reaches it: by the first part of the thread's name, or MainThread."""

    file: str
    number: int
    thread: str

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.number} in {self.thread}"


_Trace = Callable[[FrameType, str, Any], Any]


class _Collector:
    """Notes the lines of some files that are reached."""

    def __init__(self, modules: Sequence[ModuleType]) -> None:
        self._files = {str(module.__file__) for module in modules}
        self.reached: set[Line] = set()

    def __call__(self, frame: FrameType, event: str, arg: Any) -> _Trace | None:
        return self._local if frame.f_code.co_filename in self._files else None

    def _local(self, frame: FrameType, event: str, arg: Any) -> _Trace:
        if event == "line":
            self.reached.add(Line(frame.f_code.co_filename, frame.f_lineno, _kind_of_thread()))
        return self._local


class _Pauser:
    """Pauses where a line is reached for the n-th time. Only the functions that have the line are traced."""

    def __init__(self, target: Line, occurrence: int) -> None:
        self._target, self._left = target, occurrence
        self._lock = threading.Lock()
        self.has_paused = False

    def __call__(self, frame: FrameType, event: str, arg: Any) -> _Trace | None:
        code, target = frame.f_code, self._target
        is_near = code.co_filename == target.file and code.co_firstlineno <= target.number
        return self._local if is_near and target.number in _lines(code) else None

    def _local(self, frame: FrameType, event: str, arg: Any) -> _Trace:
        is_there = event == "line" and frame.f_lineno == self._target.number
        if is_there and _kind_of_thread() == self._target.thread and self._is_the_one():
            time.sleep(PAUSE)
        return self._local

    def _is_the_one(self) -> bool:
        with self._lock:
            self._left -= 1
            self.has_paused = self.has_paused or self._left == 0
            return self._left == 0


@cache
def _lines(code: CodeType) -> frozenset[int]:
    return frozenset(number for _, _, number in code.co_lines() if number is not None)


def _kind_of_thread() -> str:
    return threading.current_thread().name.partition("_")[0]


@contextmanager
def _traced(tracer: _Trace) -> Iterator[None]:
    """Threads that begin in the block are traced, and this one. Coverage's own tracer has its turn afterwards."""
    before, before_in_threads = sys.gettrace(), threading.gettrace()
    faulthandler.dump_traceback_later(_LONGEST, exit=True)
    threading.settrace(tracer)
    sys.settrace(tracer)
    try:
        yield
    finally:
        sys.settrace(before)
        threading.settrace(before_in_threads)  # type: ignore[arg-type]
        faulthandler.cancel_dump_traceback_later()


def lines_of(scenario: Callable[[], None], modules: Sequence[ModuleType]) -> list[Line]:
    """The lines that the scenario reaches, each once for every kind of thread that does. It begins its own threads."""
    collector = _Collector(modules)
    with _traced(collector):
        scenario()
    return sorted(collector.reached)


def run_pausing_at(line: Line, scenario: Callable[[], None], occurrence: int = 1) -> bool:
    """Run the scenario with a pause where the line is reached for the n-th time; whether it was."""
    pauser = _Pauser(line, occurrence)
    try:
        with _traced(pauser):
            scenario()
    except Exception as error:
        error.add_note(f"paused at {line}, occurrence {occurrence}")
        raise
    return pauser.has_paused
