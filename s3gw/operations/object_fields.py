"""What an object carries beside its bytes: headers, user metadata, tags, storage class, checksum.

From the input of a write to the columns of `objects`, and from a row back to the members of GetObject and HeadObject.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from s3gw.errors import InvalidRedirectLocation, InvalidStorageClass, MetadataTooLarge, NotImplemented
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.objects import NewObject, ObjectVersion
from s3gw.operations.call import Output
from s3gw.operations.tagging import tag_count, tags_of_header

# ExpiresString is the client's own text, which need not be a date.
_HEADER_MEMBERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "ExpiresString",
    "WebsiteRedirectLocation",
)
_LONGEST_REDIRECT = 2048
_DEFAULT_CONTENT_TYPE = "binary/octet-stream"
# Classes whose objects are read like any other. Reading from an archive needs RestoreObject.
_STORAGE_CLASSES = frozenset(
    ("STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR")
)
_ARCHIVES = frozenset(("GLACIER", "DEEP_ARCHIVE"))


class Fields(NamedTuple):
    """Columns of `objects` and `uploads` that a write decides by its headers."""

    storage_class: str
    headers: str | None
    user_metadata: str | None
    tags: str | None


def fields_of(input: Mapping[str, Any], most_metadata: int) -> Fields:
    """The fields of a PutObject, CreateMultipartUpload or CopyObject that replaces metadata (at most so many bytes)."""
    return Fields(
        storage_class_of(input),
        headers_of(input),
        user_metadata_of(input.get("Metadata"), most_metadata),
        tags_of_header(input["Tagging"]) if "Tagging" in input else None,
    )


def storage_class_of(input: Mapping[str, Any]) -> str:
    name = str(input.get("StorageClass", "STANDARD"))
    if name in _ARCHIVES:
        raise NotImplemented("Archive storage classes are not supported.", Header="x-amz-storage-class")
    if name not in _STORAGE_CLASSES:
        raise InvalidStorageClass(StorageClassRequested=name)
    return name


def headers_of(input: Mapping[str, Any]) -> str | None:
    _check_redirect(input)
    headers = {name: input[name] for name in _HEADER_MEMBERS if name in input}
    return json.dumps(headers, separators=(",", ":")) if headers else None


def _check_redirect(input: Mapping[str, Any]) -> None:
    """It begins with "/", "http://" or "https://" and has at most 2 KB (API Reference, PutObject)."""
    location = str(input.get("WebsiteRedirectLocation", "/"))
    if not location.startswith(("/", "http://", "https://")):
        raise InvalidRedirectLocation()
    if len(location) > _LONGEST_REDIRECT:
        raise InvalidRedirectLocation(
            f"The length of website redirect location cannot exceed {_LONGEST_REDIRECT} characters."
        )


def user_metadata_of(metadata: Mapping[str, str] | None, limit: int) -> str | None:
    """ "User-defined metadata is limited to 2 KB in size": the bytes in the UTF-8 encoding of each key and value."""
    if not metadata:
        return None
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > limit:
        raise MetadataTooLarge(Size=size, MaxSizeAllowed=limit)
    return json.dumps(metadata, separators=(",", ":"), ensure_ascii=False)


def last_modified(version: ObjectVersion) -> datetime:
    """By whole seconds, as HTTP shows them."""
    return datetime.fromtimestamp(version.last_modified // 1_000_000, UTC)


def describe(bucket: Bucket, version: ObjectVersion) -> Output:
    """The members that GetObject and HeadObject have in common."""
    output: Output = {
        "AcceptRanges": "bytes",
        "ETag": f'"{version.etag}"',
        "LastModified": last_modified(version),
        "ContentType": _DEFAULT_CONTENT_TYPE,
    }
    if version.headers is not None:
        output.update(json.loads(version.headers))
    if version.user_metadata is not None:
        output["Metadata"] = json.loads(version.user_metadata)
    if version.tags is not None:
        output["TagCount"] = tag_count(version.tags)
    if version.storage_class != "STANDARD":  # "S3 returns this header for all objects except for S3 Standard"
        output["StorageClass"] = version.storage_class
    if bucket.versioning:
        output["VersionId"] = version.version_id
    return output


def checksum_members(version: ObjectVersion | NewObject) -> Output:
    return {f"Checksum{version.checksum_algorithm}": version.checksum, "ChecksumType": version.checksum_type}
