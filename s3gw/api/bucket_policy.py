"""A bucket's policy, as S3 keeps it, and what it says in words: who may do what, on what, and what of it is public."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Response
from pydantic import Field

from s3gw.accounts.etags import etag_of
from s3gw.api.bucket_settings import Setting, Stored, put, read
from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.models import Id, IfMatch
from s3gw.api.policy_words import CheckedPolicy, PutPolicy, checked, refused
from s3gw.api.route import Route
from s3gw.errors import MalformedPolicy, MethodNotAllowed
from s3gw.operations.bucket_policy import require_owner
from s3gw.problems import PermissionDenied

router = APIRouter(prefix="/buckets/{bucket_id}/policy", tags=["access"], route_class=Route)
POLICY = Setting("Policy", "GetBucketPolicy", "PutBucketPolicy")


class BucketPolicy(CheckedPolicy):
    policy: dict[str, Any] | None = Field(description="null: there is none.")
    text: str | None = Field(description="As it was put.")


@router.get("")
async def get_policy(bucket_id: Id, asker: TheAsker, response: Response) -> BucketPolicy:
    """For who may get it by S3: of the owner's account, or an admin."""
    try:
        stored = await read(asker, bucket_id, POLICY, require_owner)
    except MethodNotAllowed:
        raise _not_the_owner() from None
    return _told(stored, response)


@router.put("")
async def put_policy(
    bucket_id: Id, body: PutPolicy, asker: TheAsker, response: Response, if_match: IfMatch = None
) -> BucketPolicy:
    """In the place of the one that there is. 409 where it is public and that is blocked."""
    stored = await _put(asker, bucket_id, if_match, body.text, "PutBucketPolicy")
    return _told(stored, response)


@router.delete("", status_code=204)
async def delete_policy(bucket_id: Id, asker: TheAsker, if_match: IfMatch = None) -> Response:
    """From then on only what ACLs, grants and policies of users say counts."""
    await _put(asker, bucket_id, if_match, None, "DeleteBucketPolicy")
    return Response(status_code=204)


@router.post("/check")
async def check_policy(bucket_id: Id, body: PutPolicy, asker: TheAsker) -> CheckedPolicy:
    """What a policy would say, and what is wrong with it, without putting it. For who may get the bucket's."""
    try:
        stored = await read(asker, bucket_id, POLICY, require_owner)
    except MethodNotAllowed:
        raise _not_the_owner() from None
    return CheckedPolicy(**checked(body.text, stored.call.the_bucket.name))


async def _put(asker: Asker, bucket_id: str, if_match: str | None, text: str | None, operation: str) -> Stored:
    input = {} if text is None else {"Policy": text}
    try:
        return await put(asker, bucket_id, POLICY, if_match, operation, **input)
    except MethodNotAllowed:
        raise _not_the_owner() from None
    except MalformedPolicy as error:
        raise refused(error, text or "", (await asker.bucket(bucket_id)).name) from None


def _not_the_owner() -> PermissionDenied:
    return PermissionDenied("only the account of its owner and admins may do this")


def _told(stored: Stored, response: Response) -> BucketPolicy:
    response.headers["ETag"] = etag_of(stored.document)
    if stored.document is None:
        return BucketPolicy(policy=None, text=None, is_valid=True, is_public=False, statements=[], findings=[])
    words = checked(stored.document, stored.call.the_bucket.name)
    return BucketPolicy(policy=json.loads(stored.document), text=stored.document, **words)
