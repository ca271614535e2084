"""Tells the owners of buckets, and users, that a quota is used by 80, 95 or 100 %: by mail, and by an event.

Each level is told once, until less than 5 % below it were used. What couldn't be handed over to the mail server is told
at the next run, and by mail twice by a process that dies between the two; the event doesn't wait for that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw.accounts import mail
from s3gw.metadata import quota_warnings
from s3gw.metadata.quota_warnings import Kind, Near

if TYPE_CHECKING:
    from s3gw.storage import Storage

_BATCH = 200
_KINDS: tuple[Kind, ...] = ("bucket", "prefix", "user")
_WHAT = {"bucket": "the bucket", "prefix": "the prefix", "user": "the user"}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
_logger = logging.getLogger("s3gw.jobs")


async def warn_of_quotas(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    database, told = services.database, 0
    for kind in _KINDS:
        after = ""
        while found := await database.scan(quota_warnings.near, kind, after, _BATCH):
            for quota in found:
                event_level, level = quota.level_after(quota.event_level), quota.level_after(quota.told)
                if event_level != quota.event_level:
                    await database.write(quota_warnings.tell, quota, event_level)
                if level == quota.told:
                    continue
                if level > quota.told and not await _tell(services, quota):
                    continue
                await database.write(quota_warnings.note, quota, level)
                told += 1
                progress({"told": told})
            after = found[-1].id
    await database.write(quota_warnings.forget_gone)


async def _tell(services: Storage, quota: Near) -> bool:
    """Whether it was told, as far as there is anybody to tell."""
    what = f"{_WHAT[quota.kind]} {quota.name}"
    _logger.info("the quota of %r is used by %d %%", what, quota.percent)
    if quota.email is None:
        return True
    lines = [f"Of the quota of {what} {quota.percent} % are used:", ""]
    if quota.max_bytes:
        lines.append(f"    {size_of(quota.used_bytes)} of {size_of(quota.max_bytes)}")
    if quota.max_objects:
        lines.append(f"    {quota.used_objects} of {quota.max_objects} objects")
    lines += ["", "When all of it is used nothing more can be stored. Deleting files for good makes room.", ""]
    subject = f"{quota.percent} % of your storage are used"
    return await mail.send(services.settings, quota.email, subject, "\n".join(lines))


def size_of(count: int) -> str:
    """For people: 1.5 GiB."""
    size, unit = float(count), _UNITS[0]
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{size:.1f} {unit}" if unit != _UNITS[0] else f"{count} bytes"
