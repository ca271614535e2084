"""The dashboard's history, for whoever shows it: what was answered, how soon, and what was stored, in a range."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Literal, NamedTuple

from s3gw.metadata import measures, samples
from s3gw.metadata.database import Connection, now
from s3gw.metadata.measures import Measures
from s3gw.metadata.samples import DAY, HOUR, MINUTE, TEN_MINUTES, Answered, Sample, Stored, Traffic, together
from s3gw.metrics.counted import SECONDS

_SECOND = 1_000_000
Name = Literal["hour", "day", "month", "year"]


class Range(NamedTuple):
    """So many `steps`, each of so many seconds, put together from the samples of `span`."""

    span: int
    step: int
    steps: int


RANGES: dict[Name, Range] = {
    "hour": Range(MINUTE, MINUTE, 60),
    "day": Range(TEN_MINUTES, 2 * TEN_MINUTES, 72),
    "month": Range(HOUR, 12 * HOUR, 60),
    "year": Range(DAY, 7 * DAY, 53),
}


class Latency(NamedTuple):
    """Seconds to the beginning of an answer, as half, 95 % and 99 % of them took at most; None: there was none."""

    p50: float | None
    p95: float | None
    p99: float | None


class Point(NamedTuple):
    at: int
    traffic: Traffic
    stored: Stored  # as it was known then


class History(NamedTuple):
    since: int
    until: int
    points: list[Point]
    measured_at: int | None  # when physical and exclusive bytes were
    stored: Stored  # now
    measures: Measures


def history_of(conn: Connection, name: Name) -> History:
    found = RANGES[name]
    step, until = found.step * _SECOND, now(conn)
    since = until - until % step - (found.steps - 1) * step
    last = samples.last_measured(conn)
    points = _points(samples.since(conn, found.span, since), since, until, step)
    measured = last[1] if last else Stored()
    stored = samples.counted(conn)._replace(physical=measured.physical, exclusive=measured.exclusive)
    return History(since, until, points, last[0] if last else None, stored, measures.measure(conn))


def _points(found: Sequence[Sample], since: int, until: int, step: int) -> list[Point]:
    """One for each step: where nothing was answered, with nothing; what is stored is as it was before."""
    within: dict[int, list[Sample]] = {}
    for sample in found:
        within.setdefault(sample.at - sample.at % step, []).append(sample)
    points, stored = list[Point](), Stored()
    for at in range(since, until, step):
        here = within.get(at, [])
        for sample in here:
            stored = Stored(*(new if new is not None else old for new, old in zip(sample.stored, stored, strict=True)))
        points.append(Point(at, reduce(together, (sample.traffic for sample in here), {}), stored))
    return points


def all_doors(traffic: Traffic) -> Answered:
    return reduce(Answered.plus, traffic.values(), Answered())


def latency_of(answered: Answered) -> Latency:
    return Latency(*(_quantile(answered.within, share) for share in (0.5, 0.95, 0.99)))


def _quantile(within: Sequence[int], share: float) -> float | None:
    """As Prometheus reckons it: evenly between two of the times that are counted; beyond the last it is the last."""
    total = within[-1] if within else 0
    if total <= 0:
        return None
    wanted, before, low = share * total, 0, 0.0
    for limit, count in zip(SECONDS, within, strict=False):
        if count >= wanted:
            return low + (limit - low) * (wanted - before) / max(1, count - before)
        before, low = count, limit
    return SECONDS[-1]
