"""What a batch does to one file: the call, or calls, that a request for that file alone would make.

Nothing is overwritten. A file that another attempt has moved or deleted, or copied, is done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

from s3gw.errors import AccessDenied, NoSuchKey, PreconditionFailed
from s3gw.jobs.asker import Calls
from s3gw.metadata import files, objects, trash
from s3gw.metadata.file_filters import Wanted
from s3gw.metadata.objects import ObjectVersion
from s3gw.metadata.trash import Trashed
from s3gw.operations.authorize import may_be_told
from s3gw.operations.call import Call, Input, Output
from s3gw.operations.copy_file import COPY_FILE
from s3gw.operations.files import DELETE_FILE, HEAD_FILE, MAY_DELETE_FILE
from s3gw.operations.perform import perform
from s3gw.operations.restore_version import RESTORE_VERSION, input_of_version
from s3gw.operations.table import Row
from s3gw.operations.trash import DELETE_FOR_GOOD, RESTORE_FILE, restore_input
from s3gw.operations.update_file import Changes, input_of, operation_of, row_of
from s3gw.problems import Conflict, FileAlreadyExists, NotFound, PermissionDenied, Withheld
from s3gw.services import OperationServices


class Order(NamedTuple):
    """What was asked for. `files` are ids; None: what is below `prefix` as `wanted` says. Targets begin with
    `to_prefix`, in the place of `prefix` or, of files that were named, of their folders. `asked_at` in microseconds.
    """

    bucket_id: str
    action: str
    files: list[str] | None
    prefix: str
    wanted: Wanted
    to_bucket_id: str | None
    to_prefix: str
    tags: dict[str, str] | None
    is_permanent: bool
    asked_at: int = 0

    @classmethod
    def of(cls, payload: Any, asked_at: int) -> Order:
        """Of a job's payload."""
        values = {name: payload[name] for name in cls._fields if name != "asked_at"} | {"asked_at": asked_at}
        *plain, tags, metadata = values["wanted"]
        pairs = (tuple((name, value) for name, value in found) for found in (tags, metadata))
        return cls(**values | {"wanted": Wanted(*plain, *pairs)})

    @property
    def source(self) -> str:
        if self.files is not None:
            return "files"
        return "trash" if self.action == "restore" else "query"

    @property
    def wanted_now(self) -> Wanted:
        """Where a file is moved up (`a/a/x` to `a/x`), the query could find it again behind what was done: there it
        finds only what was there when it was asked for.
        """
        is_elsewhere = self.to_bucket_id not in (None, self.bucket_id)
        if self.action not in ("move", "copy") or is_elsewhere or not self.prefix.startswith(self.to_prefix):
            return self.wanted
        end = self.asked_at + 1
        before = self.wanted.changed_before
        return self.wanted._replace(changed_before=end if before is None else min(before, end))

    def target_of(self, key: str) -> str:
        if self.files is None:
            return self.to_prefix + key[len(self.prefix) :]
        return self.to_prefix + key[key.rstrip("/").rfind("/") + 1 :]


class Item(NamedTuple):
    """A file. `version` is what it is now, `trashed` what is in the trash of it; `is_listed`: he may know its key."""

    file_id: bytes | None
    key: str | None = None
    version: ObjectVersion | None = None
    trashed: Trashed | None = None
    is_listed: bool = False

    @property
    def told_id(self) -> str | None:
        return None if self.file_id is None else str(UUID(bytes=bytes(self.file_id)))


class Step(NamedTuple):
    """`is_repeated`: an attempt before may have done it already."""

    services: OperationServices
    calls: Calls
    target: Calls
    is_repeated: bool


async def attempt(call: Call, row: Row) -> Output:
    """Raises NotFound for what he may not know of, and PermissionDenied for the rest of what he may not."""
    try:
        return await perform(call, row)
    except Withheld:  # he may read it
        raise
    except AccessDenied:
        if may_be_told(call):
            raise PermissionDenied("you may not do this") from None
        raise NotFound("there is no such file") from None
    except NoSuchKey:
        raise NotFound("there is no such file") from None


def _found(item: Item) -> ObjectVersion:
    if item.version is None:
        raise NotFound("there is no such file")
    return item.version


def _place(version: ObjectVersion) -> Input:
    return {"Key": version.key, "FileId": version.file_id}


