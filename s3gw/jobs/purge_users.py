"""The end of deleted users. `hand_over`: what is transferred is given at once. `purge_users`: who can't be restored any
more (S3GW_USER_RETENTION, by settled_clock.py's clock) goes for good; what was to be kept is given to an admin, and
what was to be deleted is removed (estate.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from s3gw.errors import S3Error
from s3gw.jobs.estate import Estate, Restored
from s3gw.jobs.settled_clock import SettledClock
from s3gw.metadata import audit, deleted_users, identities
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import now
from s3gw.metadata.deleted_users import Due
from s3gw.metadata.ended import DAY
from s3gw.problems import Problem

if TYPE_CHECKING:
    from s3gw.storage import Storage

_JOB = Actor("", "", "job")
_clock = SettledClock()
_logger = logging.getLogger("s3gw.jobs")


async def hand_over(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    """Of the user `user_id`, deleted at `deleted_at`, `to` another, in the name of the `actor` who deleted it."""
    user_id, to, actor = payload["user_id"], payload["to"], Actor(*payload["actor"])
    estate = Estate(services.database, actor, user_id, payload["deleted_at"], progress)
    with suppress(Restored, identities.NoSuchUser):
        await _give(services, estate, actor, user_id, to)


async def _give(services: Storage, estate: Estate, actor: Actor, user_id: str, to: str) -> None:
    user, heir = [await services.database.read(identities.find_user_by_id, id) for id in (user_id, to)]
    await estate.give(heir.id)
    if not any(estate.done.values()):  # it had nothing, or has given it before
        return
    told = {"to": heir.id, **estate.done}
    await services.database.write(audit.record, actor, "user.hand_over", "user", user.name, {"id": user.id}, told)


async def purge_users(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    settled = _clock.settle(await services.database.read(now))
    if settled is None:
        return
    before = settled - int(services.settings.user_retention * DAY)
    faults: list[str] = []
    for user_id in await services.database.read(deleted_users.due, before):
        due = await services.database.write(deleted_users.begin_purge, user_id, before)
        if due is None:
            continue
        try:
            await _purge(services, due, progress)
        except (Problem, S3Error, Restored) as error:  # the others go all the same
            _logger.warning("%s can't be removed for good: %s", due.user.name, error)
            faults.append(due.user.name)
    if faults:
        raise ChildProcessError(f"these can't be removed for good yet: {', '.join(faults)}")


async def _purge(services: Storage, due: Due, progress: Callable[[Any], None]) -> None:
    user = due.user
    assert user.deleted_at is not None, "it is due for that"
    estate = Estate(services.database, _JOB, user.id, user.deleted_at, progress)
    if user.account_owner_id is not None:  # what it wrote is the account's
        await estate.give_uploads(user.account_owner_id)
    elif due.data_after.kind == "delete":
        await estate.remove()
    else:
        heir = await services.database.read(deleted_users.heir_of, due)
        await _give(services, estate, _JOB, user.id, heir.id)
    await services.database.write(deleted_users.end_purge, _JOB, user.id)
