"""Does the same to many files, named or found by a query: one call for each, with the rights of who asked.

What is refused of a file is reported, and the others go on. The cursor of what was done is noted (asked.py), so an
attempt goes on where the one before was killed, at most a second back: what was done in it is done again without harm,
since a file that isn't where it was is done. Files that a query doesn't find any more then aren't counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from s3gw.errors import S3Error
from s3gw.jobs.asked import Asked, refusal_of
from s3gw.jobs.asker import Asker, asking
from s3gw.jobs.batch_actions import ACTIONS, Item, Order, Step
from s3gw.jobs.batch_files import LOOKS, count
from s3gw.jobs.pace import paced
from s3gw.problems import FileAlreadyExists, PermissionDenied, Problem

if TYPE_CHECKING:
    from s3gw.storage import Storage

AT_ONCE = 8  # calls, whose transactions may be committed together
MOST_TOLD = 100  # failures that the report has


async def batch(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
    async with asking(services, asked) as asker:
        await _Batch(asker, asked).run()


class _Batch:
    def __init__(self, asker: Asker, asked: Asked) -> None:
        self._asker, self._asked = asker, asked
        self._order = Order.of(asked.payload, asked.asked_at)
        self._look = LOOKS[self._order.source]
        before = asked.before
        self._is_repeated = bool(before)
        self._total: int | None = before.get("total")
        self._succeeded, self._failed = before.get("succeeded", 0), before.get("failed", 0)
        self._failures: list[dict[str, Any]] = before.get("failures", [])
        self._cursor: Any = before.get("cursor")

    async def run(self) -> None:
        if not self._is_repeated:
            self._total = await count(await self._step(), self._order)
            told = "" if self._total is None else f" for {self._total} files"
            self._asked.line(f"{self._order.action}{told}")
        while True:
            await self._note()
            step = await self._step()
            items, self._cursor = await self._look(step, self._order, self._cursor)
            await paced(self._do_all(step, items))
            if self._cursor is None:
                break
        self._total = self._succeeded + self._failed
        await self._note()

    async def _step(self) -> Step:
        """With who asks, and the buckets, as they are now."""
        order = self._order
        calls = await self._asker.calls_on(order.bucket_id)
        target = calls
        if order.to_bucket_id is not None and order.to_bucket_id != order.bucket_id:
            target = await self._asker.calls_on(order.to_bucket_id)
        return Step(self._asker.services, calls, target, self._is_repeated)

    async def _do_all(self, step: Step, items: Sequence[Item]) -> None:
        turns = asyncio.Semaphore(AT_ONCE)

        async def do(item: Item) -> None:
            async with turns:
                await self._do(step, item)

        outcomes = await asyncio.gather(*map(do, items), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _do(self, step: Step, item: Item) -> None:
        try:
            await ACTIONS[self._order.action](step, self._order, item)
        except (S3Error, Problem) as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            self._report(item, error, refusal)
        else:
            self._succeeded += 1

    def _report(self, item: Item, error: S3Error | Problem, refusal: dict[str, str]) -> None:
        """Of a file that was named by its id, the path is told where it is clear that he may know it."""
        self._failed += 1
        if self._failed == MOST_TOLD:
            self._asked.line(f"{MOST_TOLD} files were refused; of more only the number is reported")
        if len(self._failures) < MOST_TOLD:
            shows_path = item.is_listed or isinstance(error, (PermissionDenied, FileAlreadyExists))
            told = {"file_id": item.told_id, "file_path": item.key if shows_path else None}
            self._failures.append(told | refusal)

    async def _note(self) -> None:
        done = self._succeeded + self._failed
        counts = {"succeeded": self._succeeded, "failed": self._failed, "failures": self._failures}
        self._asked.result = counts
        total = None if self._total is None else max(done, self._total)
        await self._asked.note({"done": done, "total": total, "cursor": self._cursor, **counts})
