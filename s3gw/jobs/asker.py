"""As whom a job makes its calls: the user who asked for it, as he and the bucket are when a call is made. So who lost a
right, or isn't active any more, has lost it in the job too. Where he asked from is as it was then.

It loads all that operations need, and is imported when the first such job is run.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from s3gw.auth.principal import Principal
from s3gw.errors import NoSuchBucket
from s3gw.jobs.asked import Asked
from s3gw.metadata import asked_jobs, buckets
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Connection
from s3gw.metadata.sessions import SessionUser
from s3gw.operation_services import open_operation_services
from s3gw.operations.call import Call, GivenContext
from s3gw.problems import PermissionDenied
from s3gw.services import OperationServices

if TYPE_CHECKING:
    from s3gw.storage import Storage

_DOOR = "job"


class Asker:
    """`payload` has the `context` and the `request_id` of who asked, beside what he asked for."""

    def __init__(self, services: OperationServices, asked: Asked) -> None:
        self.services = services
        self._user_id, self._request_id = asked.user_id, asked.payload["request_id"]
        self._context = GivenContext(*asked.payload["context"])

    async def calls_on(self, bucket_id: str) -> Calls:
        """To be asked for anew at every step. Raises PermissionDenied and NoSuchBucket."""
        return self._calls(*await self.services.database.read(_now, self._user_id, bucket_id))

    async def calls_in(self, bucket_name: str) -> Calls:
        """As `calls_on`."""
        return self._calls(*await self.services.database.read(_now_named, self._user_id, bucket_name))

    def _calls(self, user: SessionUser | None, bucket: Bucket | None) -> Calls:
        if user is None:
            raise PermissionDenied("who asked for it isn't active any more")
        if bucket is None:
            raise NoSuchBucket()
        principal = Principal(
            user.user_id,
            user.canonical_id,
            user.account_id,
            user.name,
            user.role,
            "",
            user.account_owner_id,
            user.rules_revision,
        )
        return Calls(self.services, principal, bucket, self._context, self._request_id)


class Calls:
    """Those of one step, on one bucket."""

    def __init__(
        self, services: OperationServices, principal: Principal, bucket: Bucket, context: GivenContext, request_id: str
    ) -> None:
        self._services, self.principal, self.bucket = services, principal, bucket
        self._context, self._request_id = context, request_id

    def call(self, operation: str, **input: Any) -> Call:
        return Call(
            self._services,
            self.principal,
            {"Bucket": self.bucket.name, **input},
            self._request_id,
            time.time_ns() // 1000,
            bucket=self.bucket,
            context=self._context,
            door=_DOOR,
            operation=operation,
        )


def _now(conn: Connection, user_id: str, bucket_id: str) -> tuple[SessionUser | None, Bucket | None]:
    return asked_jobs.asker_of(conn, user_id), buckets.find_by_uuid(conn, bucket_id)


def _now_named(conn: Connection, user_id: str, bucket_name: str) -> tuple[SessionUser | None, Bucket | None]:
    return asked_jobs.asker_of(conn, user_id), buckets.find(conn, bucket_name)


@asynccontextmanager
async def asking(storage: Storage, asked: Asked) -> AsyncIterator[Asker]:
    async with open_operation_services(storage, storage.settings.upload_memory) as services:
        yield Asker(services, asked)
