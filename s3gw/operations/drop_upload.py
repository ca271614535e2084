"""An upload that resumes and becomes a file of a drop box: begun, gone on with and ended as others are, within what the
drop box takes.

Each transaction asks whether the link is still good, and counts what there is of its unfinished uploads too, so bytes
that nobody ends fill it as much as files do. The last one puts the file beside whatever has its name.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from s3gw.metadata import resumable_uploads, share_links
from s3gw.metadata.change import Change, PartLock
from s3gw.metadata.objects import NewObject, Precondition, Stored
from s3gw.metadata.resumable_uploads import Piece, Resumable, Whole
from s3gw.metadata.uploads import Upload
from s3gw.operations import resumable
from s3gw.operations.call import Call, Output
from s3gw.operations.drop_file import Drop, under_free_name, with_room
from s3gw.operations.resumable import APPEND, CREATE, FINISH, Steps, condition_of
from s3gw.operations.table import Row

Ended = tuple[Resumable, NewObject, Stored]


class DropRows(NamedTuple):
    create: Row
    append: Row
    finish: Row


def rows_of(drop: Drop) -> DropRows:
    """Raise NotFound where the drop box ended meanwhile, TooLarge where it has no room."""
    steps = Steps(partial(_begin, drop=drop), partial(_keep, drop=drop), partial(_finish, drop=drop))

    async def create(call: Call, input: Any) -> Output:
        return await resumable.create(call, input, steps)

    async def append(call: Call, input: Any) -> Output:
        return await resumable.append(call, input, steps)

    return DropRows(replace(CREATE, handler=create), replace(APPEND, handler=append), replace(FINISH, handler=append))


async def _begin(call: Call, upload: Upload, made: Resumable, drop: Drop) -> None:
    locks = [call.key_lock(upload.key)]
    await with_room(call, drop, lambda: call.change(locks, _begin_counted, upload, made, drop))


def _begin_counted(change: Change, upload: Upload, made: Resumable, drop: Drop) -> None:
    resumable_uploads.begin(change, upload, made)  # whatever has its name: a refusal would tell
    share_links.begin_upload(change.conn, drop.link_id)


async def _keep(call: Call, found: Resumable, piece: Piece, drop: Drop) -> Resumable:
    locks = [PartLock(found.upload_id, 0)]
    return await with_room(call, drop, lambda: call.change(locks, _keep_counted, found, piece, drop))


def _keep_counted(change: Change, found: Resumable, piece: Piece, drop: Drop) -> Resumable:
    now = resumable_uploads.append(change, found, piece)
    share_links.require_room(change.conn, drop.link_id, 0)  # its bytes are among the unfinished ones
    return now


async def _finish(call: Call, found: Resumable, piece: Piece, whole: Whole, drop: Drop) -> Ended:
    condition = condition_of(call, found)

    async def put(call: Call, key: str) -> Ended:
        named = whole._replace(about=whole.about._replace(key=key))
        locks = [call.key_lock(key)]
        return await with_room(
            call, drop, lambda: call.change(locks, _finish_counted, found, piece, named, condition, drop)
        )

    return await under_free_name(call, FINISH, found.key, put)


def _finish_counted(
    change: Change, found: Resumable, piece: Piece, whole: Whole, condition: Precondition | None, drop: Drop
) -> Ended:
    ended, new, stored = resumable_uploads.finish(change, found, piece, whole, condition)
    share_links.count_upload(change.conn, drop.visitor, drop.link_id, new.key, new.size)
    return ended, new, stored
