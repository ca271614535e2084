"""Removes lines of the audit log that are older than S3GW_AUDIT_RETENTION by settled_clock.py's clock.

From the start of the chain on, and only what is as it was sealed: a line that was changed stays, and is found. A
checkpoint, sealed like a line, says up to where the log was whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw.auth.audit_key import audit_key_in
from s3gw.auth.key_file import open_keyring
from s3gw.auth.master_key import Keyring
from s3gw.jobs.settled_clock import SettledClock
from s3gw.metadata import audit_seals
from s3gw.metadata.database import Connection, now

if TYPE_CHECKING:
    from s3gw.storage import Storage

_DAY = 86_400_000_000  # microseconds
_BATCH = 200
_clock = SettledClock()


async def prune_audit_log(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    settled = _clock.settle(await services.database.read(now))
    if settled is None:
        return
    keys, removed = open_keyring(services.settings), 0
    before = settled - int(services.settings.audit_retention * _DAY)
    while count := await services.database.write(_prune, keys, before):
        removed += count
        progress({"lines": removed})


def _prune(conn: Connection, keys: Keyring, before: int) -> int:
    return audit_seals.prune(conn, audit_key_in(conn, keys), before, _BATCH)
