"""What a deleted user owns, whatever bucket it is in: given to another, or removed.

Step by step, each a transaction like those of S3 requests (metadata/change.py) that asks whether the user is still
deleted: who was restored meanwhile keeps the rest. Each step looks for what is left, so after a crash the work is begun
again and nothing is done twice. Requests go on between two steps (pace.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from s3gw.errors import BucketNotEmpty, NoSuchBucket
from s3gw.jobs.pace import paced
from s3gw.metadata import buckets, configurations, deleted_buckets, deleted_users, objects, ownership, trash, uploads
from s3gw.metadata.audit import Actor
from s3gw.metadata.change import BucketLock, Change, ChangeFacts, KeyLock, Lock, change
from s3gw.metadata.database import Connection, now
from s3gw.metadata.ownership import Owned

if TYPE_CHECKING:
    from s3gw.metadata.database import Database

P = ParamSpec("P")
T = TypeVar("T")
_READ, _WRITTEN = 500, 100  # versions looked at, and written, at once
_BUCKETS = 100
_ROUNDS = 10  # in which a bucket is emptied that others still write into


class Restored(Exception):
    """The user isn't deleted any more, or was deleted again since."""


class Estate:
    """`done` counts, for the job's progress."""

    def __init__(
        self, database: Database, actor: Actor, user_id: str, deleted_at: int, progress: Callable[[Any], None]
    ) -> None:
        self._database, self._actor, self._user_id, self._deleted_at = database, actor, user_id, deleted_at
        self._progress = progress
        self.done = {"buckets": 0, "objects": 0, "uploads": 0}

    async def give(self, to: str) -> None:
        """To the user of that id: the buckets first, with which it has all that is theirs alone. Raises Restored."""
        await self._in_buckets(self._user_id, self._give_bucket, to)
        self._count("buckets", await self._write(deleted_buckets.give, self._user_id, to))
        await self._in_buckets(None, self._give_versions, to)
        await self._of_trash(ownership.give_trash, self._user_id, to)
        await self.give_uploads(to)

    async def give_uploads(self, to: str) -> None:
        await self._of_uploads(ownership.give_upload, self._user_id, to)

    async def remove(self) -> None:
        """Its buckets with all that is in them, and its objects and uploads in those of others. Raises Restored."""
        await self._in_buckets(self._user_id, self._remove_bucket)
        while await self._write(deleted_buckets.drop_of, self._user_id):
            pass
        await self._in_buckets(None, self._remove_versions)
        await self._of_trash(_remove_trash, self._user_id)
        await self._of_uploads(uploads.abort)

    async def _give_bucket(self, bucket_id: int, to: str) -> None:
        lock = await self._bucket_lock(bucket_id)
        self._count("buckets", await self._change(bucket_id, [lock], _give_bucket, self._user_id, to))

    async def _give_versions(self, bucket_id: int, to: str) -> None:
        async for own in self._own_versions(bucket_id):
            locks = _locks(bucket_id, own)
            given = await self._change(bucket_id, locks, ownership.give_versions, own, self._user_id, to)
            self._count("objects", given)

    async def _remove_versions(self, bucket_id: int) -> None:
        async for own in self._own_versions(bucket_id):
            locks = _locks(bucket_id, own)
            self._count("objects", await self._change(bucket_id, locks, _remove_from, own, self._user_id))

    async def _remove_bucket(self, bucket_id: int) -> None:
        lock = await self._bucket_lock(bucket_id)
        for _ in range(_ROUNDS):
            async for versions in self._versions(bucket_id):
                locks = _locks(bucket_id, versions)
                self._count("objects", await self._change(bucket_id, locks, _empty, versions, self._user_id))
            try:
                while not await self._change(bucket_id, [lock], _delete_bucket, self._user_id):
                    pass
            except BucketNotEmpty:
                continue
            self._count("buckets", 1)
            return

    async def _of_uploads(
        self, fn: Callable[Concatenate[Connection, str, P], int], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        while found := await self._database.scan(ownership.uploads_of, self._user_id, _WRITTEN):
            for upload_id in found:
                await self._write(fn, upload_id, *args, **kwargs)
                self._count("uploads", 1)

    async def _of_trash(
        self, fn: Callable[Concatenate[Connection, list[int], P], int], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Behind the versions, as what is deleted meanwhile comes there."""
        last = 0
        while found := await self._database.scan(trash.walk, last, _READ):
            last = found[-1][0]
            own = [trash_id for trash_id, owner_id in found if owner_id == self._user_id]
            for begin in range(0, len(own), _WRITTEN):
                self._count("objects", await self._write(fn, own[begin : begin + _WRITTEN], *args, **kwargs))

    async def _in_buckets(
        self,
        owner_id: str | None,
        work: Callable[Concatenate[int, P], Awaitable[None]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Of one owner, or all."""
        last = 0
        while found := await self._database.scan(ownership.buckets_after, last, _BUCKETS, owner_id):
            for last in found:
                with suppress(NoSuchBucket):  # deleted, or given away, meanwhile
                    await work(last, *args, **kwargs)

    async def _versions(self, bucket_id: int) -> AsyncIterator[list[Owned]]:
        last: Owned | None = None
        while found := await self._database.scan(ownership.versions_after, bucket_id, last, _READ):
            for begin in range(0, len(found), _WRITTEN):
                yield found[begin : begin + _WRITTEN]
            last = found[-1]

    async def _own_versions(self, bucket_id: int) -> AsyncIterator[list[Owned]]:
        async for versions in self._versions(bucket_id):
            own = [version for version in versions if version.owner_id == self._user_id]
            if own:
                yield own

    async def _bucket_lock(self, bucket_id: int) -> BucketLock:
        return BucketLock(await self._database.read(buckets.name_of, bucket_id))

    async def _change(
        self,
        bucket_id: int,
        locks: Collection[Lock],
        fn: Callable[Concatenate[Change, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        def guarded(change: Change) -> T:
            self._require_deleted(change.conn)
            return fn(change, *args, **kwargs)

        facts = ChangeFacts(bucket_id, self._actor, self._user_id, await self._database.read(now))
        return await paced(change(self._database, facts, locks, guarded))

    async def _write(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def guarded(conn: Connection) -> T:
            self._require_deleted(conn)
            return fn(conn, *args, **kwargs)

        return await paced(self._database.write(guarded))

    def _require_deleted(self, conn: Connection) -> None:
        if not deleted_users.is_deleted(conn, self._user_id, self._deleted_at):
            raise Restored

    def _count(self, what: str, count: int) -> None:
        self.done[what] += count
        self._progress(dict(self.done))


def _locks(bucket_id: int, versions: list[Owned]) -> list[Lock]:
    return [KeyLock(bucket_id, version.key) for version in versions]


def _give_bucket(change: Change, before: str, after: str) -> int:
    """Unless somebody else has given it away."""
    change.lock_bucket_exclusively()
    if ownership.owner_of(change.conn, change.bucket_id) != before:
        return 0
    configurations.set_owner(change, after)
    return 1


def _empty(change: Change, versions: list[Owned], owner_id: str) -> int:
    """Delete them, whosever they are, from a bucket that is still the owner's."""
    change.lock_bucket()
    if ownership.owner_of(change.conn, change.bucket_id) != owner_id:
        raise NoSuchBucket()
    for version in versions:
        objects.delete_version(change, version.key, version.version_id)
    return len(versions)


def _delete_bucket(change: Change, owner_id: str) -> bool:
    change.lock_bucket_exclusively()
    if ownership.owner_of(change.conn, change.bucket_id) != owner_id:
        raise NoSuchBucket()
    return uploads.delete_bucket(change, for_good=True)


def _remove_from(change: Change, versions: list[Owned], user_id: str) -> int:
    """The user's objects, from another's bucket. Delete markers become the bucket owner's: without them what they hide
    would be seen again. So do objects where ACLs are disabled, since the bucket owner owns them all.
    """
    change.lock_bucket()
    conn, bucket_id, removed = change.conn, change.bucket_id, 0
    owner_id = ownership.owner_of(conn, bucket_id) or ""
    own = [version for version in versions if not version.is_delete_marker]
    if buckets.owner_of_objects(conn, bucket_id) is not None:
        own = []
    ownership.give_versions(change, [version for version in versions if version not in own], user_id, owner_id)
    for version in own:
        found = objects.find(conn, bucket_id, version.key, version.version_id)
        if found is not None and found.owner_id == user_id:
            objects.delete_version(change, version.key, version.version_id)
            removed += 1
    return removed


def _remove_trash(conn: Connection, trash_ids: list[int], user_id: str) -> int:
    """As `_remove_from`, of what is in the trash of the buckets of others."""
    found = trash.lock_owned(conn, trash_ids, user_id)
    kept: dict[int, list[int]] = {}
    for each in found:
        if buckets.owner_of_objects(conn, each.bucket_id) is not None:
            kept.setdefault(each.bucket_id, []).append(each.id)
    for bucket_id, ids in kept.items():
        ownership.give_trash(conn, ids, user_id, ownership.owner_of(conn, bucket_id) or "")
    return trash.drop_counted(conn, [each for each in found if each.bucket_id not in kept])
