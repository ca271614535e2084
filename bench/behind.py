"""What work behind the scenes costs requests: CPU of a GET, HEAD and PUT of 4 KiB, of the worker and of all else.

    python -m bench.behind [--rounds 8] [--requests 3000] [--against COMMIT]

One server is as it comes; of the other each new object is told to a webhook, and scanned by a command. Both run at the
same time, with the server of another commit if there is one, and take turns, another first each round. What is done
afterwards belongs to the request: time is taken until all is quiet again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bench import signing
from bench.client import Connection
from bench.commits import checked_out, this_commit
from bench.rules import ratio
from bench.servers import HERE, Code, Running, bare, new_folder, start_ours, wait_until_quiet
from bench.small import Options, Small
from bench.table import render

_PLAIN, _ALL = "as it comes", "told and scanned"
_PARTS = ("the worker", "all else")
_WORK = {"GET 4 KiB": Small.get_once, "HEAD 4 KiB": Small.head_once, "PUT 4 KiB": Small.put_once}
_SCANNED = {"S3GW_EVENT_NETWORKS": "127.0.0.0/8", "S3GW_SCAN": "serve", "S3GW_SCAN_COMMAND": "cat"}
_LEAST = 10.0  # µs, below which a ratio says nothing
_LONGEST = 300.0  # seconds, until all is told and scanned
_IS_WORKER = b"s3gw.processes.worker"
_EVENTS = "<Event>s3:ObjectCreated:*</Event>"


@contextlib.contextmanager
def _serving(code: Code, folder: Path, webhook: Running | None) -> Iterator[Running]:
    """A server with its bucket."""
    folder.mkdir()
    settings = _SCANNED if webhook else {}
    os.environ.update(settings)
    server = start_ours(folder, code=code)
    for name in settings:
        del os.environ[name]
    try:
        connection = Connection(server.port)
        connection.exchange(signing.Signer().head("PUT", f"/{signing.BUCKET}"))
        if webhook is not None:
            url = f"http://127.0.0.1:{webhook.port}/hook/told"
            words = ["event-target", "create", "bench", url, "--data", str(folder / "data"), "--json"]
            made = subprocess.run(
                [code.python, "-m", "s3gw", *words], cwd=code.root, stdout=subprocess.PIPE, check=True
            )
            connection.exchange(_notification(json.loads(made.stdout)["arn"]))
        connection.close()
        yield server
    finally:
        server.stop()


def _notification(arn: str) -> bytes:
    rule = f"<QueueConfiguration><Queue>{arn}</Queue>{_EVENTS}</QueueConfiguration>"
    body = f"<NotificationConfiguration>{rule}</NotificationConfiguration>".encode()
    return signing.Signer().put(f"/{signing.BUCKET}", body, {"notification": ""})


def _used(server: Running) -> tuple[float, float]:
    """CPU seconds of the worker, and of all other processes, of those that have ended too."""
    by_process = server.used_by_process()
    worker = sum(used for pid, used in by_process.items() if _IS_WORKER in Path(f"/proc/{pid}/cmdline").read_bytes())
    return worker, server.cpu_seconds() - worker


def measure(codes: dict[str, Code], rounds: int, requests: int, folder: Path) -> dict[str, dict[str, list[float]]]:
    """CPU microseconds of one request, of each round, by work and part, and by server."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with contextlib.ExitStack() as stack:
        webhook = stack.enter_context(bare())
        smalls = {}
        for number, (name, code) in enumerate(codes.items()):
            server = stack.enter_context(_serving(code, folder / str(number), webhook if name == _ALL else None))
            smalls[name] = Small(server, Options(objects=requests), folder)
            smalls[name].fill_bucket()
        servers = [small.server for small in smalls.values()]
        for number in range(rounds):
            for work, run in _WORK.items():
                turn = number % len(smalls)
                for name in [*smalls, *smalls][turn : turn + len(smalls)]:
                    wait_until_quiet(servers, _LONGEST)
                    before = _used(smalls[name].server)
                    load = run(smalls[name], requests)
                    if not load.is_valid:
                        raise RuntimeError(f"{work}, {name}: {load.describe()}")
                    wait_until_quiet(servers, _LONGEST)
                    spent = [now - then for now, then in zip(_used(smalls[name].server), before, strict=True)]
                    for part, used in zip(_PARTS, spent, strict=True):
                        found[f"{work}, {part}"][name].append(used / requests * 1e6)
                    print(f"  … round {number + 1}, {work}, {name}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what work behind the scenes costs requests.")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--requests", type=int, default=3000, help="of each measurement")
    parser.add_argument("--against", metavar="COMMIT", help="measure another one too, as it comes")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(new_folder())
        codes = {_PLAIN: HERE, _ALL: HERE}
        if arguments.against:
            other = stack.enter_context(checked_out(arguments.against))
            codes = {other.name: other} | codes
        found = measure(codes, arguments.rounds, arguments.requests, folder)
    first, *others = codes
    header = (f"{this_commit()}, {arguments.rounds} rounds", *codes, *(f"{name} / {first}" for name in others))
    lines = []
    for work, servers in found.items():
        medians = [f"{statistics.median(servers[name]):.0f} µs" for name in codes]
        is_some = min(servers[first]) >= _LEAST
        ratios = [ratio(servers[name], servers[first]) if is_some else "–" for name in others]
        lines.append([work, *medians, *ratios])
    print(render(header, lines))


if __name__ == "__main__":
    main()
