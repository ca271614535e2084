"""Whether everybody may read a bucket's files: one statement of its policy, which anybody who reads the policy sees.

Nothing else remembers it. Listing isn't part of it.
"""

from __future__ import annotations

import json
from typing import Any

from s3gw.access.parse import parse_bucket_policy
from s3gw.access.public import is_public
from s3gw.access.public_access_block import PublicAccessBlock
from s3gw.metadata import configurations
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.change import Change
from s3gw.problems import Conflict

SID = "s3gwIsPublic"
_BLOCKS = PublicAccessBlock.BLOCK_PUBLIC_POLICY | PublicAccessBlock.RESTRICT_PUBLIC_BUCKETS
_EMPTY: dict[str, Any] = {"Version": "2012-10-17", "Statement": []}


def set_public(change: Change, bucket: Bucket, wanted: bool) -> None:
    """Add the statement and lift the bucket's blocks of public policies, or take both back. `bucket` was read in the
    same transaction. Raises Conflict where the account blocks it, or where another statement is public as well.
    """
    change.lock_bucket_exclusively()
    text = configurations.find(change.conn, bucket.id, "Policy")
    document: dict[str, Any] = _EMPTY if text is None else json.loads(text)
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    others = [statement for statement in statements if statement.get("Sid") != SID]
    if wanted:
        if _BLOCKS & PublicAccessBlock(bucket.account_public_access_block):
            raise Conflict("the account blocks public access to all its buckets")
        _put(change, bucket, document | {"Statement": [*others, _statement(bucket)]})
    else:
        if others and is_public(parse_bucket_policy(json.dumps(document | {"Statement": others}), bucket.name)):
            raise Conflict("another statement of the bucket's policy is public: take that out first")
        if len(others) == len(statements):  # it isn't public, so there is nothing to be taken back
            return
        _put(change, bucket, document | {"Statement": others})
    _block(change, bucket, not wanted)


def _statement(bucket: Bucket) -> dict[str, Any]:
    allows = {"Sid": SID, "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    return allows | {"Resource": f"arn:aws:s3:::{bucket.name}/*"}


def _put(change: Change, bucket: Bucket, document: dict[str, Any]) -> None:
    """Raises MalformedPolicy where it has become too long."""
    if not document["Statement"]:
        configurations.remove(change, "Policy")
        return
    text = json.dumps(document, ensure_ascii=False)
    parse_bucket_policy(text, bucket.name)
    configurations.put(change, "Policy", text)


def _block(change: Change, bucket: Bucket, blocks: bool) -> None:
    """Where nothing was ever blocked, nothing was lifted."""
    members = configurations.find(change.conn, bucket.id, "PublicAccessBlock")
    if members is not None:
        policies = {"BlockPublicPolicy": blocks, "RestrictPublicBuckets": blocks}
        configurations.put(change, "PublicAccessBlock", members | policies)
