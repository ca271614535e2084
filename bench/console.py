"""How soon pages of the console begin, beside an S3 that does half of what it can.

    python -m bench.console [--seconds 20]

The load is the mixture of `make bench` (4 KiB), first as much as the server answers, then half of that. An
admin meanwhile opens one page after the other, five a second at most.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from collections import defaultdict

import httpx

from bench import keys
from bench.commits import this_commit
from bench.load.generator import command
from bench.servers import ROOT_PASSWORD, Running, new_folder, ours, wait_until_quiet
from bench.small import Options, Small
from bench.table import render

MOST = 100  # ms, the 95th of 100
_PAUSE = 0.2


def pages(browser: httpx.Client) -> dict[str, str]:
    found = browser.get("/console/buckets")
    bucket = f"/console/buckets/{found.text.split('/console/buckets/', 1)[1][:36]}"
    return {
        "buckets": "/console/buckets",
        "files of a folder": f"{bucket}?prefix={keys.LISTED}",
        "who may": f"{bucket}/access",
        "overview": "/console/admin",
        "jobs": "/console/admin/jobs",
        "audit log": "/console/admin/audit",
    }


def opened(server: Running) -> httpx.Client:
    browser = httpx.Client(base_url=server.admin, timeout=60)
    answer = browser.post(
        "/console/login", data={"username": "admin", "password": ROOT_PASSWORD}, headers={"Origin": server.admin}
    )
    assert answer.status_code == 303, answer.text
    return browser


def first_bytes(browser: httpx.Client, places: dict[str, str], seconds: float) -> dict[str, list[float]]:
    """Milliseconds, of each page."""
    found: dict[str, list[float]] = defaultdict(list)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, place in places.items():
            time.sleep(_PAUSE)
            began = time.perf_counter()
            with browser.stream("GET", place) as answer:
                found[name].append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 200, (place, answer.status_code)
                answer.read()
    return found


def beside_half(server: Running, small: Small, rate: float, seconds: float) -> tuple[dict[str, list[float]], float]:
    """And at what rate the load was answered."""
    browser = opened(server)
    places = pages(browser)
    file = small.mixed_for(rate, seconds + 5)
    words = [*command(server, file, small.options.clients, 0), str(rate)]
    load = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(2)
        found = first_bytes(browser, places, seconds)
    finally:
        told, _ = load.communicate()
        file.unlink()
    answered = json.loads(told)
    assert not answered["refused"] and not answered["broken"], answered
    return found, answered["requests"] / answered["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how soon the console's pages begin beside a busy S3.")
    parser.add_argument("--seconds", type=float, default=30, help="of the pages' requests")
    parser.add_argument("--workers", type=int, default=2, help="as many as s3gw has by itself on two cores")
    arguments = parser.parse_args()
    with new_folder() as folder, ours(workers=arguments.workers) as server:
        small = Small(server, Options(seconds=4, rounds=1, objects=10_000), folder)
        small.fill()
        most = small.mixed().rate
        wait_until_quiet([server])
        browser = opened(server)
        idle = first_bytes(browser, pages(browser), arguments.seconds)
        busy, rate = beside_half(server, small, most / 2, arguments.seconds)
    header = (this_commit(), "p50, idle", "p95, idle", f"p50 beside {rate:.0f} of {most:.0f}/s", "p95", "")
    lines = []
    for name, times in busy.items():
        late = _p95(times)
        middles = [f"{statistics.median(values):.0f} ms" for values in (idle[name], times)]
        verdict = "met" if late <= MOST else f"MISSED: {MOST} ms at most"
        lines.append([name, middles[0], f"{_p95(idle[name]):.0f} ms", middles[1], f"{late:.0f} ms", verdict])
    print(render(header, lines))


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


if __name__ == "__main__":
    main()
