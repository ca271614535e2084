"""ListObjects, ListObjectsV2 and ListObjectVersions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from s3gw.errors import InvalidArgument
from s3gw.metadata import listing, objects
from s3gw.metadata.database import Connection
from s3gw.metadata.listing import ListedVersion, Page
from s3gw.operations.call import Call, Output
from s3gw.pages import ObjectRows, PrefixRows, VersionRow, VersionRows

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import (
        ListObjectsRequestTypeDef,
        ListObjectsV2RequestTypeDef,
        ListObjectVersionsRequestTypeDef,
    )

_MOST = 1000

# user id -> (canonical id, display name)
Owners = dict[str, tuple[str, str]]


def page_size(requested: int | None, name: str = "max-keys") -> int:
    if requested is None:
        return _MOST
    if requested < 0:
        raise InvalidArgument(
            f"Argument {name} must be an integer between 0 and 2147483647",
            ArgumentName=name,
            ArgumentValue=str(requested),
        )
    return min(requested, _MOST)


def check_encoding(input: Mapping[str, Any]) -> None:
    """Encoding is done where the answer is written."""
    encoding = input.get("EncodingType")
    if encoding not in (None, "url"):
        raise InvalidArgument(
            "Invalid Encoding Method specified in Request", ArgumentName="encoding-type", ArgumentValue=str(encoding)
        )


def _check_attributes(input: Mapping[str, Any]) -> None:
    """RestoreStatus, the only one there is, is of archived objects: none has it."""
    for name in input.get("OptionalObjectAttributes", ()):
        if name != "RestoreStatus":
            raise InvalidArgument(
                "Invalid attribute name specified.", ArgumentName="x-amz-optional-object-attributes", ArgumentValue=name
            )


def rolled_up(marker: str, prefix: str, delimiter: str) -> str:
    """The common prefix that the marker is or lies in; "" if there is none."""
    stop = marker.find(delimiter, len(prefix)) if delimiter and marker.startswith(prefix) else -1
    return marker[: stop + len(delimiter)] if stop >= 0 else ""


def begin_after(marker: str, prefix: str, delimiter: str) -> str:
    """Where a page begins whose marker is, or lies in, a common prefix: behind all that it rolls up. Otherwise "".

    The common prefix stands for all its keys, so a page behind one of them doesn't list it again.
    """
    common = rolled_up(marker, prefix, delimiter)
    return listing.after_prefix(common) if common else ""


async def list_objects_v2(call: Call, input: ListObjectsV2RequestTypeDef) -> Output:
    _check_attributes(input)
    prefix, delimiter = input.get("Prefix", ""), input.get("Delimiter", "")
    limit = page_size(input.get("MaxKeys"))
    check_encoding(input)
    token = input.get("ContinuationToken")
    after = input.get("StartAfter", "") if token is None else _decode_token(token)
    # Unlike a marker, start-after may lie inside a common prefix that is listed all the same, if a key of it follows.
    # A token never does: it is a key of the page before, or a common prefix.
    at_least = begin_after(after, prefix, delimiter) if after == rolled_up(after, prefix, delimiter) else ""
    place = prefix, delimiter, after, at_least, limit, bool(input.get("FetchOwner"))
    page, owners = await call.services.database.scan(listing.list_current_with_owners, call.the_bucket.id, *place)
    output = _page_output(call, input, page, limit)
    output["KeyCount"] = len(page.rows) + len(page.common_prefixes)
    if token is not None:
        output["ContinuationToken"] = token
    if page.is_truncated:
        output["NextContinuationToken"] = base64.urlsafe_b64encode(_last_key(page).encode()).decode()
    if "StartAfter" in input:
        output["StartAfter"] = input["StartAfter"]
    output["Contents"] = ObjectRows(page.rows, owners)
    return output


def _decode_token(token: str) -> str:
    try:
        key = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        key = ""
    if not key or "\0" in key:  # no key has a NUL, and PostgreSQL refuses text that has one
        raise InvalidArgument("The continuation token provided is incorrect", ArgumentName="continuation-token")
    return key


async def list_objects(call: Call, input: ListObjectsRequestTypeDef) -> Output:
    _check_attributes(input)
    prefix, delimiter, marker = input.get("Prefix", ""), input.get("Delimiter", ""), input.get("Marker", "")
    limit = page_size(input.get("MaxKeys"))
    check_encoding(input)
    at_least = begin_after(marker, prefix, delimiter)
    place = prefix, delimiter, marker, at_least, limit, True
    page, owners = await call.services.database.scan(listing.list_current_with_owners, call.the_bucket.id, *place)
    output = _page_output(call, input, page, limit)
    output["Marker"] = marker
    # "This element is returned only if you have the delimiter request parameter specified."
    if page.is_truncated and delimiter:
        output["NextMarker"] = _last_key(page)
    output["Contents"] = ObjectRows(page.rows, owners)
    return output


def _last_key(page: Page) -> str:
    last = page.last
    assert last is not None, "a truncated page holds something"
    if isinstance(last, str):
        return last
    key, *_ = last
    return str(key)


def _page_output(call: Call, input: Mapping[str, Any], page: Page, limit: int) -> Output:
    return {
        "Name": call.the_bucket.name,
        "Prefix": input.get("Prefix", ""),
        "Delimiter": input.get("Delimiter") or None,
        "MaxKeys": limit,
        "EncodingType": input.get("EncodingType"),
        "IsTruncated": page.is_truncated,
        "CommonPrefixes": PrefixRows(page.common_prefixes),
    }


async def list_object_versions(call: Call, input: ListObjectVersionsRequestTypeDef) -> Output:
    _check_attributes(input)
    prefix, delimiter = input.get("Prefix", ""), input.get("Delimiter", "")
    key_marker, version_marker = input.get("KeyMarker", ""), input.get("VersionIdMarker")
    limit = page_size(input.get("MaxKeys"))
    check_encoding(input)
    if version_marker is not None and not key_marker:
        raise InvalidArgument(
            "A version-id marker cannot be specified without a key marker.",
            ArgumentName="version-id-marker",
            ArgumentValue=version_marker,
        )
    page, owners, continued = await call.services.database.scan(
        _versions_page, call.the_bucket.id, prefix, delimiter, key_marker, version_marker, limit
    )
    output = _page_output(call, input, page, limit)
    output["KeyMarker"] = key_marker
    output["VersionIdMarker"] = version_marker or ""
    if page.is_truncated:
        output["NextKeyMarker"] = _last_key(page)
        if isinstance(page.last, ListedVersion):
            output["NextVersionIdMarker"] = page.last.version_id
    output["Versions"] = VersionRows(_version_rows(page, owners, continued))
    return output


def _versions_page(
    conn: Connection,
    bucket_id: int,
    prefix: str,
    delimiter: str,
    key_marker: str,
    version_marker: str | None,
    limit: int,
) -> tuple[Page, Owners, str | None]:
    """The third is a key whose latest version was on an earlier page, so that none of this page is its latest."""
    start = (key_marker, listing.AFTER_VERSIONS) if key_marker else ("", listing.BEFORE_VERSIONS)
    continued = None
    if version_marker:
        sequence = objects.sequence_of_marker(conn, bucket_id, key_marker, version_marker)
        if sequence is None:
            start = (key_marker, listing.BEFORE_VERSIONS)  # some versions may be listed twice, none is left out
        else:
            start = (key_marker, sequence)
            latest = objects.latest(conn, bucket_id, key_marker)
            # The marker's version and all newer ones may have been deleted since; then the next one is the latest.
            continued = key_marker if latest is not None and latest.sequence <= sequence else None
    at_least = begin_after(key_marker, prefix, delimiter)
    if at_least:
        start = (at_least, listing.BEFORE_VERSIONS)
    page = listing.list_versions(conn, bucket_id, prefix=prefix, delimiter=delimiter, start=start, limit=limit)
    return page, listing.object_owners(conn, bucket_id, {row.owner_id for row in page.rows}), continued


def _version_rows(page: Page, owners: Owners, continued: str | None) -> list[VersionRow]:
    rows: list[VersionRow] = []
    before = continued
    for row in page.rows:
        canonical_id, name = owners.get(row.owner_id, (None, None))
        place = (row.key, row.version_id, row.key != before, bool(row.is_delete_marker), row.last_modified)
        if row.is_delete_marker:
            rows.append(VersionRow(*place, owner_id=canonical_id, owner_name=name))
        else:
            stored = (f'"{row.etag}"', row.size, row.storage_class)
            rows.append(VersionRow(*place, *stored, canonical_id, name, row.checksum_algorithm, row.checksum_type))
        before = row.key
    return rows
