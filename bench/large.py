"""The rows of large bodies: GET and PUT of 64 MiB, their CPU, ranges of a large object, and copies."""

from __future__ import annotations

import os
import statistics
from functools import partial
from pathlib import Path

from bench import signing, transfers
from bench.client import Connection, body, in_streams
from bench.load.generator import Load, median, replay
from bench.servers import Running
from bench.small import Options
from bench.table import Row, ratio_row
from bench.transfers import Transfer
from bench.yardsticks import digests, disk

GIB = "1g/object"
RANGE = 64 << 10
RANGE_OBJECTS = 1000
_STREAMS = {1: "1 stream", 8: "8 streams"}


def put_gib(server: Running) -> None:
    in_streams(server.port, [[partial(Connection.put, key=GIB, body=body(1024))]])


def get_rows(server: Running, bare: Running, options: Options) -> list[Row]:
    """In memory and just written, each in turns with the bare server."""
    transfers.keep(server)
    rows = []
    for streams, name in _STREAMS.items():
        limits, kept, new = [], [], []
        for _ in range(options.rounds):
            limits.append(transfers.get_kept(bare, streams, options.bodies))
            kept.append(transfers.get_kept(server, streams, options.bodies))
            new.append(transfers.get_new(server, streams, options.bodies))
        limit, reached = transfers.median(limits), transfers.median(kept)
        rows.append(_against_bare(f"GET 64 MiB from memory, {name}", reached, limit, least=0.5))
        rows.append(_against_bare(f"GET 64 MiB just written, {name}", transfers.median(new), limit))
        if streams == 1:
            rows.append(_cpu_row("CPU of GET 64 MiB from memory", reached.cpu, limit.cpu, "bare"))
    return rows


def put_rows(server: Running, bare: Running, options: Options) -> list[Row]:
    """Signed payloads, in turns with what they are held against."""
    rows = []
    for streams, name in _STREAMS.items():
        alone, disks, swallowed, reached, unsigned = [], [], [], [], []
        for _ in range(options.rounds):
            alone.append(digests())
            disks.append(disk().best)
            swallowed.append(transfers.put(bare, streams, options.bodies))
            reached.append(transfers.put(server, streams, options.bodies))
            unsigned.append(transfers.put(server, streams, options.bodies, is_signed=False))
        md5, slowest = statistics.median(one.md5_rate for one in alone), statistics.median(disks)
        ours, bare_one = transfers.median(reached), transfers.median(swallowed)
        detail = f"MD5 {md5:.0f}, disk {slowest:.0f}, bare {bare_one.rate:.0f} MB/s, load {ours.load:.0%}"
        reference = "MD5" if md5 < slowest else "disk"
        rows.append(
            ratio_row(
                f"PUT 64 MiB signed, {name}", ours.rate, min(md5, slowest),
                form="{:.0f} MB/s", least=0.8, reference=reference, detail=detail,
            )
        )  # fmt: skip
        rows.append(_against_bare(f"PUT 64 MiB unsigned, {name}", transfers.median(unsigned), bare_one))
        if streams == 1:
            hashing = statistics.median(one.cpu for one in alone)
            detail = f"bare, which swallows the same: {bare_one.cpu:.0f} ms"
            rows.append(_cpu_row("CPU of PUT 64 MiB signed", ours.cpu, hashing, "MD5 + SHA-256", 1.5, detail))
    return rows


def _against_bare(work: str, reached: Transfer, limit: Transfer, least: float | None = None) -> Row:
    detail = f"{reached.cpu:.0f} ms of CPU (bare {limit.cpu:.0f}), load {reached.load:.0%} (bare {limit.load:.0%})"
    if least is not None:
        return ratio_row(
            work, reached.rate, limit.rate, form="{:.0f} MB/s", least=least, reference="bare", detail=detail
        )
    ratio = f"{reached.rate / limit.rate:.0%}"
    return Row(work, f"{reached.rate:.0f} MB/s", f"{limit.rate:.0f} MB/s bare", ratio, detail=detail)


def _cpu_row(
    work: str, used: float, against: float, reference: str, most: float | None = None, detail: str = ""
) -> Row:
    ratio = used / against
    return Row(
        work,
        f"{used:.0f} ms",
        f"{against:.0f} ms {reference}",
        f"{ratio:.2f} ×",
        "–" if most is None else f"≤ {most} × {reference}",
        None if most is None else ratio <= most,
        detail,
    )


def range_row(server: Running, options: Options, folder: Path) -> Row:
    """64 KiB out of 1 GiB, beside whole objects of 64 KiB."""
    keys = [f"64k/{number:04d}" for number in range(RANGE_OBJECTS)]
    wholes, parts = folder / "wholes", folder / "parts"
    signing.write_records(wholes, signing.puts(keys, RANGE))
    replay(server, wholes, 8, 0)
    signing.write_records(wholes, signing.reads("GET", keys))
    signing.write_records(parts, signing.ranges(GIB, 1 << 30, RANGE, 10_000))

    def measure(file: Path) -> Load:
        return median([replay(server, file, options.clients, options.seconds) for _ in range(options.rounds)])

    whole, part = measure(wholes), measure(parts)
    return ratio_row(
        "64 KiB ranges of 1 GiB",
        part.rate,
        whole.rate,
        form="{:.0f}/s",
        least=0.5,
        reference="whole objects",
        detail=f"{part.cpu:.0f} µs; {part.describe()}",
        is_valid=part.is_valid and whole.is_valid,
    )


def copy_row(server: Running, options: Options) -> Row:
    file_key = "1k/object"
    connection = Connection(server.port)
    connection.exchange(signing.Signer().put(signing.path_of(file_key), os.urandom(1024)))
    connection.close()
    times = 20 if options.rounds == 1 else 100
    small, large = (transfers.copy_seconds(server, source, times) for source in (file_key, GIB))
    ratio = large / small
    return Row(
        "CopyObject of 1 GiB",
        f"{large * 1000:.1f} ms",
        f"{small * 1000:.1f} ms for 1 KiB",
        f"{ratio:.1f} ×",
        "≤ 3 ×",
        ratio <= 3,
    )
