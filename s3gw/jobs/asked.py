"""A job that a user asked for, as its handler gets it in the place of the payload: what was asked, how far an attempt
before has come, and a way to tell how far it has come now and to hear that it was cancelled.

asker.py makes the calls, in the user's name. What such a job is refused ends it at once, and is told to the user;
anything else that goes wrong is tried again, as of other jobs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw.errors import S3Error
from s3gw.jobs.progress import Progress
from s3gw.metadata import jobs
from s3gw.metadata.jobs import LEASE, Job, News
from s3gw.problems import Problem, told_of

if TYPE_CHECKING:
    from s3gw.metadata.database import Connection, Database

_PAUSE = 1.0  # seconds between two looks


class Cancelled(Exception):
    """The user doesn't want it any more."""


class Asked:
    """`before` is the progress that was noted before this attempt; `asked_at` in microseconds by the database's clock;
    `result` is told when it is done.
    """

    def __init__(self, database: Database, job: Job, progress: Progress) -> None:
        self._database, self._job, self._progress = database, job, progress
        self._look_at = 0.0
        self.payload: Any = json.loads(job.payload)
        self.job_id, self.user_id, self.asked_at = job.uuid or "", job.asked_by or "", job.created_at
        self.before: dict[str, Any] = json.loads(job.progress or "{}")
        self.result: Any = None

    async def note(self, progress: dict[str, Any]) -> None:
        """How far it has come; `done` and `total` are told to the user. Raises Cancelled, and TimeoutError where the
        lease was lost. It is written once a second at most, so of what was done after that a kill leaves no note.
        """
        self._progress(progress)
        await self._keep(self._progress.news)

    async def keep(self, progress: dict[str, Any]) -> None:
        """As `note`, for a job that notes its steps with `note_in` too: those who renew its lease don't write it again,
        which could put an older one over a step's.
        """
        await self._keep(lambda: self._progress.news_of(progress))

    async def _keep(self, news: Callable[[], News]) -> None:
        if time.monotonic() < self._look_at:
            return
        is_kept = await self._database.write(jobs.renew, self._job, LEASE, news())
        self._look_at = time.monotonic() + _PAUSE
        if not is_kept:
            raise TimeoutError("the lease was lost")
        if await self._database.read(jobs.is_cancelled, self._job):
            raise Cancelled

    def note_in(self, conn: Connection, progress: dict[str, Any]) -> bool:
        """Within the transaction of a step, so that it is done and noted, or neither. Gives whether the job was
        cancelled. Raises TimeoutError where the lease was lost.
        """
        if not jobs.renew(conn, self._job, LEASE, News(progress)):
            raise TimeoutError("the lease was lost")
        return jobs.is_cancelled(conn, self._job)

    def line(self, text: str) -> None:
        """Of the job's log, which the user sees."""
        self._progress.line(text)


def refusal_of(error: Exception) -> dict[str, str] | None:
    """What the user is told; None for what isn't about what he asked for."""
    if isinstance(error, S3Error):
        status, code = told_of(error)
        return {"error_code": code, "detail": error.message} if status < 500 else None
    if isinstance(error, Problem) and error.status < 500:
        return {"error_code": error.error_code, "detail": error.detail}
    return None
