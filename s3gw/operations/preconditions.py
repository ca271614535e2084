"""Conditional reads, copies, writes and deletes: If-Match, If-None-Match and the dates.

Reads follow RFC 9110 section 13.2.2: an entity tag that is given outranks its date. Writes and deletes are decided
inside the write transaction from the latest version of the key ("Add preconditions to S3 operations with conditional
requests", Amazon S3 User Guide). Dates compare by whole seconds, as HTTP shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from s3gw.errors import NoSuchKey, NotImplemented, NotModified, PreconditionFailed
from s3gw.metadata.objects import ObjectVersion, Precondition

# Raises PreconditionFailed for the source of a copy or rename.
SourceCondition = Callable[[ObjectVersion], None]

_MEMBERS = ("IfMatch", "IfUnmodifiedSince", "IfNoneMatch", "IfModifiedSince")


def matches(header: str, etag: str) -> bool:
    """Whether the entity tag is in a list such as `"a", W/"b", c` or `*`. AWS takes it with or without quotes."""
    if header.strip() == "*":
        return True
    return any(tag.strip().removeprefix("W/").strip('"') == etag for tag in header.split(","))


def _seconds(moment: datetime) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _conditions(input: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The conditions whose members begin with the prefix, by their names without it."""
    return {name: input[prefix + name] for name in _MEMBERS if prefix + name in input}


def _failed(conditions: Mapping[str, Any], version: ObjectVersion, now: int) -> str | None:
    """The header of the first condition that doesn't hold."""
    modified = version.last_modified // 1_000_000
    if "IfMatch" in conditions:
        if not matches(conditions["IfMatch"], version.etag):
            return "If-Match"
    elif "IfUnmodifiedSince" in conditions and modified > _seconds(conditions["IfUnmodifiedSince"]):
        return "If-Unmodified-Since"
    if "IfNoneMatch" in conditions:
        if matches(conditions["IfNoneMatch"], version.etag):
            return "If-None-Match"
    elif "IfModifiedSince" in conditions and not _modified_since(modified, conditions["IfModifiedSince"], now):
        return "If-Modified-Since"
    return None


def _modified_since(modified: int, since: datetime, now: int) -> bool:
    """S3 ignores a date in the future. An object's own date counts: a clock that is ahead may have written it."""
    seconds = _seconds(since)
    return modified > seconds or (seconds > now // 1_000_000 and seconds != modified)


def check_read(input: Mapping[str, Any], version: ObjectVersion, headers: Mapping[str, str], now: int) -> None:
    """Raise PreconditionFailed (412) or NotModified (304, which carries `headers`) for a GET or HEAD.

    `now` is in microseconds.
    """
    failed = _failed(input, version, now)
    if failed in ("If-None-Match", "If-Modified-Since"):
        raise NotModified(headers=headers)
    if failed is not None:
        raise PreconditionFailed(Condition=failed)


def if_range_holds(validator: str | datetime | None, version: ObjectVersion) -> bool:
    """Whether a Range counts; "MUST ignore the Range header field" if not (RFC 9110 section 13.1.5).

    A weak entity tag never matches; a date is the exact Last-Modified. `IfRange` isn't in AWS's model.
    """
    if validator is None:
        return True
    if isinstance(validator, datetime):
        return version.last_modified // 1_000_000 == _seconds(validator)
    return validator.strip('"') == version.etag


def for_source(
    input: Mapping[str, Any], now: int, prefix: str = "CopySource", header: str = "copy-source"
) -> SourceCondition:
    """The same four for the source of a copy or rename, where each failure is a 412."""
    conditions = _conditions(input, prefix)

    def check(version: ObjectVersion) -> None:
        failed = _failed(conditions, version, now)
        if failed is not None:
            raise PreconditionFailed(Condition=f"x-amz-{header}-{failed}")

    return check


def for_write(input: Mapping[str, Any], now: int, prefix: str = "") -> Precondition | None:
    """What PutObject, CompleteMultipartUpload, CopyObject and RenameObject demand of the key's present state.

    To be called before anything else is done: raises NotImplemented.
    """
    conditions = _conditions(input, prefix)
    if not prefix:
        _refuse_unserved(conditions)
    if not conditions:
        return None

    def check(top: ObjectVersion | None) -> None:
        if top is None or not top.is_current:
            if "IfMatch" in conditions:
                raise NoSuchKey(Key=input["Key"])
            return
        failed = _failed(conditions, top, now)
        if failed is not None:
            raise PreconditionFailed(Condition=failed)

    return check


def _refuse_unserved(conditions: Mapping[str, Any]) -> None:
    """A write may demand `If-Match: etag` or `If-None-Match: *`, as their documentation says; S3 refuses all else."""
    if len(conditions) > 1:
        raise NotImplemented(
            Header="If-Match,If-None-Match",
            additionalMessage="Multiple conditional request headers present in the request",
        )
    for member, header, is_star in (("IfMatch", "If-Match", False), ("IfNoneMatch", "If-None-Match", True)):
        if member in conditions and (conditions[member].strip() == "*") is not is_star:
            raise NotImplemented(
                Header=header, additionalMessage=f"We don't accept the provided value of {header} header for this API"
            )


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
