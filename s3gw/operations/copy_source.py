"""x-amz-copy-source and x-amz-rename-source: the bucket, key and version that they name."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from s3gw.errors import InvalidArgument, NotImplemented


class CopySource(NamedTuple):
    bucket: str
    key: str
    version_id: str | None


def parse_copy_source(header: str) -> CopySource:
    """`/bucket/key?versionId=id`, the part before `?` URL-encoded, the first slash optional."""
    if header.startswith("arn:"):
        raise NotImplemented("Access points are not supported.", Header="x-amz-copy-source")
    path, names_version, version_id = header.partition("?versionId=")
    if names_version and not version_id:
        raise InvalidArgument(
            "Version id cannot be the empty string", ArgumentName="versionId", ArgumentValue=version_id
        )
    try:
        decoded = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        raise _malformed(header) from None
    bucket, slash, key = decoded.removeprefix("/").partition("/")
    if not bucket or not slash or not key or "\0" in key:
        raise _malformed(header)
    return CopySource(bucket, key, version_id or None)


def _malformed(header: str) -> InvalidArgument:
    return InvalidArgument(
        "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        ArgumentName="x-amz-copy-source",
        ArgumentValue=header,
    )


def parse_rename_source(header: str, bucket: str) -> str:
    """The key to rename: `key`, `/key` or `/bucket/key`, URL-encoded. Both ends are in one bucket."""
    try:
        decoded = unquote_to_bytes(header).decode()
    except UnicodeDecodeError:
        decoded = ""
    key = decoded.removeprefix("/").removeprefix(f"{bucket}/") if decoded.startswith("/") else decoded
    if not key or "\0" in key:
        raise InvalidArgument(
            "The rename source must name a key of the bucket.",
            ArgumentName="x-amz-rename-source",
            ArgumentValue=header,
        )
    return key
