"""What each process counts as it happens. Told by exposition.py, with what is measured when somebody asks.

Imported at the start of a process, when folder.py's variable is set: the library looks for it once. Values of
labels are from tables of ours, never from what a client sends: each is kept for ever.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from s3gw import log

if TYPE_CHECKING:
    from s3gw.log import Answered

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
WRITTEN_AFTER = 0.1  # seconds
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)

_requests = Counter(
    "s3gw_requests_total",
    "Requests that were answered, by door (s3, api, share, console), operation, HTTP status and class of who asked.",
    ("door", "operation", "status", "user_class"),
)
_seconds = Histogram(
    "s3gw_request_seconds",
    "Time from a request's head to the end of its answer.",
    ("door", "operation"),
    buckets=SECONDS,
)
_first_byte = Histogram(
    "s3gw_first_byte_seconds",
    "Time from a request's head to the beginning of its answer.",
    ("door", "operation"),
    buckets=SECONDS,
)
_received = Counter("s3gw_received_bytes_total", "Bytes of requests' bodies.", ("door",))
_sent = Counter("s3gw_sent_bytes_total", "Bytes of answers' bodies.", ("door",))
_aborted = Counter("s3gw_aborted_total", "Answers that were broken off.", ("door", "operation"))
connections = Gauge("s3gw_connections", "Open connections, by listener.", ("listener",), multiprocess_mode="livesum")
commits = Histogram(
    "s3gw_group_commit_writes", "Writes that one transaction of SQLite made durable together.", buckets=_SIZES
)
_cache_opens = Counter(
    "s3gw_chunk_cache_opens_total",
    "Chunks of the store in the network that were opened to be read: hit, where the cache had them, or miss.",
    ("outcome",),
)
job_runs = Counter("s3gw_job_runs_total", "Attempts at jobs that have ended, by kind and outcome.", ("kind", "outcome"))
job_seconds = Histogram(
    "s3gw_job_seconds", "Time of an attempt at a job.", ("kind",), buckets=(*SECONDS, 60, 300, 3600)
)

celery_messages = Counter("s3gw_celery_messages_total", "Jobs that workers of Celery were told of, by kind.", ("kind",))
celery_broker_down = Gauge(
    "s3gw_celery_broker_down", "1 while Celery's broker is found to be down.", multiprocess_mode="livemax"
)


def cache_opened(is_hit: bool) -> None:
    _cache_opens.labels("hit" if is_hit else "miss").inc()


class _Counted:
    """Of requests that have the same labels. What has ended since it was last written is gathered: the library takes a
    lock, asks for the process and writes to a file for each number, which for each request was a tenth of a HEAD's CPU.
    """

    def __init__(self, door: str, operation: str, status: int, user_class: str) -> None:
        self._request = _requests.labels(door, operation, str(status), user_class)
        self._seconds, self._first_byte = _seconds.labels(door, operation), _first_byte.labels(door, operation)
        self._received, self._sent = _received.labels(door), _sent.labels(door)
        self._aborted = partial(_aborted.labels, door, operation)
        self.seconds: list[float] = []
        self.first_bytes: list[float] = []
        self.received = self.sent = self.aborted = 0

    def write(self) -> None:
        self._request.inc(len(self.seconds))
        for seconds in self.seconds:
            self._seconds.observe(seconds)
        for seconds in self.first_bytes:
            self._first_byte.observe(seconds)
        if self.received:
            self._received.inc(self.received)
        if self.sent:
            self._sent.inc(self.sent)
        if self.aborted:
            self._aborted().inc(self.aborted)
        self.seconds, self.first_bytes, self.received, self.sent, self.aborted = [], [], 0, 0, 0


# On the event loop only.
_counted: dict[tuple[str, str, int, str], _Counted] = {}
_gathered: list[_Counted] = []  # those that have something to be written


def begin() -> None:
    """Count each request of this process."""
    log.watch(count)


def count(answer: Answered) -> None:
    labels = answer.door, answer.operation, answer.status, answer.principal.role
    counted = _counted.get(labels)
    if counted is None:
        counted = _counted[labels] = _Counted(*labels)
    if not counted.seconds:
        if not _gathered:
            asyncio.get_running_loop().call_later(WRITTEN_AFTER, write)
        _gathered.append(counted)
    counted.seconds.append(time.perf_counter() - answer.started_at)
    if answer.turned_at:
        counted.first_bytes.append(answer.turned_at - answer.started_at)
    counted.received += answer.bytes_received
    counted.sent += answer.bytes_sent
    counted.aborted += answer.was_aborted


def write() -> None:
    """What has been gathered: ten times a second, and before a process ends."""
    for counted in _gathered:
        counted.write()
    _gathered.clear()
