"""Does the same to all that a manifest names, an object in CSV: each line by the rights of who asked, whatever its
bucket.

The manifest is read as he may read it, by ranges of what had the entity tag that he gave: one that was changed ends the
job. It is read twice, first to the end, so all of it is a manifest before anything is done. After each step of some
lines it is noted how far it has come, with what the completion report will say of them, so an attempt after a kill does
at most one step again, where what is done already is done. The report is written at the end, as an object.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from s3gw.errors import AccessDenied, NoSuchBucket, PreconditionFailed, S3Error
from s3gw.jobs.asked import Asked, Cancelled, refusal_of
from s3gw.jobs.asker import Asker, Calls, asking
from s3gw.jobs.batch import AT_ONCE, MOST_TOLD
from s3gw.jobs.batch_actions import ACTIONS, Item, Order, Step
from s3gw.jobs.batch_versions import act_on_version
from s3gw.jobs.pace import paced
from s3gw.jobs.written_object import write_object
from s3gw.manifests.completion import SUCCEEDED, Outcome, row_of, written
from s3gw.manifests.lines import START, BadManifest, Lines, Place, Task
from s3gw.metadata import job_pieces, objects, trash
from s3gw.metadata.database import Connection
from s3gw.operations.perform import perform
from s3gw.operations.table import OPERATIONS
from s3gw.problems import Conflict, Invalid, NotFound, PermissionDenied, Problem

if TYPE_CHECKING:
    from s3gw.storage import Storage

STEP = 100  # lines, of which the rights are asked anew
_AHEAD = 1 << 20  # bytes of the manifest that are read at once


async def manifest_batch(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
    async with asking(services, asked) as asker:
        work = _ManifestBatch(asker, asked)
        try:
            await work.run()
        except BadManifest as error:
            raise Invalid(f"this is no manifest: {error}") from None
        progress(work.noted)  # of an attempt that is to be repeated the transactions' notes count


class _ManifestBatch:
    """`noted` is how far it has come as the last transaction has noted it; `_pieces` have the lines of the report."""

    def __init__(self, asker: Asker, asked: Asked) -> None:
        self._asker, self._asked = asker, asked
        self._order = Order.of(asked.payload, asked.asked_at)
        self._manifest, self._report = asked.payload["manifest"], asked.payload["report"]
        before = asked.before
        self._is_repeated = before.get("total") is not None  # of the first step
        self._total: int | None = before.get("total")
        self._succeeded, self._failed = before.get("succeeded", 0), before.get("failed", 0)
        self._failures: list[dict[str, Any]] = before.get("failures", [])
        self._place = Place(*before.get("place", START))
        self._pieces: int = before.get("pieces", 0)
        self.noted = before or {"done": 0, "total": None}

    @property
    def _counts(self) -> dict[str, Any]:
        return {"succeeded": self._succeeded, "failed": self._failed, "failures": self._failures}

    async def run(self) -> None:
        """Raises BadManifest, and what reading it and writing the report raise."""
        if self._total is None:
            self._total = await self._count()
            self._asked.line(f"{self._order.action} for {self._total} lines of the manifest")
            await self._note([])
        async for tasks, place in self._tasks(self._place, STEP):
            outcomes = await paced(self._do_all(tasks))
            self._place, self._is_repeated = place, False
            await self._note(list(zip(tasks, outcomes, strict=True)))
            self._asked.result = self._counts
        self._asked.result = self._counts
        if self._report is not None:
            self._asked.result = self._counts | {"report": await self._write_report()}

    async def _note(self, outcomes: Sequence[tuple[Task, Outcome]]) -> None:
        rows: list[list[str]] = []
        if self._report is not None:
            only_failed = self._report["only_failed"]
            rows = [row_of(*each) for each in outcomes if each[1].is_failed or not only_failed]
        self._pieces += bool(rows)
        noted = {"done": self._succeeded + self._failed, "total": self._total, **self._counts}
        noted |= {"place": self._place, "pieces": self._pieces}
        is_cancelled = await self._asker.services.database.write(_note, self._asked, noted, self._pieces, rows)
        self.noted = noted
        if is_cancelled:
            raise Cancelled

    # The manifest

    async def _count(self) -> int:
        count = 0
        async for tasks, _ in self._tasks(START, 10_000):
            count += len(tasks)
            await self._asked.keep(self.noted)
        if not count:
            raise BadManifest("it names nothing")
        return count

    async def _tasks(self, place: Place, most: int) -> AsyncIterator[tuple[list[Task], Place]]:
        """So many at once, and the place behind them."""
        size, lines, read = self._manifest["size"], Lines(place), place.offset
        tasks: list[Task] = []
        while True:
            task = lines.next(read >= size)
            if task is not None:
                tasks.append(task)
            if tasks and (len(tasks) >= most or (task is None and read >= size)):
                yield tasks, lines.place
                tasks = []
            if task is None:
                if read >= size:
                    return
                lines.feed(await self._read(read, min(_AHEAD, size - read)))
                read = min(read + _AHEAD, size)

    async def _read(self, offset: int, length: int) -> bytes:
        """Asked for as who asks is now, each time."""
        calls = await self._asker.calls_on(self._order.bucket_id)
        asked = {"Range": f"bytes={offset}-{offset + length - 1}", "IfMatch": f'"{self._manifest["etag"]}"'}
        try:
            call = calls.call("GetObject", Key=self._manifest["key"], **asked)
            body = (await perform(call, OPERATIONS["GetObject"]))["Body"]
        except PreconditionFailed:
            raise Conflict("the manifest was changed meanwhile") from None
        except AccessDenied:
            raise PermissionDenied("you may not read the manifest") from None
        if body.whole is not None:
            return bytes(body.whole)
        async with aclosing(body):
            return b"".join([bytes(piece) async for piece in body])

    # What it names

    async def _do_all(self, tasks: Sequence[Task]) -> list[Outcome]:
        """In their order. Raises what is nobody's refusal, of which the whole step is tried again."""
        found = {name: await self._calls_in(name) for name in {task.bucket for task in tasks}}
        order = self._order
        target = None if order.to_bucket_id is None else await self._asker.calls_on(order.to_bucket_id)
        turns = asyncio.Semaphore(AT_ONCE)

        async def do(task: Task) -> Outcome:
            calls = found[task.bucket]
            async with turns:
                if calls is None:
                    return _outcome_of(NoSuchBucket())
                is_elsewhere = target is not None and target.bucket.id != calls.bucket.id
                to = target if target is not None and is_elsewhere else calls
                step = Step(self._asker.services, calls, to, self._is_repeated)
                return await self._do(step, task)

        outcomes = await asyncio.gather(*map(do, tasks), return_exceptions=True)
        told: list[Outcome] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            told.append(outcome)
        for task, outcome in zip(tasks, told, strict=True):
            self._count_one(task, outcome)
        return told

    async def _calls_in(self, name: str) -> Calls | None:
        try:
            return await self._asker.calls_in(name)
        except NoSuchBucket:
            return None

    async def _do(self, step: Step, task: Task) -> Outcome:
        try:
            if task.version_id is not None:
                await act_on_version(step, self._order, task)
            else:
                item = await step.services.database.scan(_item, step.calls.bucket.id, task.key)
                await ACTIONS[self._order.action](step, self._order, item)
        except (S3Error, Problem) as error:
            if refusal_of(error) is None:
                raise
            return _outcome_of(error)
        return SUCCEEDED

    def _count_one(self, task: Task, outcome: Outcome) -> None:
        if not outcome.is_failed:
            self._succeeded += 1
            return
        self._failed += 1
        if len(self._failures) < MOST_TOLD:
            named = {"bucket": task.bucket, "file_path": task.key, "version_id": task.version_id}
            self._failures.append(named | {"error_code": outcome.code, "detail": outcome.message})

    # The report

    async def _write_report(self) -> dict[str, Any]:
        calls = await self._asker.calls_on(self._report["bucket_id"])
        key = f"{self._report['prefix']}job-{self._asked.job_id}/results.csv"
        size = await write_object(calls, key, "text/csv; charset=utf-8", self._rows())
        return {"bucket": calls.bucket.name, "key": key, "size": size}

    async def _rows(self) -> AsyncGenerator[bytes, None]:
        for number in range(1, self._pieces + 1):
            found = await self._asker.services.database.scan(job_pieces.find, self._asked.job_id, number)
            yield written(found)
            await self._asked.keep(self.noted)


def _item(conn: Connection, bucket_id: int, key: str) -> Item:
    """What is there, or was: by the same names as a request for the file."""
    found = objects.find(conn, bucket_id, key)
    if found is not None and not found.is_delete_marker:
        return Item(found.file_id, key, found)
    trashed = trash.newest_of_key(conn, bucket_id, key)
    if trashed is not None:
        return Item(trashed.file_id, key, None, trashed)
    return Item(None) if found is None else Item(found.file_id, key)


def _outcome_of(error: S3Error | Problem) -> Outcome:
    """By AWS's names, where it has one."""
    if isinstance(error, S3Error):
        return Outcome(error.code, error.status, error.message)
    if isinstance(error, NotFound):
        return Outcome("NoSuchKey", error.status, error.detail)
    if isinstance(error, PermissionDenied):
        return Outcome("AccessDenied", error.status, error.detail)
    return Outcome(error.error_code, error.status, error.detail)


def _note(conn: Connection, asked: Asked, progress: dict[str, Any], number: int, rows: list[list[str]]) -> bool:
    """Whether it was cancelled."""
    is_cancelled = asked.note_in(conn, progress)
    if rows:
        job_pieces.put(conn, asked.job_id, number, rows)
    return is_cancelled
