"""x-amz-copy-source and x-amz-rename-source: the bucket, key and version that they name."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from s3gw.errors import InvalidArgument, NotImplemented
from s3gw.names import can_be_bucket

_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class CopySource(NamedTuple):
    bucket: str
    key: str
    version_id: str | None


def parse_copy_source(header: str) -> CopySource:
    """`/bucket/key?versionId=id`, the first slash optional; before `?` it is URL-encoded, and `+` is a blank.

    Raises InvalidArgument before anything is looked for.
    """
    if header.startswith("arn:"):
        raise NotImplemented("Access points are not supported.", Header="x-amz-copy-source")
    path, names_version, version_id = header.partition("?versionId=")
    if names_version and not version_id:
        raise InvalidArgument(
            "Version id cannot be the empty string", ArgumentName="versionId", ArgumentValue=version_id
        )
    decoded = _decoded(path.replace("+", " "))
    if decoded is None:
        raise _invalid("encoding", header)
    bucket, _, key = decoded.removeprefix("/").partition("/")
    if not can_be_bucket(bucket):
        raise _invalid("bucket name", header)
    if not key or "\0" in key:
        raise _invalid("object key", header)
    return CopySource(bucket, key, version_id or None)


def _decoded(text: str) -> str | None:
    """None: a percent sign stands for no byte, or the bytes aren't UTF-8."""
    if _BROKEN_PERCENT.search(text):
        return None
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        return None


def _invalid(what: str, header: str) -> InvalidArgument:
    return InvalidArgument(f"Invalid copy source {what}", ArgumentName="x-amz-copy-source", ArgumentValue=header)


def parse_rename_source(header: str, bucket: str) -> str:
    """The key to rename: `key`, `/key` or `/bucket/key`, URL-encoded. Both ends are in one bucket."""
    decoded = _decoded(header) or ""
    key = decoded.removeprefix("/").removeprefix(f"{bucket}/") if decoded.startswith("/") else decoded
    if not key or "\0" in key:
        raise InvalidArgument(
            "The rename source must name a key of the bucket.", ArgumentName="x-amz-rename-source", ArgumentValue=header
        )
    return key
