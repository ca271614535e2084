"""LIST: the CPU time of a page, and that a page of a million keys costs no more than one of ten thousand.

Also how long GETs take beside a LIST in the same process.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench import keys, signing
from bench.load.generator import Load, command, replay
from bench.servers import ROOT, Running, new_folder, ours
from bench.small import Small
from bench.table import Row

FEW, MANY, MANY_QUICK = 10_000, 1_000_000, 100_000
MOST_CPU = 2.5  # ms of CPU a page
MOST_TIMES = 3.0


def fill(data: Path, bucket: str, count: int) -> None:
    subprocess.run([sys.executable, "-m", "bench.prefill", str(data), bucket, str(count)], cwd=ROOT, check=True)


def pages_of(count: int) -> dict[str, Mapping[str, str]]:
    """First, middle and last pages of a bucket, and of the prefix that the delimiter groups."""
    ordered = sorted(keys.spread(count))
    grouped = {"prefix": keys.LISTED, "delimiter": "/"}
    middle, last = keys.grouped_places(ordered)
    return {
        "first page": {},
        "middle page": {"start-after": ordered[count // 2]},
        "last page": {"start-after": ordered[-1001]},
        "first page with /": grouped,
        "middle page with /": {**grouped, "start-after": middle},
        "last page with /": {**grouped, "start-after": last},
    }


def measure_page(server: Running, folder: Path, bucket: str, query: Mapping[str, str], seconds: float) -> Load:
    file = folder / "list.requests"
    signing.write_records(file, signing.lists([query] * 50, bucket))
    return replay(server, file, 1, seconds)


def scale(quick: bool) -> list[Row]:
    many, seconds = (MANY_QUICK, 1.0) if quick else (MANY, 3.0)
    with new_folder() as folder:
        with ours(folder=folder):
            pass  # makes the database and its admin
        fill(folder / "data", "few", FEW)
        fill(folder / "data", "many", many)
        with ours(folder=folder) as server:
            rows = []
            queries = pages_of(many)
            for page, few_query in pages_of(FEW).items():
                small = measure_page(server, folder, "few", few_query, seconds)
                large = measure_page(server, folder, "many", queries[page], seconds)
                rows.append(_compare(page, small, large, many))
            return rows


def _compare(page: str, small: Load, large: Load, many: int) -> Row:
    times = large.p50 / small.p50
    return Row(
        f"LIST of {many:,} keys, {page}",
        f"{large.p50 / 1000:.2f} ms",
        f"{small.p50 / 1000:.2f} ms with 10,000",
        f"{times:.1f} ×",
        f"≤ {MOST_TIMES:.0f} ×",
        times <= MOST_TIMES and small.is_valid and large.is_valid,
        f"CPU {large.cpu / 1000:.2f} and {small.cpu / 1000:.2f} ms",
    )


def cpu_row(work: str, load: Load) -> Row:
    milliseconds = load.cpu / 1000
    is_met = load.is_valid and milliseconds <= MOST_CPU
    budget = f"≤ {MOST_CPU} ms of CPU"
    return Row(
        work, f"{load.rate:.0f}/s", ratio=f"{milliseconds:.2f} ms", budget=budget, is_met=is_met, detail=load.describe()
    )


def beside_list(small: Small, folder: Path) -> Row:
    """GETs of 8 clients, alone and while 2 others list."""
    gets, listings = folder / "beside-gets", folder / "beside-lists"
    signing.write_records(gets, signing.reads("GET", small.keys[:10_000]))
    signing.write_records(listings, signing.lists([{"start-after": key} for key in small.keys[:200]]))
    seconds = max(2.0, small.options.seconds)
    alone = replay(small.server, gets, 8, seconds)
    with subprocess.Popen(command(small.server, listings, 2, seconds + 1), stdout=subprocess.DEVNULL) as lister:
        beside = replay(small.server, gets, 8, seconds)
        lister.wait()
    return Row(
        "GET 4 KiB beside LIST, p99",
        f"{beside.p99 / 1000:.1f} ms",
        f"{alone.p99 / 1000:.1f} ms alone",
        f"{beside.p99 / alone.p99:.1f} ×",
        detail=f"{beside.rate:.0f}/s and {alone.rate:.0f}/s",
    )
