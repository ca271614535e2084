"""The kinds of background work: one row each. An incomplete row fails at import.

What users ask for is loaded when the first of them does: it needs all that operations do, which is as much again as the
job process has without it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from s3gw.jobs.empty_trash import empty_trash
from s3gw.jobs.expire_uploads import expire_uploads
from s3gw.jobs.forget_ended import forget_ended, retired
from s3gw.jobs.note_contents import note_contents
from s3gw.jobs.purge_users import hand_over, purge_users
from s3gw.jobs.reaper import reap, unlink
from s3gw.jobs.rebuild_search import rebuild_search
from s3gw.jobs.scan import scan
from s3gw.jobs.sweep import sweep
from s3gw.jobs.warn_of_quotas import warn_of_quotas
from s3gw.jobs.watch_scanner import rescan, watch_scanner

if TYPE_CHECKING:
    from s3gw.storage import Storage

Progress = Callable[[Any], None]
Handler = Callable[["Storage", Any, Progress], Awaitable[None]]


class Kind(NamedTuple):
    """Either `every`: seconds between two runs of periodic work; or `attempts` at what is enqueued by changes."""

    handler: Handler
    every: float | None = None
    attempts: int | None = None


async def _batch(services: Storage, payload: Any, progress: Progress) -> None:
    from s3gw.jobs.batch import batch

    await batch(services, payload, progress)


async def _delete_bucket(services: Storage, payload: Any, progress: Progress) -> None:
    from s3gw.jobs.delete_bucket import delete_bucket

    await delete_bucket(services, payload, progress)


async def _measure_storage(services: Storage, payload: Any, progress: Progress) -> None:
    from s3gw.jobs.measure_storage import measure_storage

    await measure_storage(services, payload, progress)


KINDS: dict[str, Kind] = {
    "reap": Kind(reap, every=5),
    "unlink": Kind(unlink, attempts=20),
    "sweep": Kind(sweep, every=60),
    "expire_uploads": Kind(expire_uploads, every=900),  # more often than their clock settles
    "empty_trash": Kind(empty_trash, every=900),
    "hand_over": Kind(hand_over, attempts=20),
    "rebuild_search": Kind(rebuild_search, attempts=20),
    "purge_users": Kind(purge_users, every=900),
    "forget_ended": Kind(forget_ended, every=900),
    "warn_of_quotas": Kind(warn_of_quotas, every=300),
    "note_contents": Kind(note_contents, attempts=20),
    "scan": Kind(scan, attempts=20),
    "rescan": Kind(rescan, attempts=20),
    "watch_scanner": Kind(watch_scanner, every=15),
    "batch": Kind(_batch, attempts=10),
    "delete_bucket": Kind(_delete_bucket, attempts=10),
    "measure_storage": Kind(_measure_storage, attempts=10),
    "forget_client_tokens": Kind(retired, attempts=1),
    "prune_audit_log": Kind(retired, attempts=1),
}

for _name, _kind in KINDS.items():
    if (_kind.every is None) == (_kind.attempts is None) or (_kind.every or _kind.attempts or 0) <= 0:
        raise ImportError(f"the job {_name} is either periodic or has a number of attempts")
