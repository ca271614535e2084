"""The places that a runner has for jobs: so many of each priority, and of each kind as its row in the table says. So a
million queued jobs of a kind keep none of another waiting, and none with a higher priority.

Of what users ask for, the last place goes to somebody who has no job running here: one user's long jobs never have
them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from s3gw.jobs.table import Kind
from s3gw.metadata.job_kinds import Priority
from s3gw.metadata.jobs import Due, Job

OF_PRIORITY = {Priority.NEEDED: 6, Priority.UPKEEP: 3, Priority.ASKED: 3, Priority.HEAVY: 5}
_UNKNOWN = Priority.UPKEEP  # a kind that this release doesn't know; its jobs end at once


class Want(NamedTuple):
    """To lease at most `most` of a kind. `but_for`: not those that these users asked for. `is_one_by_one`: there may be
    room for more, which has to be asked anew.
    """

    kind: str
    most: int
    everywhere: int | None
    but_for: tuple[str, ...] = ()
    is_one_by_one: bool = False


class Places:
    """Of one runner. On the event loop only."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._kinds = kinds
        self._running: list[Job] = []

    def take(self, job: Job) -> None:
        self._running.append(job)

    def leave(self, job: Job) -> None:
        self._running.remove(job)

    def wants(self, due: Iterable[Due]) -> list[Want]:
        """One for each kind that has room, by priority, and of one priority what has waited for longest. Each is to be
        asked for anew when the one before has got its jobs.
        """
        ordered = sorted(due, key=lambda each: (self._priority_of(each.kind), each.run_at))
        found = (self._want(each.kind) for each in ordered)
        return [want for want in found if want is not None]

    def want_for(self, job: Job) -> Want | None:
        """To lease this one."""
        want = self._want(job.kind)
        return None if want is None or job.asked_by in want.but_for else want._replace(most=1)

    def _want(self, name: str) -> Want | None:
        kind, priority = self._kinds.get(name), self._priority_of(name)
        free = OF_PRIORITY[priority] - sum(self._priority_of(job.kind) == priority for job in self._running)
        of_kind = (1 if kind is None else kind.at_once) - sum(job.kind == name for job in self._running)
        most = min(free, of_kind)
        if most < 1:
            return None
        everywhere = None if kind is None else kind.everywhere
        if priority != Priority.ASKED:
            return Want(name, most, everywhere)
        users = {job.asked_by for job in self._running if job.asked_by is not None}
        return Want(name, 1, everywhere, tuple(users) if free == 1 else (), is_one_by_one=True)

    def _priority_of(self, name: str) -> Priority:
        kind = self._kinds.get(name)
        return _UNKNOWN if kind is None else kind.priority
