"""What all processes of this server have counted since it was started, by door: for the dashboard's history."""

from __future__ import annotations

import os
from collections.abc import Callable

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Sample

from s3gw.metadata.samples import Answered, Traffic
from s3gw.metrics.folder import VARIABLE

_FIRST_BYTE = "s3gw_first_byte_seconds_bucket"


def totals() -> Traffic | None:
    """None where processes count for themselves. It reads files, so it is for a thread."""
    if VARIABLE not in os.environ:
        return None
    found: dict[str, Answered] = {}
    times: dict[str, dict[float, int]] = {}
    for family in MultiProcessCollector(CollectorRegistry()).collect():  # type: ignore[no-untyped-call]
        for sample in family.samples:
            door, count = sample.labels.get("door"), _COUNTS.get(sample.name)
            if door is not None and count is not None:
                found[door] = found.get(door, Answered()).plus(count(sample))
            elif door is not None and sample.name == _FIRST_BYTE:
                of_door, limit = times.setdefault(door, {}), float(sample.labels["le"])
                of_door[limit] = of_door.get(limit, 0) + int(sample.value)
    within = {door: tuple(count for _, count in sorted(of_door.items())) for door, of_door in times.items()}
    return {door: answered._replace(within=within.get(door, ())) for door, answered in found.items()}


def _requests(sample: Sample) -> Answered:
    count, kind = int(sample.value), sample.labels["status"][:1]
    return Answered(requests=count, refused=count * (kind == "4"), failed=count * (kind == "5"))


_COUNTS: dict[str, Callable[[Sample], Answered]] = {
    "s3gw_requests_total": _requests,
    "s3gw_aborted_total": lambda sample: Answered(aborted=int(sample.value)),
    "s3gw_received_bytes_total": lambda sample: Answered(received=int(sample.value)),
    "s3gw_sent_bytes_total": lambda sample: Answered(sent=int(sample.value)),
}
