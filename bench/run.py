"""`make bench`: measures the cost budget of docs/architecture.md and prints its table, with each budget's verdict.

    python -m bench.run [--quick] [--only ROW …]
    python -m bench.run [--quick] --peers "minio versitygw"     the same work for other servers, in turns with ours
    python -m bench.run [--quick] --against COMMIT              the same for another commit of ours

Rows: see ROWS. The exit status is 1 when a budget was missed. README.md beside this file explains the method.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path

from bench import footprint, large, listing, standings, transfers
from bench.client import Refused
from bench.commits import checked_out, this_commit
from bench.contest import Start, contest
from bench.load.generator import Load
from bench.peers import PEERS, peer, program_of, version_of
from bench.servers import CannotStart, Running, bare, new_folder, ours
from bench.small import Options, Small
from bench.table import Row, ratio_row, render_rows
from bench.yardsticks import disk_rows


def say(text: str) -> None:
    print(f"  … {text}", file=sys.stderr, flush=True)


class Bench:
    """Servers and objects that rows share; each is made when the first row asks for it."""

    def __init__(self, options: Options, is_quick: bool, folder: Path, stack: contextlib.ExitStack) -> None:
        self.options = options
        self.is_quick = is_quick
        self.folder = folder
        self._stack = stack

    @cached_property
    def bare(self) -> Running:
        return self._stack.enter_context(bare())

    @cached_property
    def bare_small(self) -> Small:
        return Small(self.bare, self.options, self.folder)

    @cached_property
    def small(self) -> Small:
        """One worker, with the objects of the small rows."""
        small = Small(self._stack.enter_context(ours()), self.options, self.folder)
        say(f"putting {self.options.objects:,} objects")
        small.fill()
        return small

    @cached_property
    def large(self) -> Running:
        """One worker, with an object of 1 GiB."""
        server = self._stack.enter_context(ours())
        transfers.make_bucket(server)
        say("putting large objects")
        large.put_gib(server)
        return server


def _small_row(work: str, load: Load, limit: Load, least: float | None) -> Row:
    detail = f"{load.cpu:.0f} µs (bare {limit.cpu:.0f}); {load.describe()} (bare {limit.load_share:.0%})"
    if load.wraps and "PUT" in work:
        detail += "; keys were put twice"
    if not limit.is_valid:
        detail += "; bare was broken"
    if least is None:
        ratio = f"{load.rate / limit.rate:.0%}"
        return Row(work, f"{load.rate:.0f}/s", f"{limit.rate:.0f}/s bare", ratio, detail=detail)
    is_valid = load.is_valid and limit.is_valid
    return ratio_row(
        work, load.rate, limit.rate, form="{:.0f}/s", least=least, reference="bare", detail=detail, is_valid=is_valid
    )


def _get(bench: Bench) -> list[Row]:
    return [_small_row("GET 4 KiB", bench.small.get(), bench.bare_small.get(), 0.30)]


def _head(bench: Bench) -> list[Row]:
    return [_small_row("HEAD 4 KiB", bench.small.head(), bench.bare_small.head(), 0.30)]


def _put(bench: Bench) -> list[Row]:
    return [_small_row("PUT 4 KiB", bench.small.put(), bench.bare_small.put_unchecked(), 0.15)]


def _mixed(bench: Bench) -> list[Row]:
    return [_small_row("mixed 4 KiB", bench.small.mixed(), bench.bare_small.mixed(), None)]


def _list(bench: Bench) -> list[Row]:
    return [
        listing.cpu_row("LIST, 1,000 keys a page", bench.small.list_flat()),
        listing.cpu_row("LIST with /, 1,000 prefixes a page", bench.small.list_folders()),
    ]


def _beside_list(bench: Bench) -> list[Row]:
    return [listing.beside_list(bench.small, bench.folder)]


def _delete(bench: Bench) -> list[Row]:
    return [_small_row("DELETE", bench.small.delete(), bench.bare_small.delete(), None)]


# In the order in which they are run and shown; `delete` takes away what the rows before it read.
ROWS: dict[str, Callable[[Bench], list[Row]]] = {
    "get": _get,
    "head": _head,
    "put": _put,
    "mixed": _mixed,
    "list": _list,
    "beside-list": _beside_list,
    "delete": _delete,
    "list-scale": lambda bench: listing.scale(bench.is_quick),
    "disk": lambda bench: disk_rows(bench.options.rounds),
    "get-large": lambda bench: large.get_rows(bench.large, bench.bare, bench.options),
    "put-large": lambda bench: large.put_rows(bench.large, bench.bare, bench.options),
    "range": lambda bench: [large.range_row(bench.large, bench.options, bench.folder)],
    "copy": lambda bench: [large.copy_row(bench.large, bench.options)],
    "memory": lambda bench: footprint.memory_rows(),
    "start": lambda bench: [footprint.start_row(1 if bench.is_quick else 5)],
}


def measure(names: list[str], options: Options, is_quick: bool) -> list[Row]:
    rows: list[Row] = []
    with new_folder() as folder, contextlib.ExitStack() as stack:
        bench = Bench(options, is_quick, folder, stack)
        for name in names:
            say(name)
            try:
                rows += ROWS[name](bench)
            except (CannotStart, Refused, RuntimeError, OSError, subprocess.CalledProcessError) as error:
                rows.append(Row(name, "failed", is_met=False, detail=" ".join(str(error).split())[:300]))
    return rows


def title() -> str:
    return f"{time.strftime('%Y-%m-%d')}, {this_commit()}"


def measure_peers(names: list[str], options: Options) -> str:
    """Ours is in the middle of the round, so that it comes before each peer as often as after it."""
    unknown = set(names) - set(PEERS) - {"all"}
    if unknown:
        raise SystemExit(f"no such peer is known: {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    chosen = [name for name in PEERS if program_of(name)] if "all" in names else names
    starts: dict[str, Start] = {name: partial(peer, name) for name in chosen}
    middle: dict[str, Start] = {"s3gw": partial(ours, workers=os.cpu_count() or 1), "bare": bare}
    order = [*chosen[: len(chosen) // 2], *middle, *chosen[len(chosen) // 2 :]]
    with new_folder() as folder:
        found, remarks = contest({name: {**starts, **middle}[name] for name in order}, options, folder, say)
    durability = {"s3gw": "yes", **{name: PEERS[name].durability for name in chosen}}
    versions = [f"{one.name}: {version_of(one.name)}" for one in found if one.name in PEERS]
    return standings.beside_peers(found, durability, title(), [*remarks, *versions])


def measure_against(commit: str, options: Options) -> str:
    workers = os.cpu_count() or 1
    with checked_out(commit) as code, new_folder() as folder:
        starts: dict[str, Start] = {
            "s3gw": partial(ours, workers=workers),
            code.name: partial(ours, workers=workers, code=code),
        }
        found, remarks = contest(starts, options, folder, say)
    return standings.beside_commit(found, title(), remarks)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure what requests cost.")
    parser.add_argument("--quick", action="store_true", help="fewer objects and one short round: a look, no verdict")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument(
        "--peers", default="", help=f"other servers to measure: {' '.join(PEERS)}, or all that are here"
    )
    parser.add_argument("--against", metavar="COMMIT", help="measure another commit in turns with this one")
    arguments = parser.parse_args()
    options = Options.quick() if arguments.quick else Options()
    peers = arguments.peers.replace(",", " ").split()
    started = time.monotonic()
    print(f"{platform.platform()}, Python {platform.python_version()}, {title()}\n", flush=True)
    rows: list[Row] = []
    if arguments.only or not (peers or arguments.against):
        rows = measure(arguments.only or list(ROWS), options, arguments.quick)
        print(render_rows(rows, title()), flush=True)
    if peers:
        print(measure_peers(peers, options), flush=True)
    if arguments.against:
        print(measure_against(arguments.against, options), flush=True)
    say(f"{time.monotonic() - started:.0f} s")
    return 1 if any(row.is_met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
