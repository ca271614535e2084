"""A user with a bucket who asks for jobs, which are run an attempt at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select, update

from s3gw.jobs import runner
from s3gw.metadata import asked_jobs, buckets, configurations, identities, jobs, objects, schema, usage
from s3gw.metadata.asked_jobs import AskedJob
from s3gw.metadata.audit import Actor
from s3gw.metadata.change import Change, ChangeFacts, KeyLock
from s3gw.metadata.database import Connection, now
from s3gw.metadata.file_filters import Wanted
from s3gw.metadata.objects import NewObject
from s3gw.metadata.usage import Usage
from s3gw.operations.call import GivenContext
from tests.jobs.conftest import Process


class Asking:
    """`bucket` and `other` are the user's; all objects have the same content."""

    def __init__(self, process: Process) -> None:
        self.process, self.database = process, process.database

    async def make(self) -> None:
        self._content_id = (await self.process.put()).id
        await self.database.write(self._make)

    def _make(self, conn: Connection) -> None:
        self.user = identities.create_user(conn, name="user")
        self.stranger = identities.create_user(conn, name="stranger")
        self.ids = {name: self._bucket(conn, name) for name in ("bucket", "other")}
        self.uuids = {name: buckets.uuid_of(conn, number) for name, number in self.ids.items()}

    def _bucket(self, conn: Connection, name: str) -> int:
        owner = self.user.id
        return buckets.create(conn, name=name, owner_id=owner, region="us-east-1", defaults="aws", now=now(conn))

    def change(self, conn: Connection, key: str, bucket: str = "bucket") -> Change:
        facts = ChangeFacts(self.ids[bucket], Actor(self.user.id, "user", "s3"), self.user.id, now(conn))
        return Change(conn, facts, [KeyLock(self.ids[bucket], key)])

    async def put(self, keys: Iterable[str], bucket: str = "bucket", **more: Any) -> None:
        await self.database.write(self._put, list(keys), bucket, more)

    def _put(self, conn: Connection, keys: list[str], bucket: str, more: dict[str, Any]) -> None:
        def place(conn: Connection) -> int:
            conn.execute(update(schema.contents).values(refs=schema.contents.c.refs + 1))
            return self._content_id

        for key in keys:
            change = self.change(conn, key, bucket)
            objects.put(change, NewObject(key, 1, **{"etag": "e", "owner_id": self.user.id} | more), place)
            change.finish()

    def batch(self, bucket: str, action: str, to: str | None) -> dict[str, Any]:
        """A batch's payload, as the JSON API makes it of a query for all files."""
        return {
            "bucket_id": self.uuids[bucket],
            "action": action,
            "files": None,
            "prefix": "",
            "wanted": list(Wanted()),
            "to_bucket_id": None if to is None else self.uuids[to],
            "to_prefix": "",
            "tags": None,
            "is_permanent": False,
        }

    async def keep_versions(self) -> None:
        await self.database.write(lambda conn: configurations.set_versioning(self.change(conn, ""), "Enabled"))

    async def delete(self, key: str) -> None:
        def delete(conn: Connection) -> None:
            change = self.change(conn, key)
            objects.delete_latest(change, key)
            change.finish()

        await self.database.write(delete)

    async def keys(self, bucket: str = "bucket") -> list[str]:
        """Of current objects."""
        of_bucket = (schema.objects.c.bucket_id == self.ids[bucket], schema.objects.c.is_current == 1)
        statement = select(schema.objects.c.key).where(*of_bucket).order_by(schema.objects.c.key)
        return await self.database.read(lambda conn: list(conn.execute(statement).scalars().all()))

    async def used(self, bucket: str = "bucket") -> Usage:
        return await self.database.read(usage.of_bucket, self.ids[bucket])

    async def ask(self, kind: str, payload: dict[str, Any] | None = None, **more: Any) -> AskedJob:
        given = {"context": list(GivenContext()), "request_id": "r", **(payload or {})}
        actor = Actor(self.user.id, "user", "api")
        return await self.database.write(lambda conn: asked_jobs.ask(conn, actor, kind, given, {}, **more))

    async def told(self, job: AskedJob) -> AskedJob:
        return await self.database.read(asked_jobs.find, job.id)

    async def lease(self) -> jobs.Job:
        (job,) = await self.database.write(jobs.lease, "runner", jobs.LEASE, 1)
        return job

    async def run(self) -> None:
        """One attempt at the job that is due."""
        await runner.attempt(self.process.services, await self.lease())
