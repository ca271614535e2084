"""Deletes a bucket with all that is in it: for who may delete it, and each of its objects, whatever he owns of them.

Each step looks for what is left, so after a crash the work is begun again and nothing is done twice. Requests go on
between two steps (pace.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from s3gw.errors import BucketNotEmpty, NoSuchBucket
from s3gw.jobs.asked import Asked
from s3gw.jobs.asker import Asker, asking
from s3gw.jobs.pace import paced
from s3gw.metadata import usage
from s3gw.operations.empty_bucket import DELETE_FOR_GOOD, EMPTY_STEP, MAY_DELETE_BUCKET
from s3gw.operations.perform import perform

if TYPE_CHECKING:
    from s3gw.storage import Storage

_ROUNDS = 10  # in which a bucket is emptied that others still write into


async def delete_bucket(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
    async with asking(services, asked) as asker:
        work = _Deletion(asker, asked)
        with suppress(NoSuchBucket):  # it is gone: by an attempt before, whose end wasn't noted
            await work.run()
        asked.result = {"objects": work.done}


class _Deletion:
    """`done` counts versions and delete markers, those of attempts before too."""

    def __init__(self, asker: Asker, asked: Asked) -> None:
        self._asker, self._asked, self._bucket_id = asker, asked, asked.payload["bucket_id"]
        self.done: int = asked.before.get("done", 0)
        self._total: int = asked.before.get("total", 0)

    async def run(self) -> None:
        """Raises BucketNotEmpty where others write faster than it deletes, and NoSuchBucket."""
        bucket = (await self._asker.calls_on(self._bucket_id)).bucket
        used = await self._asker.services.database.scan(usage.of_bucket, bucket.id)
        self._total = self.done + used.versions + used.markers
        for _ in range(_ROUNDS):
            await self._empty()
            with suppress(BucketNotEmpty):
                await self._delete()
                return
            self._asked.line("others have written into the bucket meanwhile: it is emptied once more")
        raise BucketNotEmpty(BucketName=bucket.name)

    async def _empty(self) -> None:
        last: Any = None
        while True:
            await self._note()
            calls = await self._asker.calls_on(self._bucket_id)
            await perform(calls.call("DeleteBucket"), MAY_DELETE_BUCKET)
            step = await paced(perform(calls.call("DeleteObject", After=last), EMPTY_STEP))
            self.done += step["Removed"]
            last = step["Last"]
            if last is None:
                await self._note()
                return

    async def _delete(self) -> None:
        calls = await self._asker.calls_on(self._bucket_id)
        await perform(calls.call("DeleteBucket"), DELETE_FOR_GOOD)

    async def _note(self) -> None:
        await self._asked.note({"done": self.done, "total": max(self.done, self._total)})
