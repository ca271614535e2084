"""PutObject."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from s3gw.errors import NotImplemented
from s3gw.metadata import contents, objects
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import NewObject, Precondition, Stored
from s3gw.operations.call import Call, Output
from s3gw.operations.new_acl import acl_of_new
from s3gw.operations.object_fields import fields_of
from s3gw.operations.preconditions import for_write
from s3gw.operations.received_body import receive_body

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import PutObjectRequestTypeDef


Commit = Callable[[Call, NewObject, Callable[[Connection], int], Precondition | None], Awaitable[Stored]]


async def _commit(
    call: Call, new: NewObject, place: Callable[[Connection], int], precondition: Precondition | None
) -> Stored:
    return await call.change([call.key_lock(new.key)], objects.put, new, place, precondition)


async def put_object(call: Call, input: PutObjectRequestTypeDef) -> Output:
    new, stored = await store_object(call, input)
    return {
        "ETag": f'"{new.etag}"',
        "VersionId": stored.version_id,
        f"Checksum{new.checksum_algorithm}": new.checksum,
        "ChecksumType": "FULL_OBJECT",
    }


async def store_object(
    call: Call, input: PutObjectRequestTypeDef, commit: Commit = _commit
) -> tuple[NewObject, Stored]:
    if "WriteOffsetBytes" in input:
        raise NotImplemented("Appending to objects is not supported.", Header="x-amz-write-offset-bytes")
    fields = fields_of(input, call.services.settings.max_metadata)
    key, precondition = input["Key"], for_write(input, call.now)
    owner_id, acl = await acl_of_new(call, input)
    async with receive_body(call, input.get("ChecksumAlgorithm")) as body:
        new = NewObject(
            key,
            body.size,
            body.etag,
            owner_id,
            fields.storage_class,
            None,
            body.checksum_algorithm,
            "FULL_OBJECT",
            body.checksum,
            fields.headers,
            fields.user_metadata,
            fields.tags,
            acl=acl,
        )
        place = partial(contents.insert, new=body.content)
        stored = await commit(call, new, place, precondition)
    return new, stored