async def _delete(step: Step, order: Order, item: Item) -> None:
    try:
        if order.is_permanent:
            await _delete_for_good(step, item)
        else:
            await attempt(step.calls.call("DeleteObject", **_place(_found(item))), DELETE_FILE)
    except NotFound:
        if not step.is_repeated:
            raise


async def _delete_for_good(step: Step, item: Item) -> None:
    if item.key is None:
        raise NotFound("there is no such file")
    await attempt(step.calls.call("DeleteObject", Key=item.key, FileId=item.file_id), DELETE_FOR_GOOD)


async def _move(step: Step, order: Order, item: Item) -> None:
    try:
        version = _found(item)
        if step.target is not step.calls:
            await _move_away(step, order, version)
            return
        changes = Changes(await _target(step, order, version))
        if changes.key != version.key:
            input = input_of(_place(version), changes, _holds, True)
            await attempt(step.calls.call(operation_of(changes, True), **input), row_of(changes, True))
    except NotFound:
        if not step.is_repeated:
            raise


async def _target(step: Step, order: Order, version: ObjectVersion) -> str:
    """A key that is too long is refused before rights are asked, and would tell that there is a file of that id."""
    target = order.target_of(version.key)
    if len(target.encode()) > step.services.settings.max_key:
        await attempt(step.calls.call("HeadObject", **_place(version)), HEAD_FILE)
    return target


def _holds(version: ObjectVersion) -> None:
    """Whatever it has become: it is the file."""


async def _move_away(step: Step, order: Order, version: ObjectVersion) -> None:
    """To another bucket: it is copied, if it may be deleted, and then deleted if it is still what was copied."""
    await attempt(step.calls.call("DeleteObject", **_place(version)), MAY_DELETE_FILE)
    await _copy(step, order, Item(version.file_id, version.key, version))
    await attempt(step.calls.call("DeleteObject", **_place(version), Seen=version), DELETE_FILE)


async def _copy(step: Step, order: Order, item: Item) -> None:
    version = _found(item)
    target, source = await _target(step, order, version), f"{step.calls.bucket.name}/{quote(version.key, safe='')}"
    given = {"CopySource": source, "CopySourceIfMatch": f'"{version.etag}"'}
    try:
        await attempt(step.target.call("CopyObject", Key=target, IfNoneMatch="*", **given), COPY_FILE)
    except PreconditionFailed as error:
        there = await step.services.database.read(objects.find, step.target.bucket.id, target)
        if there is None or there.is_delete_marker:
            raise error  # the source was overwritten just now
        if not (step.is_repeated and there.content_id == version.content_id):
            raise FileAlreadyExists("there is a file of this name") from None


async def _tag(step: Step, order: Order, item: Item) -> None:
    changes = Changes(tags=order.tags)
    input = input_of(_place(_found(item)), changes, _holds, False)
    await attempt(step.calls.call(operation_of(changes, False), **input), row_of(changes, False))


async def _restore(step: Step, order: Order, item: Item) -> None:
    """What is in the trash, or else the last version before a delete marker."""
    calls, scan = step.calls, step.services.database.scan
    bucket, wanted = calls.bucket, item.file_id or b""
    trashed = item.trashed or await scan(trash.find, bucket.id, wanted, None)
    is_there = item.version is not None
    if trashed is not None and not is_there:
        given = restore_input(trashed)
        await attempt(calls.call("PutObject", **given, Trashed=trashed, Overwrite=False), RESTORE_FILE)
        return
    newest = await scan(files.newest_hidden, bucket.id, wanted)
    if newest is not None:
        input = input_of_version(bucket.name, newest.key, wanted, newest.version_id)
        await attempt(calls.call("CopyObject", **input), RESTORE_VERSION)
    elif item.version is None:
        raise NotFound("there is no such file")
    elif not step.is_repeated:
        call = calls.call("HeadObject", **_place(item.version))
        await attempt(call, HEAD_FILE)  # who may not see it isn't told that it is there
        raise Conflict("the file isn't deleted")


Action = Callable[[Step, Order, Item], Awaitable[None]]
ACTIONS: dict[str, Action] = {"delete": _delete, "move": _move, "copy": _copy, "tag": _tag, "restore": _restore}
