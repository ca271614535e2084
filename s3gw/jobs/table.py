"""The kinds of background work: one row each. An incomplete row fails at import.

What users ask for is loaded when the first of them does: it needs all that operations do, which is as much again as the
job process has without it. So are previews, with what stores them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from s3gw.jobs.empty_trash import empty_trash
from s3gw.jobs.expire_uploads import expire_uploads
from s3gw.jobs.forget_ended import forget_ended, retired
from s3gw.jobs.measure_space import measure_space
from s3gw.jobs.note_contents import note_contents
from s3gw.jobs.purge_users import hand_over, purge_users
from s3gw.jobs.reaper import reap, unlink
from s3gw.jobs.rebuild_search import rebuild_search
from s3gw.jobs.release_previews import release_previews
from s3gw.jobs.scan import scan
from s3gw.jobs.scrub import scrub
from s3gw.jobs.sweep import sweep
from s3gw.jobs.warn_of_quotas import warn_of_quotas
from s3gw.jobs.watch_scanner import rescan, watch_scanner
from s3gw.metadata.job_kinds import PERIODIC, PRIORITIES, Priority

if TYPE_CHECKING:
    from s3gw.config import Settings
    from s3gw.storage import Storage

Handler = Callable[["Storage", Any, Any], Awaitable[None]]  # with the payload or what was asked, and a Progress


class Kind(NamedTuple):
    """Either `every`: seconds between two runs of periodic work; or `attempts` at what is enqueued by changes. So many
    of the kind run `at_once` in one process, and where that matters `everywhere`: in all processes together. Those
    `in_celery` are run by workers of Celery where there is a broker.
    """

    handler: Handler
    priority: Priority
    every: float | None = None
    attempts: int | None = None
    at_once: int = 1
    everywhere: int | None = None
    in_celery: bool = False


async def _batch(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    from s3gw.jobs.batch import batch
    from s3gw.jobs.manifest_batch import manifest_batch

    work = batch if payload.payload.get("manifest") is None else manifest_batch
    await work(services, payload, progress)


async def _delete_bucket(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    from s3gw.jobs.delete_bucket import delete_bucket

    await delete_bucket(services, payload, progress)


async def _unpack(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    from s3gw.jobs.unpack import unpack

    await unpack(services, payload, progress)


async def _measure_storage(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    from s3gw.jobs.measure_storage import measure_storage

    await measure_storage(services, payload, progress)


async def _verify_audit_log(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    from s3gw.jobs.verify_audit_log import verify_audit_log

    await verify_audit_log(services, payload, progress)


async def _make_preview(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    from s3gw.jobs.make_preview import make_preview

    await make_preview(services, payload, progress)


async def _report(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    from s3gw.jobs.report import report

    await report(services, payload, progress)


KINDS: dict[str, Kind] = {
    "reap": Kind(reap, Priority.NEEDED, every=5),
    "unlink": Kind(unlink, Priority.NEEDED, attempts=20, at_once=2),
    "sweep": Kind(sweep, Priority.NEEDED, every=60),
    "expire_uploads": Kind(expire_uploads, Priority.NEEDED, every=900),  # more often than their clock settles
    "empty_trash": Kind(empty_trash, Priority.NEEDED, every=900),
    "hand_over": Kind(hand_over, Priority.UPKEEP, attempts=20),
    "rebuild_search": Kind(rebuild_search, Priority.UPKEEP, attempts=20),
    "purge_users": Kind(purge_users, Priority.UPKEEP, every=900),
    "forget_ended": Kind(forget_ended, Priority.UPKEEP, every=900),
    "warn_of_quotas": Kind(warn_of_quotas, Priority.UPKEEP, every=300),
    "measure_space": Kind(measure_space, Priority.UPKEEP, every=3600),
    "note_contents": Kind(note_contents, Priority.UPKEEP, attempts=20),
    "scan": Kind(scan, Priority.HEAVY, attempts=20, in_celery=True),
    "rescan": Kind(rescan, Priority.HEAVY, attempts=20, in_celery=True),
    "watch_scanner": Kind(watch_scanner, Priority.UPKEEP, every=15),
    "thumbnail": Kind(_make_preview, Priority.HEAVY, attempts=10, at_once=2, in_celery=True),
    "release_previews": Kind(release_previews, Priority.UPKEEP, every=900),
    "batch": Kind(_batch, Priority.ASKED, attempts=10, at_once=2, in_celery=True),
    "delete_bucket": Kind(_delete_bucket, Priority.ASKED, attempts=10, at_once=2),
    "unpack": Kind(_unpack, Priority.ASKED, attempts=10, at_once=2, in_celery=True),
    "measure_storage": Kind(_measure_storage, Priority.ASKED, attempts=10, at_once=2),
    "verify_audit_log": Kind(_verify_audit_log, Priority.ASKED, attempts=10),
    "report": Kind(_report, Priority.HEAVY, attempts=10, everywhere=2, in_celery=True),
    "scrub": Kind(scrub, Priority.HEAVY, attempts=20, everywhere=1, in_celery=True),
    "forget_client_tokens": Kind(retired, Priority.UPKEEP, attempts=1),
    "prune_audit_log": Kind(retired, Priority.UPKEEP, attempts=1),
}


def carried(settings: Settings) -> frozenset[str]:
    """The kinds that workers of Celery run, and job processes don't."""
    if settings.celery_broker is None:
        return frozenset()
    return frozenset(name for name, kind in KINDS.items() if kind.in_celery)


for _name, _kind in KINDS.items():
    if (_kind.every is None) == (_kind.attempts is None) or (_kind.every or _kind.attempts or 0) <= 0:
        raise ImportError(f"the job {_name} is either periodic or has a number of attempts")
    if _kind.in_celery and _kind.every is not None:
        raise ImportError(f"the job {_name} is periodic: it isn't sent to workers of Celery")
    if _kind.at_once < 1 or (_kind.everywhere is not None and _kind.everywhere < 1):
        raise ImportError(f"none of the job {_name} could ever run")
if {_name: _kind.priority for _name, _kind in KINDS.items()} != PRIORITIES:
    raise ImportError("metadata/job_kinds.py says something else of the priorities of jobs")
if {_name for _name, _kind in KINDS.items() if _kind.every is not None} != set(PERIODIC):
    raise ImportError("metadata/job_kinds.py says something else of what is periodic")
