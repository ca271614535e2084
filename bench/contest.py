"""The same work for ours and for others, in turns: who is ahead at what.

All servers run at the same time, and each piece of work goes round all of them before the next begins, forwards and
backwards in turn, ours in the middle. So a minute in which the machine is slow falls on all alike, and what it does to
the figures is seen in their spread. Those that wait must do nothing meanwhile; how much CPU they took is told.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import transfers
from bench.client import MIB, Refused
from bench.load.generator import Load
from bench.servers import CannotStart, Running, wait_until_quiet
from bench.small import Options, Small
from bench.transfers import Transfer

Say = Callable[[str], None]
Start = Callable[[], contextlib.AbstractContextManager[Running]]


@dataclass(frozen=True)
class Sample:
    value: float
    cpu: float = 0.0  # of the server, for one request or body
    unit: str = ""  # of the CPU
    load: float = 0.0  # how busy the load program was, of one core
    mark: str = ""  # what is wrong with it


@dataclass
class Contestant:
    """A server that is being measured, and what it has reached so far."""

    name: str
    server: Running
    small: Small
    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[str, str] = field(default_factory=dict)
    busiest_idle: tuple[float, str] = (0.0, "")  # of one core, while another was measured, and at what

    def value(self, work: str) -> float | None:
        return self._median(work, lambda sample: sample.value)

    def cpu(self, work: str) -> float | None:
        return self._median(work, lambda sample: sample.cpu)

    def _median(self, work: str, part: Callable[[Sample], float]) -> float | None:
        found = self.samples.get(work)
        return None if work in self.failures or not found else statistics.median(map(part, found))

    def bounds(self, work: str) -> tuple[float, float]:
        values = [sample.value for sample in self.samples[work]]
        return min(values), max(values)

    def cell(self, work: str) -> str:
        """The rates of all rounds, the median of CPU, and the highest load."""
        if work in self.failures:
            return f"failed: {self.failures[work]}"
        samples = self.samples.get(work)
        if not samples:
            return "–"
        low, high = (f"{value:.{int(value < 20)}f}" for value in self.bounds(work))
        cost = f"{self.cpu(work):.0f} {samples[0].unit}" if samples[0].unit else ""
        cost += f", load {max(sample.load for sample in samples):.0%}" if samples[0].load else ""
        marks = "".join(sorted({sample.mark for sample in samples}))
        return (low if low == high else f"{low}–{high}") + f" ({cost})" * bool(cost) + marks


@dataclass(frozen=True)
class Work:
    name: str
    run: Callable[[Contestant, Options], Sample]
    is_for_bare: bool = True
    is_less_better: bool = False


def _small(run: Callable[[Small], Load]) -> Callable[[Contestant, Options], Sample]:
    def measure(contestant: Contestant, _: Options) -> Sample:
        load = run(contestant.small)
        if not load.is_valid:
            raise Refused(load.describe())
        mark = " LOAD IS THE LIMIT" * load.is_limited_by_load + f" {load.reconnects} reconnects" * bool(load.reconnects)
        return Sample(load.rate, load.cpu, "µs", load.load_share, mark)

    return measure


def _large(run: Callable[[Running, int, int], Transfer], streams: int) -> Callable[[Contestant, Options], Sample]:
    def measure(contestant: Contestant, options: Options) -> Sample:
        found = run(contestant.server, streams, options.bodies)
        return Sample(found.rate, found.cpu, "ms", found.load)

    return measure


def _copy(contestant: Contestant, _: Options) -> Sample:
    return Sample(transfers.copy_rate(contestant.server))


def _resident(contestant: Contestant, _: Options) -> Sample:
    return Sample(contestant.server.resident() / MIB)


IDLE, END = "RSS idle, MiB", "RSS at the end, MiB"
WORK = (
    Work("PUT 4 KiB", _small(Small.put)),
    Work("GET 4 KiB", _small(Small.get)),
    Work("HEAD", _small(Small.head)),
    Work("mixed", _small(Small.mixed)),
    Work("LIST 1000", _small(Small.list_flat), is_for_bare=False),
    Work("LIST 1000 with /", _small(Small.list_folders), is_for_bare=False),
    Work("PUT 64 MiB signed, 1 stream", _large(transfers.put, 1)),
    Work("PUT 64 MiB signed, 8 streams", _large(transfers.put, 8)),
    Work("GET 64 MiB just written, 1 stream", _large(transfers.get_new, 1)),
    Work("GET 64 MiB just written, 8 streams", _large(transfers.get_new, 8)),
    Work("GET 64 MiB from memory, 1 stream", _large(transfers.get_kept, 1)),
    Work("GET 64 MiB from memory, 8 streams", _large(transfers.get_kept, 8)),
    Work("COPY 64 MiB", _copy, is_for_bare=False),
    Work("DELETE", _small(Small.delete)),
    Work(END, _resident, is_less_better=True),
)
SHOWN = (Work(IDLE, _resident, is_less_better=True), *WORK)


def contest(starts: dict[str, Start], options: Options, folder: Path, say: Say) -> tuple[list[Contestant], list[str]]:
    """Those that could be measured, in the order given, and why others couldn't. Measured in the order given, too."""
    once = Options(**{**vars(options), "rounds": 1})
    with contextlib.ExitStack() as stack:
        contestants, absent = [], []
        for name, start in starts.items():
            say(f"{name}: start and prefill")
            try:
                contestants.append(_enter(name, stack.enter_context(start()), once, folder))
            except (CannotStart, Refused, RuntimeError, OSError) as error:
                absent.append(f"{name} not measured: {' '.join(str(error).split())[:300]}")
        for work in WORK:
            for number in range(options.rounds):
                for contestant in contestants if number % 2 == 0 else reversed(contestants):
                    if work.is_for_bare or contestant.name != "bare":
                        say(f"{work.name}, round {number + 1}: {contestant.name}")
                        _measure(work, contestant, contestants, once)
        return contestants, absent


def _enter(name: str, server: Running, options: Options, folder: Path) -> Contestant:
    contestant = Contestant(name, server, Small(server, options, folder))
    time.sleep(1)
    contestant.samples[IDLE].append(_resident(contestant, options))
    if name != "bare":
        contestant.small.fill()
        transfers.keep(server)
    return contestant


def _measure(work: Work, contestant: Contestant, all_of_them: Sequence[Contestant], options: Options) -> None:
    """What earlier work left to do is done first, so that it isn't charged to the next: requests that the load gave up
    when its time was over, and what is in the page cache."""
    if work.name in contestant.failures:
        return
    wait_until_quiet([one.server for one in all_of_them])
    os.sync()
    idle = [other for other in all_of_them if other is not contestant]
    before, started = [other.server.cpu_seconds() for other in idle], time.monotonic()
    try:
        contestant.samples[work.name].append(work.run(contestant, options))
    except (Refused, RuntimeError, OSError, ValueError) as error:
        contestant.failures[work.name] = " ".join(str(error).split())[:80]
    elapsed = time.monotonic() - started
    for other, used in zip(idle, before, strict=True):
        share = (other.server.cpu_seconds() - used) / elapsed
        if elapsed > 1:
            other.busiest_idle = max(other.busiest_idle, (share, f"{work.name} of {contestant.name}"))
