"""Large bodies sent to a server and read from it: 64 MiB each, over 1 or more streams; and copies."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bench import signing
from bench.client import MIB, Body, Connection, body, in_streams
from bench.servers import Running

SIZE = 64  # MiB
_KEPT = [f"64m/kept/{number}" for number in range(8)]
Job = Callable[[Connection], object]


@dataclass(frozen=True)
class Transfer:
    """MB/s, milliseconds of CPU that the server took for each body, and how busy the client was, of one core."""

    rate: float
    cpu: float
    load: float


def median(transfers: Sequence[Transfer]) -> Transfer:
    parts = zip(*((one.rate, one.cpu, one.load) for one in transfers), strict=True)
    return Transfer(*map(statistics.median, parts))


def make_bucket(server: Running, bucket: str = signing.BUCKET) -> None:
    connection = Connection(server.port)
    connection.exchange(signing.Signer().head("PUT", f"/{bucket}"))
    connection.close()


def put(server: Running, streams: int, bodies: int, is_signed: bool = True) -> Transfer:
    """Bytes that the server hasn't seen, and that are deleted afterwards. Signed: SHA-256 is checked too."""
    keys = _new_keys(bodies)
    contents = [body(SIZE) for _ in keys]
    payloads = [content.sha256() if is_signed else signing.UNSIGNED for content in contents]
    jobs = [_put(*one) for one in zip(keys, contents, payloads, strict=True)]
    found = _transfer(server, _shared_out(jobs, streams))
    _delete(server, keys)
    return found


def get_kept(server: Running, streams: int, bodies: int) -> Transfer:
    """Objects that were read once since they were written (`keep`), so that they can be in memory."""
    return _transfer(server, _shared_out([_get(_KEPT[number % len(_KEPT)]) for number in range(bodies)], streams))


def keep(server: Running) -> None:
    in_streams(server.port, [[_put(key, body(SIZE)) for key in _KEPT]])
    in_streams(server.port, [[_get(key) for key in _KEPT]])


def get_new(server: Running, streams: int, bodies: int) -> Transfer:
    """Objects that were written right before and that nobody has read, each once."""
    keys = _new_keys(bodies)
    in_streams(server.port, [[_put(key, body(SIZE)) for key in keys]])
    found = _transfer(server, _shared_out([_get(key) for key in keys], streams))
    _delete(server, keys)
    return found


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


def copy_rate(server: Running, times: int = 5) -> float:
    """Copies of 64 MiB a second."""
    return 1 / copy_seconds(server, _KEPT[0], times)


def _new_keys(count: int) -> list[str]:
    run = os.urandom(4).hex()
    return [f"64m/new/{run}/{number}" for number in range(count)]


def _put(key: str, content: Body, payload: str = signing.UNSIGNED) -> Job:
    return partial(Connection.put, key=key, body=content, payload=payload)


def _get(key: str) -> Job:
    return partial(Connection.get, key=key)


def _shared_out(jobs: Sequence[Job], streams: int) -> list[Sequence[Job]]:
    return [jobs[stream::streams] for stream in range(streams)]


def _transfer(server: Running, jobs: Sequence[Sequence[Job]]) -> Transfer:
    bodies = sum(map(len, jobs))
    before, own_before = server.cpu_seconds(), time.process_time()
    seconds = in_streams(server.port, jobs)
    cpu, own = server.cpu_seconds() - before, time.process_time() - own_before
    return Transfer(bodies * SIZE * MIB / seconds / 1e6, cpu * 1000 / bodies, own / seconds)


def _delete(server: Running, keys: Sequence[str]) -> None:
    """So that a contest doesn't fill the disk."""
    connection = Connection(server.port)
    signer = signing.Signer()
    for key in keys:
        connection.exchange(signer.head("DELETE", signing.path_of(key)))
    connection.close()
