"""Large bodies: GET and PUT of 64 MiB, ranges of a large object, and copies."""

from __future__ import annotations

import hashlib
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import signing
from bench.client import MIB, Connection, body, in_streams
from bench.load.generator import Load, median, replay, wrk
from bench.servers import Running
from bench.small import Options
from bench.table import Row, ratio_row

SIZE = 64  # MiB
KEYS = [f"64m/{number}" for number in range(8)]
GIB = "1g/object"
RANGE = 64 << 10
RANGE_OBJECTS = 1000
_STREAMS = (1, 8)


def make_bucket(server: Running, bucket: str = signing.BUCKET) -> None:
    connection = Connection(server.port)
    connection.exchange(signing.Signer().head("PUT", f"/{bucket}"))
    connection.close()


def put_some(server: Running) -> None:
    in_streams(server.port, [[partial(Connection.put, key=key, body=body(SIZE)) for key in KEYS]])


def put_gib(server: Running) -> None:
    in_streams(server.port, [[partial(Connection.put, key=GIB, body=body(1024))]])


def get_rate(server: Running, streams: int, times: int) -> float:
    """MB/s of GETs; each stream reads objects of its own."""
    each = max(times // streams, 1)
    jobs = [
        [partial(Connection.get, key=KEYS[(stream + number) % len(KEYS)]) for number in range(each)]
        for stream in range(streams)
    ]
    return streams * each * SIZE * MIB / in_streams(server.port, jobs) / 1e6


def put_rate(server: Running, streams: int, times: int, signs_payload: bool = False) -> float:
    """MB/s of PUTs of bytes that the server hasn't seen."""
    each = max(times // streams, 1)
    run = os.urandom(4).hex()
    jobs: list[list[Callable[[Connection], object]]] = []
    for stream in range(streams):
        own: list[Callable[[Connection], object]] = []
        for number in range(each):
            content = body(SIZE)
            payload = content.sha256() if signs_payload else signing.UNSIGNED
            own.append(partial(Connection.put, key=f"put/{run}/{stream}/{number}", body=content, payload=payload))
        jobs.append(own)
    return streams * each * SIZE * MIB / in_streams(server.port, jobs) / 1e6


def md5_rate() -> float:
    """MB/s of MD5 alone, on one core, over the same bytes."""
    pieces = body(SIZE).pieces()
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        digest = hashlib.md5()
        for piece in pieces:
            digest.update(piece)
        seconds.append(time.perf_counter() - started)
    return SIZE * MIB / statistics.median(seconds) / 1e6


def _times(options: Options) -> int:
    return 8 if options.rounds == 1 else 24


def get_rows(server: Running, bare: Running, options: Options) -> list[Row]:
    rows = []
    for streams in _STREAMS:
        pairs = [
            (get_rate(bare, streams, _times(options)), get_rate(server, streams, _times(options)))
            for _ in range(options.rounds)
        ]
        reached, limit = (statistics.median(pair[side] for pair in pairs) for side in (1, 0))
        work = f"GET 64 MiB, {streams} stream{'s' * (streams > 1)}"
        rows.append(ratio_row(work, reached, limit, form="{:.0f} MB/s", least=0.8, reference="bare", detail=""))
    return rows


def put_rows(server: Running, bare: Running, options: Options) -> list[Row]:
    rows = []
    for streams in _STREAMS:
        md5 = md5_rate()
        reached = statistics.median(put_rate(server, streams, _times(options)) for _ in range(options.rounds))
        swallowed = put_rate(bare, streams, _times(options))
        work = f"PUT 64 MiB, {streams} stream{'s' * (streams > 1)}"
        detail = f"bare {swallowed:.0f} MB/s"
        rows.append(ratio_row(work, reached, md5, form="{:.0f} MB/s", least=0.8, reference="MD5", detail=detail))
    signed = put_rate(server, 1, _times(options), signs_payload=True)
    rows.append(Row("PUT 64 MiB, 1 stream, signed payload", f"{signed:.0f} MB/s", detail="SHA-256 is checked too"))
    return rows


def range_row(server: Running, options: Options, folder: Path) -> Row:
    """64 KiB out of 1 GiB, beside whole objects of 64 KiB."""
    keys = [f"64k/{number:04d}" for number in range(RANGE_OBJECTS)]
    wholes, parts = folder / "wholes", folder / "parts"
    signing.write_records(wholes, signing.puts(keys, RANGE))
    replay(server, wholes, 8, 0)
    signing.write_records(wholes, signing.reads("GET", keys))
    signing.write_records(parts, signing.ranges(GIB, 1 << 30, RANGE, 10_000))

    def measure(file: Path) -> Load:
        return median([wrk(server, file, options.clients, options.seconds) for _ in range(options.rounds)])

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


def copy_seconds(server: Running, source: str, times: int) -> float:
    """The median of copies to keys of their own."""
    connection = Connection(server.port)
    run = os.urandom(4).hex()
    seconds = []
    for number in range(times):
        started = time.perf_counter()
        connection.copy(source, f"copy/{run}/{number}")
        seconds.append(time.perf_counter() - started)
    connection.close()
    return statistics.median(seconds)


def copy_row(server: Running, options: Options) -> Row:
    file_key = "1k/object"
    connection = Connection(server.port)
    content = os.urandom(1024)
    connection.exchange(signing.Signer().put(signing.path_of(file_key), content))
    connection.close()
    times = 20 if options.rounds == 1 else 100
    small, large = copy_seconds(server, file_key, times), copy_seconds(server, GIB, times)
    ratio = large / small
    return Row(
        "CopyObject of 1 GiB",
        f"{large * 1000:.1f} ms",
        f"{small * 1000:.1f} ms for 1 KiB",
        f"{ratio:.1f} ×",
        "≤ 3 ×",
        ratio <= 3,
    )
