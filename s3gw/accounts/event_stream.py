"""A stream of events: what becomes of objects, told to a caller as it happens, as far as he may know it at that moment.

Each batch is asked for with the caller, the buckets and the rules as they are by then; who was logged out is told
nothing any more.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import NamedTuple

from s3gw.accounts.grants import find_bucket
from s3gw.accounts.login import Caller, caller_now
from s3gw.errors import AccessDenied
from s3gw.events.names import QUOTA, is_meant, name_of
from s3gw.events.tail import place_of
from s3gw.metadata import buckets, files, outbox
from s3gw.metadata.buckets import Listed
from s3gw.metadata.database import DatabaseUnavailable
from s3gw.metadata.outbox import ChangeRow, Place
from s3gw.operations.call import Call
from s3gw.operations.known_changes import KNOW_EACH
from s3gw.operations.perform import perform
from s3gw.problems import NotAuthenticated
from s3gw.services import Services

_BEAT = 15.0  # seconds between two signs of life
_REST = 1.0  # seconds, while the database isn't there


class Wanted(NamedTuple):
    """`events`: names as configurations have them (`s3:ObjectCreated:*`); none: all."""

    bucket_id: str | None = None
    prefix: str = ""
    events: tuple[str, ...] = ()


class Event(NamedTuple):
    """`name` is as records have it (ObjectCreated:Put); `bucket` is None of a user's quota."""

    name: str
    bucket: Listed | None
    change: ChangeRow


class Batch(NamedTuple):
    """`place`: up to which all was told. `is_gap`: before these, some may be missing. Empty, it is a sign of life."""

    place: Place
    events: list[Event]
    is_gap: bool = False


class EventStream:
    """To be read within `services.tail.followed`."""

    def __init__(
        self, services: Services, caller: Caller, bucket_id: int | None, wanted: Wanted, place: Place, is_gap: bool
    ) -> None:
        self._services, self._caller, self._wanted = services, caller, wanted
        self._bucket_id = bucket_id
        self._place, self._begins_with_gap = place, is_gap

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Until the session or this worker ends; the first one has no events."""
        tail, database = self._services.tail, self._services.database
        yield Batch(self._place, [], self._begins_with_gap)
        beat_at = time.monotonic() + _BEAT
        while not tail.has_ended:
            try:
                found = await tail.behind(database, self._place)
                told = await self._told(found.rows)
                if time.monotonic() >= beat_at:
                    self._caller = await caller_now(self._services, self._caller)
            except DatabaseUnavailable:
                await asyncio.sleep(_REST)
                continue
            except NotAuthenticated:
                return
            if found.rows:
                self._place = place_of(found.rows[-1])
            is_gap = bool(found.rows) and not found.is_whole
            if told or is_gap or time.monotonic() >= beat_at:
                yield Batch(self._place, told, is_gap)
                beat_at = time.monotonic() + _BEAT
            if not found.rows:
                await tail.wait(max(beat_at - time.monotonic(), 0.0))

    async def _told(self, rows: Sequence[ChangeRow]) -> list[Event]:
        """Raises NotAuthenticated."""
        wanted = [(row, name) for row in rows if (name := name_of(row)) is not None and self._wants(row, name)]
        if not wanted:
            return []
        self._caller = await caller_now(self._services, self._caller)
        there = await self._services.database.scan(buckets.of_ids, {row.bucket_id for row, _ in wanted})
        known: set[int] = set()
        for bucket_id, listed in there.items():
            of_it = [row for row, name in wanted if row.bucket_id == bucket_id and name != QUOTA]
            known |= await self._known(listed, of_it)
        known |= {row.id for row, name in wanted if name == QUOTA and self._is_own(row, there)}
        return [Event(name, there.get(row.bucket_id), row) for row, name in wanted if row.id in known]

    def _is_own(self, row: ChangeRow, there: Mapping[int, Listed]) -> bool:
        """Of quotas their owners are told, as by mail; of a bucket's who owns it now."""
        if row.bucket_id in there:
            return there[row.bucket_id].bucket.owner_id == self._caller.principal.user_id
        told = json.loads(row.document or "{}")
        return bool(told.get("kind") == "user" and told["owner_id"] == self._caller.principal.user_id)

    def _wants(self, row: ChangeRow, name: str) -> bool:
        is_there = self._bucket_id in (None, row.bucket_id) and row.key.startswith(self._wanted.prefix)
        asked = self._wanted.events
        return is_there and (not asked or any(is_meant(one, name) for one in asked))

    async def _known(self, listed: Listed, rows: Sequence[ChangeRow]) -> set[int]:
        """The ids of those of which the caller may know."""
        if not rows:
            return set()
        services, bucket, origin = self._services, listed.bucket, self._caller.origin
        current = await services.database.scan(files.of_keys, bucket.id, {row.key for row in rows})
        changes = [(row.key, current.get(row.key)) for row in rows]
        input = {"Bucket": bucket.name, "Changes": changes}
        call = Call(services, self._caller.principal, input, origin.request_id, time.time_ns() // 1000)
        call.bucket, call.context, call.door, call.operation = bucket, origin.context, "api", "GetObject"
        try:
            allowed: list[bool] = (await perform(call, KNOW_EACH))["Allowed"]
        except AccessDenied:
            return set()
        return {row.id for row, may in zip(rows, allowed, strict=True) if may}


async def begin(services: Services, caller: Caller, wanted: Wanted, after: Place | None) -> EventStream:
    """Behind a place, or with what happens from now on. Raises NotFound for a bucket that the caller may not see."""
    bucket_id = None
    if wanted.bucket_id is not None:
        bucket_id = (await find_bucket(services, caller, caller.origin, wanted.bucket_id))[0].id
    newest = await services.database.read(outbox.newest)
    is_unknown = after is not None and after > newest  # of another database, or of what this one was before
    place = newest if after is None or is_unknown else after
    return EventStream(services, caller, bucket_id, wanted, place, is_unknown)
