"""What conditions may ask of a call: condition key → its values. Each is computed only when a rule asks for it.

Names and meanings: Service Authorization Reference, "Condition keys for Amazon S3"; IAM User Guide, "AWS global
condition context keys".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from s3gw.operations.call import Call

Fact = Callable[[Call], object]


def _member(name: str) -> Fact:
    return lambda call: call.input.get(name)


def _time(call: Call) -> datetime:
    return datetime.fromtimestamp(call.now // 1_000_000, UTC)


FACTS: dict[str, Fact] = {
    "aws:CurrentTime": lambda call: _time(call).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "aws:EpochTime": lambda call: call.now // 1_000_000,
    "aws:userid": lambda call: call.principal.user_id or None,
    "aws:username": lambda call: None if call.principal.is_anonymous else call.principal.name,
    "aws:PrincipalAccount": lambda call: call.principal.account_id or None,
    "s3:prefix": _member("Prefix"),
    "s3:delimiter": _member("Delimiter"),
    "s3:max-keys": _member("MaxKeys"),
    "s3:VersionId": _member("VersionId"),
    "s3:x-amz-acl": _member("ACL"),
    "s3:x-amz-storage-class": _member("StorageClass"),
    "s3:x-amz-copy-source": _member("CopySource"),
    "s3:x-amz-metadata-directive": _member("MetadataDirective"),
}


def facts_of(call: Call, name: str) -> Sequence[str]:
    """Empty for what the call doesn't say, and for a key that isn't in the table: a condition on it never holds."""
    fact = FACTS.get(name)
    value = None if fact is None else fact(call)
    return () if value is None else (str(value),)
