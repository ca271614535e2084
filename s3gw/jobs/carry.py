"""Tells workers of Celery of the jobs that are due and theirs: a message for each attempt that is to be made.

Nothing is noted of what was sent but in memory, since a message changes nothing: who gets it leases the row, if it is
still due. What nobody leased is sent again when the queue of its kind is empty: so a message that was lost costs some
seconds, and where no worker is there, no more than one for each attempt waits. Of each kind those that were to run
first are sent, `WINDOW` at a time, so a million queued jobs fill neither the broker nor memory.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Protocol

from s3gw.jobs.table import carried
from s3gw.metadata import jobs, store_identity
from s3gw.metadata.database import DatabaseUnavailable
from s3gw.metadata.jobs import Turn
from s3gw.metrics import counted
from s3gw.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3gw.config import Settings
    from s3gw.metadata.database import Database
    from s3gw.storage import Storage

WINDOW = 200
_POLL, _BUSY = 0.5, 0.05  # seconds between two looks; after some were sent
_AGAIN = 5.0  # seconds, after which what wasn't leased may have been lost
_DOWN = 2.0  # seconds until a broker that is down is tried again
_logger = logging.getLogger("s3gw.jobs")


class Sending(Protocol):
    """What celery_app.py's Messages are. Both raise OSError where the broker is down."""

    def waiting(self, kind: str) -> int: ...

    def send(self, kind: str, numbers: Iterable[int]) -> None: ...


async def keep_carrying(services: Storage) -> None:
    """Ends at once where there is no broker."""
    kinds = carried(services.settings)
    if not kinds:
        return
    store = await services.database.read(store_identity.known) or ""
    messages = await in_thread(None, _open_messages, services.settings, store, kinds)
    carrier = Carrier(services.database, messages, kinds)
    pause = 0.0
    while True:
        await asyncio.sleep(pause)
        pause = await carrier.carry()


def _open_messages(settings: Settings, store: str, kinds: frozenset[str]) -> Sending:
    from s3gw.jobs.celery_app import Messages, open_app

    return Messages(open_app(settings, store, kinds), store)


class Carrier:
    """On the event loop only; the broker is talked to in a thread, one question at a time."""

    def __init__(self, database: Database, messages: Sending, kinds: frozenset[str]) -> None:
        self._database, self._messages, self._kinds = database, messages, kinds
        self._sent: dict[str, dict[Turn, float]] = {}  # of what is due by kind, and when that was
        self._is_down = False

    async def carry(self) -> float:
        """One look; seconds until the next."""
        try:
            if self._is_down:
                await in_thread(None, self._messages.waiting, min(self._kinds))
            due = {each.kind for each in await self._database.read(jobs.kinds_due)}
            counts = [await self._carry(kind) for kind in sorted(due & self._kinds)]
        except DatabaseUnavailable as error:
            _logger.warning("no work for Celery: %s", error)
            return _POLL
        except OSError as error:
            if not self._is_down:
                _logger.error("the broker of Celery is down, and jobs have to wait: %s", error)
            self._is_down = True
            counted.celery_broker_down.set(1)
            return _DOWN
        if self._is_down:
            _logger.warning("the broker of Celery is there again")
        self._is_down = False
        counted.celery_broker_down.set(0)
        return _BUSY if any(counts) else _POLL

    async def _carry(self, kind: str) -> int:
        """How many were sent."""
        turns = await self._database.read(jobs.turns_due, kind, WINDOW)
        before, at = self._sent.get(kind, {}), time.monotonic()
        new = [turn for turn in turns if turn not in before]
        overdue = [turn for turn in turns if turn in before and at - before[turn] >= _AGAIN]
        if overdue and await in_thread(None, self._messages.waiting, kind) == 0:
            new += overdue
        if new:
            await in_thread(None, self._messages.send, kind, [turn.job_id for turn in new])
            counted.celery_messages.labels(kind).inc(len(new))
        self._sent[kind] = {turn: before[turn] for turn in turns if turn in before} | dict.fromkeys(new, at)
        return len(new)
