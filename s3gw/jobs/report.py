"""Makes a report of usage: counts bucket after bucket, by the rights of who asked, and writes the result into a bucket.

Only the owner of a bucket is told of it, and admins are told of all; each page is asked for anew. What is counted is
kept as pieces (job_pieces.py): number 0 is how far it has come, the others have rows. An attempt after a kill goes on
there, some seconds back; looking for duplicates begins again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from s3gw.errors import AccessDenied, NoSuchBucket
from s3gw.jobs.asked import Asked, Cancelled
from s3gw.jobs.asker import Asker, asking
from s3gw.jobs.pace import paced
from s3gw.jobs.written_object import write_object
from s3gw.metadata import job_pieces, reported
from s3gw.metadata.database import Connection
from s3gw.metadata.reported import Bucket, Page
from s3gw.operations.perform import perform
from s3gw.operations.report_page import REPORT_PAGE
from s3gw.problems import Invalid, PermissionDenied
from s3gw.reports.counted import Counts, Sum, user_row
from s3gw.reports.duplicates import Duplicates
from s3gw.reports.parquet import is_installed
from s3gw.reports.rows import Row
from s3gw.reports.spec import Format, Spec
from s3gw.reports.writers import KINDS

if TYPE_CHECKING:
    from s3gw.storage import Storage

STEP = 500  # versions, of which the rights are asked anew
_KEEP = 5.0  # seconds between two times that it is kept how far it has come
_PIECE = 500  # rows
MOST_REFUSED = 100  # buckets that couldn't be read, and are told


async def report(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
    async with asking(services, asked) as asker:
        work = _Report(asker, asked)
        try:
            await work.run()
        finally:
            progress(work.progress)


class _Report:
    """`_rows` are those that aren't kept yet, `_pieces` how many pieces of rows are."""

    def __init__(self, asker: Asker, asked: Asked) -> None:
        self._asker, self._asked, self._database = asker, asked, asker.services.database
        self._spec = Spec.loaded(asked.payload["spec"])
        self._rows: list[Row] = []
        self._stage, self._pieces, self._done = "count", 0, 0
        self._total: int | None = None
        self._after: tuple[str, int] | None = None  # the bucket that was counted last
        self._user, self._of_user = "", Sum()  # the owner of that, and what was counted of all that are his
        self._counts: Counts | None = None  # of the bucket that is being counted
        self._place: tuple[str, int] = ("", 0)  # in it
        self._refused: list[str] = []
        self._written: list[dict[str, Any]] = []
        self._keep_at = time.monotonic() + _KEEP

    @property
    def progress(self) -> dict[str, Any]:
        return {"done": self._done, "total": None if self._total is None else max(self._total, self._done)}

    async def run(self) -> None:
        """Raises Invalid, PermissionDenied, NoSuchBucket, and what writing the result raises."""
        if "parquet" in self._spec.formats and not is_installed():
            raise Invalid("Parquet can't be written here: the server needs s3gw[parquet]")
        await self._load()
        if self._stage == "count":
            await self._count()
            await self._keep(stage="duplicates")
        if self._stage == "duplicates":
            if "duplicates" in self._spec.by:
                await self._find_duplicates()
            await self._keep(stage="write")
        await self._write_all()
        self._total = self._done
        self._asked.result = {"objects": self._written, "refused": self._refused}

    # How far it has come

    async def _load(self) -> None:
        found = await self._database.scan(job_pieces.find, self._asked.job_id, 0)
        if found is None:
            if not self._spec.prefix:
                total = await self._database.scan(reported.expected, self._spec.bucket_id, self._owner)
                self._total = total * (3 if "duplicates" in self._spec.by else 1)
            return
        self._asked.line("it goes on where it was")
        self._stage, self._pieces, self._done, self._total = (
            found[name] for name in ("stage", "pieces", "done", "total")
        )
        self._after = None if found["after"] is None else tuple(found["after"])
        self._user, self._of_user = found["user"], Sum(*found["of_user"])
        self._refused, self._written = found["refused"], found["written"]
        self._place = tuple(found["place"])
        if found["counts"] is not None:
            self._counts = Counts.loaded(found["counts"], self._spec.prefix, self._asked.asked_at)

    def _dumped(self) -> dict[str, Any]:
        return {
            "stage": self._stage,
            "pieces": self._pieces,
            "done": self._done,
            "total": self._total,
            "after": self._after,
            "user": self._user,
            "of_user": self._of_user,
            "refused": self._refused,
            "written": self._written,
            "place": self._place,
            "counts": None if self._counts is None else self._counts.dumped(),
        }

    async def _note(self) -> None:
        """Heeds that it was cancelled, and keeps now and then how far it has come."""
        if time.monotonic() >= self._keep_at or len(self._rows) >= _PIECE:
            await self._keep()
        else:
            await self._asked.keep(self.progress)

    async def _keep(self, stage: str | None = None) -> None:
        """With the rows that were made since, in one transaction."""
        self._stage = stage or self._stage
        rows, self._rows = self._rows, []
        pieces = [rows[start : start + _PIECE] for start in range(0, len(rows), _PIECE)]
        first, self._pieces = self._pieces + 1, self._pieces + len(pieces)
        kept = [(0, self._dumped()), *enumerate(pieces, first)]
        if await self._database.write(_keep, self._asked, self.progress, kept):
            raise Cancelled
        self._keep_at = time.monotonic() + _KEEP

    # Which buckets

    @property
    def _owner(self) -> str | None:
        return None if self._spec.is_of_all or self._spec.bucket_id is not None else self._asked.user_id

    async def _next(self, after: tuple[str, int] | None) -> Bucket | None:
        return await self._database.scan(reported.next_bucket, self._spec.bucket_id, self._owner, after)

    async def _page(self, bucket: Bucket, place: tuple[str, int], with_digests: bool) -> Page:
        """Raises PermissionDenied for who is neither admin nor the bucket's owner, AccessDenied and NoSuchBucket."""
        calls = await self._asker.calls_on(bucket.uuid)
        is_owner = calls.principal.user_id == calls.bucket.owner_id
        if calls.principal.role != "admin" and (self._spec.is_of_all or not is_owner):
            raise PermissionDenied("a report is for the owner of the bucket, and of all buckets for admins")
        asked = {"Prefix": self._spec.prefix, "Place": place, "MaxKeys": STEP, "WithDigests": with_digests}
        page: Page = (await perform(calls.call("ListObjectVersions", **asked), REPORT_PAGE))["Page"]
        return page

    def _leave_out(self, bucket: Bucket, error: AccessDenied | NoSuchBucket) -> None:
        """One of many that can't be read, or is gone by now, is told; the only one ends the report."""
        if self._spec.bucket_id is not None:
            raise error
        if isinstance(error, AccessDenied) and len(self._refused) < MOST_REFUSED:
            self._refused.append(bucket.name)

    # Counting

    async def _count(self) -> None:
        is_first = True
        while (bucket := await self._next(self._after)) is not None:
            is_first = False
            self._begin_user(bucket.owner)
            await self._count_bucket(bucket)
            self._after, self._counts, self._place = bucket.place, None, ("", 0)
            await self._note()
        if is_first and self._after is None and self._spec.bucket_id is not None:
            raise NoSuchBucket()
        self._begin_user("")

    def _begin_user(self, user: str) -> None:
        if user == self._user:
            return
        if self._user and "user" in self._spec.by:
            self._rows.append(user_row(self._user, self._of_user))
        self._user, self._of_user = user, Sum()

    async def _count_bucket(self, bucket: Bucket) -> None:
        counts = self._counts = self._counts or Counts(self._spec.prefix, self._asked.asked_at)
        place: tuple[str, int] | None = self._place
        while place is not None:
            try:
                page = await paced(self._page(bucket, place, False))
            except (AccessDenied, NoSuchBucket) as error:
                self._leave_out(bucket, error)
                return
            counts.add(page.versions)
            self._done += len(page.versions)
            place = page.place
            if place is not None:
                self._place = place
                await self._note()
        self._of_user = self._of_user.plus(counts.all)
        self._rows.extend(counts.rows(self._spec.by, bucket.owner, bucket.name))

    async def _find_duplicates(self) -> None:
        counted = self._done
        duplicates = Duplicates(counted)
        while True:
            async for bucket, page in self._walk():
                duplicates.look(page.versions, bucket.owner, bucket.name)
                self._done += len(page.versions)
                await self._asked.keep(self.progress)
            if not duplicates.end_walk():
                break
        self._rows.extend(duplicates.rows())

    async def _walk(self) -> AsyncIterator[tuple[Bucket, Page]]:
        after: tuple[str, int] | None = None
        while (bucket := await self._next(after)) is not None:
            after, place = bucket.place, ("", 0)
            while place is not None:
                try:
                    page = await paced(self._page(bucket, place, True))
                except (AccessDenied, NoSuchBucket):  # it was told when it was counted
                    break
                yield bucket, page
                place = page.place  # type: ignore[assignment]

    # Writing

    async def _write_all(self) -> None:
        for form in self._spec.formats[len(self._written) :]:
            calls = await self._asker.calls_on(self._spec.to_bucket_id)
            key = self._key(form)
            size = await write_object(calls, key, KINDS[form].content_type, self._made(form))
            self._written.append({"bucket": calls.bucket.name, "key": key, "format": form, "size": size})
            self._asked.line(f"{key} is written")
            await self._keep()

    def _key(self, form: Format) -> str:
        """The same in each attempt, and no other job's."""
        asked_at = datetime.fromtimestamp(self._asked.asked_at / 1_000_000, UTC)
        name, number = self._asked.payload["name"], self._asked.job_id[:8]
        return f"{self._spec.to_prefix}{name}-{asked_at:%Y-%m-%dT%H-%M-%SZ}-{number}.{form}"

    async def _made(self, form: Format) -> AsyncGenerator[bytes, None]:
        about: dict[str, Any] = {"name": self._asked.payload["name"], "refused": self._refused}
        about["asked_at"] = datetime.fromtimestamp(self._asked.asked_at / 1_000_000, UTC).isoformat()
        writer = await asyncio.to_thread(KINDS[form].writer, about)  # which may load a library
        yield writer.begin()
        for number in range(1, self._pieces + 1):
            yield writer.rows(await self._rows_of(number))
            await self._asked.keep(self.progress)
        yield writer.end()

    async def _rows_of(self, number: int) -> list[Row]:
        found: Iterable[list[Any]] = await self._database.scan(job_pieces.find, self._asked.job_id, number)
        return [Row._make(values) for values in found]


def _keep(conn: Connection, asked: Asked, progress: dict[str, Any], pieces: list[tuple[int, Any]]) -> bool:
    """Whether it was cancelled."""
    is_cancelled = asked.note_in(conn, progress)
    for number, document in pieces:
        job_pieces.put(conn, asked.job_id, number, document)
    return is_cancelled
