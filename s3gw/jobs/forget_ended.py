"""Deletes what has ended some time ago, so that no table grows for ever: tokens, sessions, attempts, expired grants
(metadata/ended.py has the table), and lines of the audit log that are older than S3GW_AUDIT_RETENTION.

Ages are told by settled_clock.py's clock. Of the audit log only what is as it was sealed goes: a line that was changed
stays, is found, and fails this job, so the log comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from s3gw.auth.audit_key import audit_key_in
from s3gw.auth.key_file import open_keyring
from s3gw.jobs.pace import paced
from s3gw.jobs.settled_clock import SettledClock
from s3gw.metadata import audit_seals, ended, event_deliveries
from s3gw.metadata.database import Connection, now
from s3gw.metadata.ended import DAY, HOUR, Ended

if TYPE_CHECKING:
    from s3gw.config import Settings
    from s3gw.storage import Storage

_BATCH = 100
_clock = SettledClock()


async def forget_ended(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    settled = _clock.settle(await services.database.read(now))
    if settled is None:
        return
    forgotten: dict[str, int] = {}
    for name, (kept, forget) in _rows(services.settings):
        while count := await paced(services.database.write(forget, settled - kept, _BATCH)):
            forgotten[name] = forgotten.get(name, 0) + count
            progress(dict(forgotten))


def _rows(settings: Settings) -> Iterator[tuple[str, Ended]]:
    yield from ended.TABLE.items()
    yield "event_deliveries", Ended(int(settings.event_retry * HOUR), event_deliveries.give_up)
    keys = open_keyring(settings)

    def prune(conn: Connection, before: int, limit: int) -> int:
        return audit_seals.prune(conn, audit_key_in(conn, keys), before, limit)

    yield "audit_lines", Ended(int(settings.audit_retention * DAY), prune)


async def retired(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    """What is queued of kinds that earlier releases had: `forget_ended` does their work, and they end here."""
