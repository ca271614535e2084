"""What a batch does to one version of an object, which a manifest names by its id: the call that a request for that
version alone would make.

There are no actions for which a version can't be named: a file is moved with all of its versions.
"""

from __future__ import annotations

from urllib.parse import quote

from s3gw.errors import NoSuchVersion, PreconditionFailed
from s3gw.jobs.batch_actions import Order, Step, attempt
from s3gw.manifests.lines import Task
from s3gw.metadata import objects
from s3gw.operations.copy_file import COPY_FILE
from s3gw.operations.restore_version import RESTORE_VERSION, input_of_version
from s3gw.operations.table import OPERATIONS
from s3gw.problems import Conflict, FileAlreadyExists, Invalid, NotFound


async def act_on_version(step: Step, order: Order, task: Task) -> None:
    """Raises S3Error and Problem."""
    version_id = task.version_id or ""
    if not objects.is_version_id(version_id):
        raise NoSuchVersion(Key=task.key, VersionId=version_id)
    if order.action == "delete":
        call = step.calls.call("DeleteObject", Key=task.key, VersionId=version_id)
        await attempt(call, OPERATIONS["DeleteObject"])
    elif order.action == "tag":
        tags = [{"Key": name, "Value": value} for name, value in (order.tags or {}).items()]
        call = step.calls.call("PutObjectTagging", Key=task.key, VersionId=version_id, Tagging={"TagSet": tags})
        await attempt(call, OPERATIONS["PutObjectTagging"])
    elif order.action == "copy":
        await _copy(step, order, task, version_id)
    elif order.action == "restore":
        await _restore(step, task, version_id)
    else:
        raise Invalid("a version can't be moved: leave its id out to move the file")


async def _copy(step: Step, order: Order, task: Task, version_id: str) -> None:
    target = order.target_of(task.key)
    source = f"{step.calls.bucket.name}/{quote(task.key, safe='')}?versionId={version_id}"
    call = step.target.call("CopyObject", Key=target, CopySource=source, IfNoneMatch="*")
    try:
        await attempt(call, COPY_FILE)
    except PreconditionFailed:
        read = step.services.database.read
        there = await read(objects.find, step.target.bucket.id, target)
        copied = await read(objects.find, step.calls.bucket.id, task.key, version_id)
        is_done = there is not None and copied is not None and there.content_id == copied.content_id
        if not (step.is_repeated and is_done):
            raise FileAlreadyExists("there is a file of this name") from None


async def _restore(step: Step, task: Task, version_id: str) -> None:
    bucket = step.calls.bucket
    newest = await step.services.database.read(objects.latest, bucket.id, task.key)
    if newest is None or newest.file_id is None:
        raise NotFound("there is no such file")
    input = input_of_version(bucket.name, task.key, newest.file_id, version_id)
    try:
        await attempt(step.calls.call("CopyObject", **input), RESTORE_VERSION)
    except Conflict:
        if not step.is_repeated:  # it is what the file is now
            raise
