"""What a job's progress says to people: how much is done, of how much, and when it will be."""

from __future__ import annotations

from typing import Any


def counts_of(progress: Any) -> tuple[int, int | None]:
    """Done, and the total where it is known. A job tells `done` and `total`, or what it has counted by names."""
    if not isinstance(progress, dict):
        return 0, None
    if "done" in progress:
        return progress["done"] or 0, progress.get("total")
    return sum(value for value in progress.values() if type(value) is int), None


def seconds_left(progress: Any, rate: float | None) -> float | None:
    done, total = counts_of(progress)
    if total is None or not rate or rate <= 0:
        return None
    return max(0, total - done) / rate
