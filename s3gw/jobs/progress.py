"""How far a job has come, as its handler tells it: counts, a place to go on from, and lines of its log. They are only
remembered here; the runner writes what is new once a second, and at the end.

On the event loop only.
"""

from __future__ import annotations

import json
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

from s3gw.metadata.job_progress import counts_of
from s3gw.metadata.jobs import Job, News

MOST_LINES, LONGEST_LINE = 100, 300  # of the log of a job that are kept; letters of one


class Progress:
    """`before` is what was told before this attempt, to go on from; None where the work begins."""

    def __init__(self, job: Job, is_periodic: bool = False) -> None:
        noted = json.loads(job.progress or "null")
        # What a run of periodic work told that succeeded is nothing for the next one to go on from.
        self.before: Any = None if is_periodic and job.attempts <= 1 else noted
        self.told: Any = None
        self._lines = deque[str](json.loads(job.lines or "[]"), MOST_LINES)
        self._first, self._since = counts_of(self.before)[0], time.monotonic()
        self._has_news, self._has_lines = False, False

    def __call__(self, told: Any) -> None:
        self.told, self._has_news = told, True
        done = counts_of(told)[0]
        if done < self._first:  # it began again
            self._first, self._since = done, time.monotonic()

    def line(self, text: str) -> None:
        """Who may see the job sees its log: nothing may stand there that isn't his business."""
        printable = "".join(letter if letter.isprintable() else " " for letter in text[:LONGEST_LINE])
        self._lines.append(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {printable}")
        self._has_news = self._has_lines = True

    @property
    def has_news(self) -> bool:
        return self._has_news

    def news(self) -> News:
        """To be written now."""
        self._has_news = False
        return self.news_of(self.told)._replace(lines=list(self._lines) if self._has_lines else None)

    def news_of(self, told: Any) -> News:
        """As if it were told; it isn't remembered."""
        passed, done = time.monotonic() - self._since, counts_of(told)[0] - self._first
        return News(told, done / passed if told is not None and passed > 0 else None)
