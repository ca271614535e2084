"""The settled clock: the earliest time that it may be."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from s3gw.jobs import settled_clock
from s3gw.jobs.settled_clock import SETTLES, SettledClock

SECOND = 1_000_000


def test_the_earliest_time_that_was_told_within_the_hour_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    elapsed = 100.0
    monkeypatch.setattr(settled_clock, "time", SimpleNamespace(monotonic=lambda: elapsed))
    clock = SettledClock()
    assert clock.settle(5000 * SECOND) is None
    elapsed += 1000
    assert clock.settle(9000 * SECOND) is None  # set forward
    elapsed += SETTLES - 1000 - 1
    assert clock.settle(12000 * SECOND) is None
    elapsed += 1
    assert clock.settle(12001 * SECOND) == int(5000 + SETTLES) * SECOND
    elapsed += 1000  # the time before the clock was set forward is forgotten
    assert clock.settle(13001 * SECOND) == int(9000 + SETTLES) * SECOND
