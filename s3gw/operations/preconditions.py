"""Conditional reads, copies, writes and deletes: If-Match, If-None-Match and the dates.

Reads follow RFC 9110 section 13.2.2: an entity tag that is given outranks its date. Writes and deletes are decided
inside the write transaction from the latest version of the key ("Add preconditions to S3 operations with conditional
requests", Amazon S3 User Guide). Dates compare by whole seconds, as HTTP shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from s3gw.errors import NoSuchKey, NotModified, PreconditionFailed
from s3gw.metadata.objects import ObjectVersion, Precondition
from s3gw.wire.headers import parse_date


def matches(header: str, etag: str) -> bool:
    """Whether the entity tag is in a list such as `"a", W/"b", c` or `*`. AWS takes it with or without quotes."""
    if header.strip() == "*":
        return True
    return any(tag.strip().removeprefix("W/").strip('"') == etag for tag in header.split(","))


def _seconds(moment: datetime) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def check_read(input: Mapping[str, Any], version: ObjectVersion, headers: Mapping[str, str]) -> None:
    """Raise PreconditionFailed (412) or NotModified (304, which carries `headers`) for a GET or HEAD."""
    modified = version.last_modified // 1_000_000
    if "IfMatch" in input:
        if not matches(input["IfMatch"], version.etag):
            raise PreconditionFailed(Condition="If-Match")
    elif "IfUnmodifiedSince" in input and modified > _seconds(input["IfUnmodifiedSince"]):
        raise PreconditionFailed(Condition="If-Unmodified-Since")
    if "IfNoneMatch" in input:
        if matches(input["IfNoneMatch"], version.etag):
            raise NotModified(headers=headers)
    elif "IfModifiedSince" in input and modified <= _seconds(input["IfModifiedSince"]):
        raise NotModified(headers=headers)


def if_range_holds(header: str | None, version: ObjectVersion) -> bool:
    """Whether a Range counts; "MUST ignore the Range header field" if not (RFC 9110 section 13.1.5).

    A weak entity tag never matches; a date is the exact Last-Modified. The header isn't in AWS's model.
    """
    if header is None:
        return True
    header = header.strip()
    if header.strip('"') == version.etag:
        return True
    moment = None if header.startswith(('"', "W/")) else parse_date(header)
    return moment is not None and version.last_modified // 1_000_000 == _seconds(moment)


def check_source(input: Mapping[str, Any], version: ObjectVersion, prefix: str = "CopySource") -> None:
    """The same four for the source of a copy or rename, where each failure is a 412."""
    conditions = {
        name: input[prefix + name]
        for name in ("IfMatch", "IfUnmodifiedSince", "IfNoneMatch", "IfModifiedSince")
        if prefix + name in input
    }
    try:
        check_read(conditions, version, {})
    except NotModified:
        raise PreconditionFailed() from None


def for_write(input: Mapping[str, Any], prefix: str = "") -> Precondition | None:
    """What PutObject, CompleteMultipartUpload, CopyObject and RenameObject demand of the key's present state."""
    if_match, if_none_match = input.get(prefix + "IfMatch"), input.get(prefix + "IfNoneMatch")
    modified_since, unmodified_since = input.get(prefix + "IfModifiedSince"), input.get(prefix + "IfUnmodifiedSince")
    if if_match is None and if_none_match is None and modified_since is None and unmodified_since is None:
        return None

    def check(top: ObjectVersion | None) -> None:
        if top is None or not top.is_current:
            if if_match is not None:
                raise NoSuchKey()
            return
        modified = top.last_modified // 1_000_000
        if if_match is not None and not matches(if_match, top.etag):
            raise PreconditionFailed(Condition="If-Match")
        if if_none_match is not None and matches(if_none_match, top.etag):
            raise PreconditionFailed(Condition="If-None-Match")
        if modified_since is not None and modified <= _seconds(modified_since):
            raise PreconditionFailed(Condition="If-Modified-Since")
        if unmodified_since is not None and modified > _seconds(unmodified_since):
            raise PreconditionFailed(Condition="If-Unmodified-Since")

    return check


def for_delete(
    version_id: str | None, if_match: str | None, last_modified: datetime | None, size: int | None
) -> Precondition | None:
    """What DeleteObject demands of the version that it removes or hides.

    If-Match wants an object: "If the latest version of the object is a delete marker, the object doesn't exist" (User
    Guide, "How to perform conditional deletes"). Time and size don't: "If the Size matches or if the object doesn't
    exist, the operation returns a 204" (API Reference); nor does a version id, with which the guide has no conditions.
    """
    if if_match is None and last_modified is None and size is None:
        return None

    def check(found: ObjectVersion | None) -> None:
        if if_match is not None and version_id is None and (found is None or found.is_delete_marker):
            raise NoSuchKey()
        if found is None:
            return
        if if_match is not None and not matches(if_match, found.etag):
            raise PreconditionFailed(Condition="If-Match")
        if last_modified is not None and found.last_modified // 1_000_000 != _seconds(last_modified):
            raise PreconditionFailed(Condition="x-amz-if-match-last-modified-time")
        if size is not None and found.size != size:
            raise PreconditionFailed(Condition="x-amz-if-match-size")

    return check


def check_initiated(expected: datetime | None, initiated_at: int) -> None:
    """What AbortMultipartUpload may demand of the upload."""
    if expected is not None and initiated_at // 1_000_000 != _seconds(expected):
        raise PreconditionFailed(Condition="x-amz-if-match-initiated-time")
