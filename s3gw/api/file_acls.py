"""The ACL of a file, in a form of JSON's own: as S3's GetObjectAcl and PutObjectAcl have it, with their needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Response

from s3gw.access import acl
from s3gw.accounts.etags import etag_of, require_match
from s3gw.api.bucket_settings import BucketAcl, PutAcl, grantee_of, told_acl
from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.models import Id, IfMatch
from s3gw.api.route import Route
from s3gw.errors import NoSuchKey
from s3gw.metadata import objects
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.change import Change
from s3gw.operations.acls import read_object_acl
from s3gw.operations.call import Input
from s3gw.operations.table import OPERATIONS
from s3gw.problems import BlockedAsPublic, PublicAccessBlocked

router = APIRouter(prefix="/buckets/{bucket_id}/files/{file_id}/acl", tags=["access"], route_class=Route)
_READ = replace(OPERATIONS["GetObjectAcl"], handler=read_object_acl)
# Whoever may put it may name people in it, who are looked up before it is put.
_MAY_PUT = replace(OPERATIONS["PutObjectAcl"], handler=read_object_acl)


class FileAcl(BucketAcl):
    """`owner` is the file's: the bucket's, where ACLs are disabled."""


@router.get("")
async def get_file_acl(bucket_id: Id, file_id: Id, asker: TheAsker, response: Response) -> FileAcl:
    """For who may get it by S3."""
    bucket = await asker.bucket(bucket_id)
    return await _told(asker, bucket, await asker.find(bucket, file_id), response)


@router.put("")
async def put_file_acl(
    bucket_id: Id, file_id: Id, body: PutAcl, asker: TheAsker, response: Response, if_match: IfMatch = None
) -> FileAcl:
    """In the place of the one that there is. 422 where ACLs are disabled, 409 where public ones are blocked."""
    bucket = await asker.bucket(bucket_id)
    found = await asker.find(bucket, file_id)
    given: dict[str, Any] = {"ACL": body.canned}
    if body.canned is None:
        await asker.perform(asker.call("PutObjectAcl", bucket, **found), _MAY_PUT)
        grants = [{"Grantee": await grantee_of(asker, one), "Permission": one.permission} for one in body.grants or ()]
        given = {"AccessControlPolicy": {"Grants": grants}}
    call = asker.call("PutObjectAcl", bucket, **found, **given)

    def around(change: Change, run: Callable[[], Any]) -> Any:
        present = objects.find(change.conn, change.bucket_id, found["Key"], None)
        if present is None or present.file_id != found["FileId"]:
            raise NoSuchKey(Key=found["Key"])
        require_match(if_match, etag_of(present.acl))
        return run()

    call.around = around
    try:
        await asker.perform(call)
    except BlockedAsPublic:
        raise PublicAccessBlocked("that would be public, which the bucket or its account blocks") from None
    return await _told(asker, bucket, found, response)


async def _told(asker: Asker, bucket: Bucket, found: Input, response: Response) -> FileAcl:
    call = asker.call("GetObjectAcl", bucket, **found)
    output = await asker.perform(call, _READ)
    owner, stored = output["Owner"], output["Stored"]
    response.headers["ETag"] = etag_of(stored)
    given = acl.of_owner(owner) if stored is None or not call.rules.has_acls else acl.from_json(stored)
    return FileAcl(**await told_acl(asker, call, owner, given))
