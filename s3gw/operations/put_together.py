"""Several files that are put by one transaction: all of them become visible, or none.

Each is a PutObject of its own up to there: it is asked for, its body is read and its bytes are stored as for any other.
Then it waits until the last has come so far. What was stored for files that never become visible is removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from s3gw.errors import PreconditionFailed
from s3gw.metadata import objects
from s3gw.metadata.change import Change, Check
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import NewObject, ObjectVersion, Precondition, Stored
from s3gw.operations.call import Call, Input, Output
from s3gw.operations.files import tell_type, version_of
from s3gw.operations.put_object import store_object
from s3gw.operations.table import OPERATIONS, Row
from s3gw.problems import FileAlreadyExists


class _Waiting(NamedTuple):
    """One whose bytes are stored; `outcome` lets it go on."""

    call: Call
    new: NewObject
    place: Callable[[Connection], int]
    precondition: Precondition | None
    outcome: asyncio.Future[Stored]


class _Abandoned(Exception):
    """Another of them was refused."""


async def put_together(
    calls: AsyncGenerator[Call, None], perform: Callable[[Call, Row], Awaitable[Output]]
) -> list[ObjectVersion]:
    """Each call is of another key of the same bucket, and has its body; the next one is asked for when the body of the
    one before was read. Raises what any of them is refused with; FileAlreadyExists names the file.
    """
    batch = _Batch(perform)
    try:
        async with aclosing(calls):
            async for call in calls:
                await batch.begin(call)
        return await batch.commit()
    except BaseException as error:
        await batch.abandon(error)
        raise


class _Batch:
    """On the event loop only. Each call is performed in a task, since it is in the middle of that while it waits."""

    def __init__(self, perform: Callable[[Call, Row], Awaitable[Output]]) -> None:
        self._perform = perform
        self._tasks: list[asyncio.Task[Output]] = []
        self._waiting: list[_Waiting] = []
        self._is_unknown = False  # whether the transaction was done

    async def begin(self, call: Call) -> None:
        """Until its bytes are stored."""
        arrived: asyncio.Future[_Waiting] = asyncio.get_running_loop().create_future()
        row = replace(OPERATIONS["PutObject"], handler=partial(_put, arrived=arrived))
        task = asyncio.ensure_future(self._perform(call, row))
        self._tasks.append(task)
        await asyncio.wait((task, arrived), return_when=asyncio.FIRST_COMPLETED)
        if not arrived.done():
            task.result()
        self._waiting.append(arrived.result())

    async def commit(self) -> list[ObjectVersion]:
        if not self._waiting:
            return []
        call = replace(self._waiting[0].call, checks={}, checked=set())
        locks = [call.key_lock(each.new.key) for each in self._waiting]
        self._is_unknown = True
        outcomes = await call.change(locks, _put_all, self._waiting)
        for each, outcome in zip(self._waiting, outcomes, strict=True):
            each.outcome.set_result(outcome)
        return [(await task)["Version"] for task in self._tasks]

    async def abandon(self, error: BaseException) -> None:
        """Nobody goes on when this is left. Where the transaction may still be done, what is stored stays for the
        sweep: it is left as by a caller who was cancelled.
        """
        told = error if self._is_unknown else _Abandoned()
        for each in self._waiting:
            if isinstance(told, Exception) and not each.outcome.done():
                each.outcome.set_exception(told)
        is_left = not isinstance(told, Exception)
        for task in self._tasks if is_left else self._tasks[len(self._waiting) :]:
            task.cancel()
        while any(not task.done() for task in self._tasks):
            try:
                await asyncio.wait(self._tasks)
            except asyncio.CancelledError:
                pass  # raised by who was cancelled first
        for task in self._tasks:
            _ = task.cancelled() or task.exception()  # retrieved, or asyncio complains


async def _put(call: Call, input: Input, arrived: asyncio.Future[_Waiting]) -> Output:
    async def wait(
        call: Call, new: NewObject, place: Callable[[Connection], int], precondition: Precondition | None
    ) -> Stored:
        outcome: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        arrived.set_result(_Waiting(call, new, place, precondition, outcome))
        stored = await outcome
        call.checked.update(call.checks)  # within the transaction
        return stored

    await tell_type(call, input)
    new, stored = await store_object(call, input, wait)  # type: ignore[arg-type]  # boto3's TypedDict
    return {"Version": version_of(call.the_bucket.id, new, stored)}


def _put_all(change: Change, files: Sequence[_Waiting]) -> list[Stored]:
    return [_put_one(change, each) for each in files]


def _put_one(change: Change, file: _Waiting) -> Stored:
    checks: dict[str, Check] = file.call.checks
    change.turn_to(checks)
    try:
        return objects.put(change, file.new, file.place, file.precondition)
    except PreconditionFailed:
        if "IfNoneMatch" in file.call.input:
            raise FileAlreadyExists(f"there is a file of the name {file.new.key}") from None
        raise
