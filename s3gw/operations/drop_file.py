"""A file that is put into a drop box: as PutObject, beside whatever has its name, and counted with it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from s3gw.errors import PreconditionFailed
from s3gw.metadata import objects, share_links, uploads
from s3gw.metadata.audit import Actor
from s3gw.metadata.change import Change
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import NewObject, Precondition, Stored
from s3gw.metadata.share_links import BoxFull
from s3gw.operations.call import Call, Input, Output
from s3gw.operations.files import tell_type
from s3gw.operations.perform import perform
from s3gw.operations.put_object import store_object
from s3gw.operations.table import OPERATIONS, Row

_NUMBERED, _RANDOM = 10, 3  # names that are tried: "a (2).txt" and so on, then some that nobody guesses
T = TypeVar("T")
SUFFIX = 12  # bytes: " (xxxxxxxx)"
_STEP = 20  # uploads that give way in one transaction


class Drop(NamedTuple):
    """`visitor` is who sends the file, as the audit log tells of him."""

    link_id: str
    visitor: Actor


async def put_dropped(call: Call, drop: Drop) -> Output:
    """Raises NotFound where the drop box has ended meanwhile, and TooLarge where it has no room for it."""
    row = replace(OPERATIONS["PutObject"], handler=partial(_put, drop=drop))
    call.input["IfNoneMatch"] = "*"
    return await perform(call, row)


async def _put(call: Call, input: Any, drop: Drop) -> Output:
    await tell_type(call, input)
    await store_object(call, input, partial(_commit, drop=drop))
    return {}


async def _commit(
    call: Call, new: NewObject, place: Callable[[Connection], int], precondition: Precondition | None, drop: Drop
) -> Stored:

    async def put(call: Call, key: str) -> Stored:
        named = new._replace(key=key)
        locks = [call.key_lock(key)]
        return await with_room(call, drop, lambda: call.change(locks, _put_counted, named, place, precondition, drop))

    return await under_free_name(call, OPERATIONS["PutObject"], new.key, put)


async def with_room(call: Call, drop: Drop, write: Callable[[], Awaitable[T]]) -> T:
    """What a transaction gives; where the drop box has no room for it, uploads give way to which nothing came for an
    hour. So nobody keeps others out for a day by what he never ends. Raises BoxFull where that isn't enough.
    """
    while True:
        try:
            return await write()
        except BoxFull:
            if not await call.services.database.write(uploads.drop_idle, drop.link_id, _STEP):
                raise


async def under_free_name(call: Call, row: Row, key: str, put: Callable[[Call, str], Awaitable[T]]) -> T:
    """What `put` gives for the first name that is free; it raises PreconditionFailed for others. Each name is a call of
    its own: rules may allow some names only.
    """
    try:
        return await put(call, key)
    except PreconditionFailed:
        pass
    for other in _others(key):
        done: list[T] = []

        async def handle(again: Call, input: Input, other: str = other, done: list[T] = done) -> Output:
            done.append(await put(again, other))
            return {}

        again = replace(call, input={**call.input, "Key": other}, checks={}, checked=set())
        try:
            await perform(again, replace(row, handler=handle))
        except PreconditionFailed:
            continue
        call.checked.update(call.checks)  # of the name that was taken; this one's were made
        return done[0]
    raise PreconditionFailed()


def _put_counted(
    change: Change,
    new: NewObject,
    place: Callable[[Connection], int],
    precondition: Precondition | None,
    drop: Drop,
) -> Stored:
    stored = objects.put(change, new, place, precondition)
    share_links.count_upload(change.conn, drop.visitor, drop.link_id, new.key, new.size)
    return stored


def _others(key: str) -> Iterator[str]:
    folder, slash, name = key.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    for number in range(_NUMBERED + _RANDOM):
        told = str(number + 2) if number < _NUMBERED else secrets.token_hex(4)
        yield f"{folder}{slash}{stem} ({told}){dot}{ending}"
