"""GetObject and HeadObject."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from s3gw.errors import (
    InvalidArgument,
    InvalidPartNumber,
    InvalidRequest,
    MethodNotAllowed,
    NoSuchKey,
    NoSuchVersion,
    S3Error,
)
from s3gw.metadata import objects, read_objects
from s3gw.metadata.contents import Content, Part
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.call import Call, Output
from s3gw.operations.object_fields import checksum_members, describe, last_modified
from s3gw.operations.preconditions import check_read, if_range_holds
from s3gw.operations.ranges import ByteRange, parse_range
from s3gw.operations.scanned import require

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import GetObjectRequestTypeDef, HeadObjectRequestTypeDef

_RESPONSE_OVERRIDES = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
}
_CONDITIONS = frozenset(("IfMatch", "IfNoneMatch", "IfModifiedSince", "IfUnmodifiedSince"))


async def get_object(call: Call, input: GetObjectRequestTypeDef) -> Output:
    services, ahead = call.services, call.ahead
    _check_part_number(input)
    named = call.the_bucket.id, input["Key"], input.get("VersionId"), call.scan_policy != "off"
    with services.pins.open() if ahead is None else ahead.pin as pin:  # before the row is read
        if ahead is None:
            version, content, status = await services.database.read(read_objects.find_with_verdict, *named)
        else:
            version, content, status = ahead.object
        call.check("object", version)
        version = readable(version, input)
        assert content is not None, "a version that isn't a delete marker has a content"
        if call.scan_policy == "off" or status is None:
            status = None
        else:
            require(call.scan_policy, status)
        output, span = answer(call, input, version, content)
        if status is not None:
            output["ScanStatus"] = status
        output["Body"] = services.reader.open(content, pin, span.offset, span.length)
    return output


async def head_object(call: Call, input: HeadObjectRequestTypeDef) -> Output:
    _check_part_number(input)
    read, named = call.services.database.read, (call.the_bucket.id, input["Key"], input.get("VersionId"))
    is_scanned, content, status = call.scan_policy != "off", None, None
    if "PartNumber" in input:
        found, content, status = await read(read_objects.find_with_verdict, *named, is_scanned)
    elif call.ahead is not None:
        found, _, status = call.ahead.object
    elif is_scanned:
        found, status = await read(read_objects.find_with_state, *named)
    else:
        found = await read(objects.find, *named)
    call.check("object", found)
    output, _ = answer(call, input, readable(found, input), content)
    if is_scanned and status is not None:
        output["ScanStatus"] = status
    return output


def _check_part_number(input: Mapping[str, Any]) -> None:
    if "PartNumber" not in input:
        return
    if "Range" in input:
        raise InvalidRequest("Cannot specify both Range header and partNumber query parameter")
    if not 1 <= input["PartNumber"] <= 10_000:
        raise InvalidArgument(
            "Part number must be an integer between 1 and 10000, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=str(input["PartNumber"]),
        )


def readable(version: ObjectVersion | None, input: Mapping[str, Any]) -> ObjectVersion:
    """The version, unless there is none or it is a delete marker."""
    version_id = input.get("VersionId")
    if version is None:
        missing: S3Error = (
            NoSuchKey(Key=input["Key"]) if version_id is None else NoSuchVersion(Key=input["Key"], VersionId=version_id)
        )
        raise missing
    if version.is_delete_marker:
        headers = {"x-amz-delete-marker": "true", "x-amz-version-id": version.version_id}
        if version_id is None:
            raise NoSuchKey(Key=input["Key"], headers=headers)
        headers |= {"allow": "DELETE", "last-modified": last_modified(version).strftime(_HTTP_DATE)}
        raise MethodNotAllowed(ResourceType="DeleteMarker", headers=headers)
    if "FileId" in input and input["FileId"] != version.file_id:  # of the JSON API: another file has its key now
        raise NoSuchKey(Key=input["Key"])
    return version


_HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"


def answer(
    call: Call, input: Mapping[str, Any], version: ObjectVersion, content: Content | None
) -> tuple[Output, ByteRange]:
    """All of the answer but the body, and which bytes that body is."""
    if "Range" in input and not if_range_holds(input.get("IfRange"), version):
        input = {name: value for name, value in input.items() if name != "Range"}
    output = describe(call.the_bucket, version)
    _check_conditions(call, input, version, output)
    span = ByteRange(0, version.size)
    if "Range" in input or "PartNumber" in input:
        part = _span(input, version, content)
        if part is not None:
            span = part
            if span.length:  # there is no way to write an empty range (RFC 9110 section 14.4)
                output["ContentRange"] = span.content_range(version.size)
        if "PartNumber" in input and version.parts_count is not None:
            output["PartsCount"] = version.parts_count
    # Any other mode asks for none: the C++ SDK sends one that isn't in the model with each ranged read, to AWS too.
    if input.get("ChecksumMode") == "ENABLED":
        output.update(_checksum(input, version, content, span))
    output["ContentLength"] = span.length
    if not _RESPONSE_OVERRIDES.keys().isdisjoint(input):
        output |= {member: input[name] for name, member in _RESPONSE_OVERRIDES.items() if name in input}
    if "ResponseExpires" in input:
        output["ExpiresString"], output["Expires"] = None, input["ResponseExpires"]
    return output, span


def _check_conditions(call: Call, input: Mapping[str, Any], version: ObjectVersion, output: Output) -> None:
    if not _CONDITIONS.isdisjoint(input):
        headers = {"etag": output["ETag"], "last-modified": output["LastModified"].strftime(_HTTP_DATE)}
        if "VersionId" in output:
            headers["x-amz-version-id"] = output["VersionId"]
        if "CacheControl" in output:
            headers["cache-control"] = output["CacheControl"]
        check_read(input, version, headers, call.now)


def _span(input: Mapping[str, Any], version: ObjectVersion, content: Content | None) -> ByteRange | None:
    if "PartNumber" not in input:
        return parse_range(input["Range"], version.size)
    number, parts = input["PartNumber"], _parts(version, content)
    # An object that was put whole is its own first part.
    sizes = [version.size] if parts is None else [part.size for part in parts]
    if number > len(sizes):
        raise InvalidPartNumber(PartNumberRequested=number, ActualPartCount=len(sizes))
    return ByteRange(sum(sizes[: number - 1]), sizes[number - 1])


def _parts(version: ObjectVersion, content: Content | None) -> tuple[Part, ...] | None:
    """Numbered anew from 1, whatever the numbers that they were uploaded with. None: it wasn't completed from parts."""
    if version.parts_count is None:
        return None
    assert content is not None, "the caller loads the content of a read by part number"
    return content.parts


def _checksum(input: Mapping[str, Any], version: ObjectVersion, content: Content | None, span: ByteRange) -> Output:
    """That of the part that is asked for by its number; that of the object if all of it is given."""
    parts = _parts(version, content) if "PartNumber" in input else None
    if parts is not None and (checksum := parts[input["PartNumber"] - 1].checksum) is not None:
        return {f"Checksum{version.checksum_algorithm}": checksum, "ChecksumType": version.checksum_type}
    if span.length == version.size and version.checksum is not None:
        return checksum_members(version)
    return {}
