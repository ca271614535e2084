"""What conditions may ask of a call: condition key → its values. Each is computed only when a rule asks for it.

Names and meanings: Service Authorization Reference, "Condition keys for Amazon S3"; IAM User Guide, "AWS global
condition context keys".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from operator import attrgetter
from typing import NamedTuple
from urllib.parse import parse_qsl

from s3gw.access.condition_keys import KEYS
from s3gw.access.rules import DocumentUnread, ObjectUnread
from s3gw.auth.principal import Principal
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.call import Call
from s3gw.operations.tagging import MOST_FIELDS, MOST_OF_AN_OBJECT

Fact = Callable[[Call], object]


class Known(NamedTuple):
    """Whether the object that is there was read, and what was found."""

    is_read: bool
    version: ObjectVersion | None = None


UNREAD = Known(False)
_TAGS_TOLD = MOST_OF_AN_OBJECT + 1


def _member(name: str) -> Fact:
    return lambda call: call.input.get(name)


def _of_principal(name: str) -> Fact:
    return lambda call: None if call.principal.is_anonymous else getattr(call.principal, name)


def _of_context(name: str) -> Fact:
    return attrgetter(f"context.{name}")


@lru_cache(maxsize=1)
def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(value: bool) -> str:
    return "true" if value else "false"


def _user_id(principal: Principal) -> str | None:
    """Of the root of an account, the account's ("Principal key values", IAM User Guide)."""
    return (principal.account_id if principal.is_root else principal.user_id) or None


def _principal_type(call: Call) -> str:
    if call.principal.is_anonymous:
        return "Anonymous"
    return "Account" if call.principal.is_root else "User"


def _account_of_resource(call: Call) -> str | None:
    return None if call.bucket is None else call.bucket.owner_account_id


FACTS: dict[str, Fact] = {
    "aws:CurrentTime": lambda call: _iso(call.now // 1_000_000),
    "aws:EpochTime": lambda call: call.now // 1_000_000,
    "aws:userid": lambda call: _user_id(call.principal),
    "aws:username": lambda call: None if call.principal.is_root else call.principal.name,
    "aws:PrincipalAccount": _of_principal("account_id"),
    "aws:PrincipalArn": _of_principal("arn"),
    "aws:PrincipalType": _principal_type,
    "aws:PrincipalIsAWSService": lambda call: "false",
    "aws:ViaAWSService": lambda call: "false",
    "aws:RequestedRegion": lambda call: call.services.settings.region,
    "aws:ResourceAccount": _account_of_resource,
    "aws:SourceIp": _of_context("source_ip"),
    "aws:SecureTransport": lambda call: _text(call.context.is_secure),
    "aws:UserAgent": _of_context("user_agent"),
    "aws:Referer": _of_context("referer"),
    "s3:ResourceAccount": _account_of_resource,
    "s3:authType": _of_context("auth_type"),
    "s3:signatureversion": _of_context("signature_version"),
    "s3:signatureAge": _of_context("signature_age"),
    "s3:x-amz-content-sha256": _of_context("content_sha256"),
    "s3:TlsVersion": _of_context("tls_version"),
    "s3:prefix": _member("Prefix"),
    "s3:delimiter": _member("Delimiter"),
    "s3:max-keys": _member("MaxKeys"),
    "s3:VersionId": _member("VersionId"),
    "s3:x-amz-acl": _member("ACL"),
    "s3:x-amz-grant-full-control": _member("GrantFullControl"),
    "s3:x-amz-grant-read": _member("GrantRead"),
    "s3:x-amz-grant-read-acp": _member("GrantReadACP"),
    "s3:x-amz-grant-write": _member("GrantWrite"),
    "s3:x-amz-grant-write-acp": _member("GrantWriteACP"),
    "s3:x-amz-storage-class": _member("StorageClass"),
    "s3:x-amz-metadata-directive": _member("MetadataDirective"),
    "s3:x-amz-website-redirect-location": _member("WebsiteRedirectLocation"),
    "s3:x-amz-object-ownership": _member("ObjectOwnership"),
    "s3:locationconstraint": lambda call: call.input.get("CreateBucketConfiguration", {}).get("LocationConstraint"),
    "s3:if-match": _member("IfMatch"),
    "s3:if-none-match": _member("IfNoneMatch"),
}
_EXISTING, _REQUESTED = "s3:ExistingObjectTag/", "s3:RequestObjectTag/"
# The actions whose requests know the tags of the object that is there: what a policy may ask for is what it is told.
_WITH_EXISTING_TAGS = KEYS[_EXISTING.lower()].actions or frozenset[str]()


def facts_of(call: Call, action: str, known: Known, name: str) -> Sequence[str]:
    """Empty for what the call doesn't say, and for a key that isn't in the table: a condition on it never holds.

    Raises ObjectUnread for the tags of an object that wasn't read yet, DocumentUnread for those in a document.
    """
    fact = FACTS.get(name)
    if fact is not None:
        value = fact(call)
    elif name.startswith(_EXISTING):
        return _existing_tag(action, known, name.removeprefix(_EXISTING))
    elif name == "s3:x-amz-copy-source":
        return _copy_source(call)
    elif name == "s3:ObjectCreationOperation":
        value = _text(call.creates_object) if action == "s3:PutObject" else None
    elif name == "s3:RequestObjectTagKeys":
        return tuple(requested_tags(call))
    elif name.startswith(_REQUESTED):
        value = requested_tags(call).get(name.removeprefix(_REQUESTED))
    else:
        return ()
    return () if value is None else (str(value),)


def _copy_source(call: Call) -> Sequence[str]:
    """As each client may write it, for what it means: a slash before it or an encoded letter evades no rule."""
    if call.source is None:
        return ()
    bucket, key, version_id, _ = call.source
    named = f"{bucket.name}/{key}"
    versions = ("",) if version_id is None else ("", f"?versionId={version_id}")
    return tuple(f"{slash}{named}{version}" for version in versions for slash in ("", "/"))


def _existing_tag(action: str, known: Known, key: str) -> Sequence[str]:
    if action not in _WITH_EXISTING_TAGS:
        return ()
    if not known.is_read:
        raise ObjectUnread
    tags = None if known.version is None else known.version.tags
    return () if tags is None else tuple(value for name, value in json.loads(tags) if name == key)


def requested_tags(call: Call) -> dict[str, str]:
    """Of the header (a URL query) or the document of PutObjectTagging. Of too many, one more counts than an object can
    have: whatever rules make of them, the request is refused.
    """
    if call.document is not None and "Tagging" not in call.input:
        raise DocumentUnread
    tagging = call.input.get("Tagging", {})
    if isinstance(tagging, str):
        return _tags_of_header(tagging)
    return {tag.get("Key", ""): tag.get("Value", "") for tag in islice(tagging.get("TagSet", ()), _TAGS_TOLD)}


@lru_cache(maxsize=16)
def _tags_of_header(header: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(header, keep_blank_values=True, max_num_fields=MOST_FIELDS)[:_TAGS_TOLD])
    except ValueError:  # it is refused
        return {}
