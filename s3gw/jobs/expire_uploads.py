"""Aborts multipart uploads that were begun too long ago, and got no part since (S3GW_UPLOAD_EXPIRY): their clients have
gone. Those of drop boxes take room from all visitors: they have a day, and end with their link. Archives that were sent
to be unpacked by a job, for which there is none, are left by a process that died: they have an hour.

A clock that is wrong for some minutes must not cost anybody an upload (settled_clock.py). One that was begun while the
clock was set back lives as long as parts come.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from s3gw.jobs.settled_clock import SettledClock
from s3gw.metadata import share_links, uploads
from s3gw.metadata.database import now

if TYPE_CHECKING:
    from s3gw.storage import Storage

_DAY, _HOUR = 86_400_000_000, 3_600_000_000  # microseconds
_BATCH = 100
_clock = SettledClock()


async def expire_uploads(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    database, aborted = services.database, 0
    settled = _clock.settle(await database.read(now))
    if settled is None:
        return
    before = settled - int(services.settings.upload_expiry * _DAY)
    of_drops = max(before, settled - share_links.UNFINISHED_FOR)
    for find in (
        partial(uploads.expired, before=before),
        partial(uploads.expired_of_links, before=of_drops, at=settled),
        partial(uploads.archives_of_no_job, before=settled - _HOUR),
    ):
        while expired := await database.scan(find, limit=_BATCH):
            for upload_id in expired:
                await database.write(uploads.abort, upload_id)  # one each: it may have 10 000 parts
                aborted += 1
                progress({"uploads": aborted})
