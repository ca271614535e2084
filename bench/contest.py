"""The same work for ours and for peers, a line a server: who is ahead in which column."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import large
from bench.client import MIB, Refused
from bench.load.generator import Load
from bench.peers import PEERS, peer
from bench.servers import CannotStart, Running, ours
from bench.small import Options, Small
from bench.table import render

SMALL = ("PUT 4 KiB", "GET 4 KiB", "HEAD", "mixed", "LIST 1000", "LIST with /", "DELETE")
COLUMNS = ("durable PUT?", *SMALL, "PUT 64 MiB", "GET 64 MiB", "COPY 64 MiB", "RSS idle / end")
Cell = tuple[str, float]  # what is shown, and what is compared


def measure(server: Running, options: Options, folder: Path, say: Callable[[str], None]) -> dict[str, Cell]:
    """Every column; one that the server can't do says so, and the others go on."""
    small = Small(server, options, folder)
    idle = server.resident() / MIB
    say(f"{server.name}: prefill")
    small.fill()
    cells: dict[str, Cell] = {}
    runs = (small.put, small.get, small.head, small.mixed, small.list_flat, small.list_folders, small.delete)
    columns: dict[str, Callable[[], Cell]] = {
        **{column: partial(_small_cell, run) for column, run in zip(SMALL, runs, strict=True)},
        "PUT 64 MiB": lambda: _rates(server, large.put_rate, options),
        "GET 64 MiB": lambda: _get_rates(server, options),
        "COPY 64 MiB": lambda: _copies(server),
    }
    for column, measure_column in columns.items():
        say(f"{server.name}: {column}")
        cells[column] = _try(measure_column)
    cells["RSS idle / end"] = (f"{idle:.0f} / {server.resident() / MIB:.0f}", 0.0)
    return cells


def _try(run: Callable[[], Cell]) -> Cell:
    try:
        return run()
    except (Refused, RuntimeError, OSError, ValueError) as error:
        return f"failed: {str(error).splitlines()[0][:60]}", 0.0


def _small_cell(run: Callable[[], Load]) -> Cell:
    load = run()
    if not load.is_valid:
        return f"failed: {load.refused} refused", 0.0
    return f"{load.rate:.0f} ({load.cpu:.0f} µs)", load.rate


def _rates(server: Running, rate: Callable[[Running, int, int], float], options: Options) -> Cell:
    times = 8 if options.rounds == 1 else 24
    one, eight = rate(server, 1, times), rate(server, 8, times)
    return f"{one:.0f} / {eight:.0f}", one


def _get_rates(server: Running, options: Options) -> Cell:
    large.put_some(server)
    return _rates(server, large.get_rate, options)


def _copies(server: Running) -> Cell:
    rate = 1 / large.copy_seconds(server, large.KEYS[0], 5)
    return f"{rate:.1f}", rate


@contextmanager
def _contestant(name: str) -> Iterator[Running]:
    with ours(workers=os.cpu_count() or 1) if name == "s3gw" else peer(name) as server:
        yield server


def contest(names: Sequence[str], options: Options, folder: Path, say: Callable[[str], None]) -> str:
    """The table, and under it where ours isn't first."""
    found: dict[str, dict[str, Cell]] = {}
    absent: dict[str, str] = {}
    for name in ("s3gw", *names):
        try:
            with _contestant(name) as server:
                found[name] = measure(server, options, folder, say)
        except (CannotStart, RuntimeError, OSError) as error:
            absent[name] = str(error)
    lines = [[name, *(_cell(name, cells, column) for column in COLUMNS)] for name, cells in found.items()]
    lines += [[name, "not measured", *[""] * (len(COLUMNS) - 1)] for name in absent]
    remarks = [f"{name}: {reason}" for name, reason in absent.items()]
    return "\n".join([render(("server", *COLUMNS), lines), "", *remarks, *_verdicts(found)])


def _cell(name: str, cells: dict[str, Cell], column: str) -> str:
    if column == "durable PUT?":
        return PEERS[name].durability if name in PEERS else "yes"
    return cells[column][0]


def _verdicts(found: dict[str, dict[str, Cell]]) -> list[str]:
    mine = found.get("s3gw")
    if mine is None or len(found) < 2:
        return []
    ahead = {column: [name for name, cells in found.items() if cells[column][1] > mine[column][1]] for column in SMALL}
    behind = [f"{column}: behind {', '.join(names)}" for column, names in ahead.items() if names]
    return behind or ["s3gw is ahead in every column of small requests."]
