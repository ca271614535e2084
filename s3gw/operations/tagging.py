"""Tagging of objects and buckets: put, get, delete; and the rules every tag set has to meet.

Limits and characters: Amazon S3 User Guide, "Categorizing your objects using tags": 10 tags an object (50 a bucket),
keys of 128 and values of 256 characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from s3gw.errors import InvalidArgument, InvalidTag, MethodNotAllowed, NoSuchKey, NoSuchTagSet, NoSuchVersion, S3Error
from s3gw.metadata import configurations, objects, scans
from s3gw.operations.call import Call, Output

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import (
        DeleteBucketTaggingRequestTypeDef,
        DeleteObjectTaggingRequestTypeDef,
        GetBucketTaggingRequestTypeDef,
        GetObjectTaggingRequestTypeDef,
        PutBucketTaggingRequestTypeDef,
        PutObjectTaggingRequestTypeDef,
    )

# "Letters, numbers, and spaces representable in UTF-8, and + - = . _ : / @": spaces, but no control characters.
_ALLOWED = re.compile(r"[\w \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000+\-=.:/@]*")
MOST_OF_AN_OBJECT = 10
_MOST_OF_A_BUCKET = 50
MOST_FIELDS = 100  # of the header, of which a field may be empty
_SCAN_STATUS = "s3gw:scan-status"  # told of objects in buckets where scanning is on
_RESERVED = {
    "Object": "Your TagKey cannot be prefixed with aws:",
    "Bucket": "System tags cannot be added/updated by requester",
}


def checked_tags(tags: Iterable[Mapping[str, Any]], *, most: int = MOST_OF_AN_OBJECT) -> list[dict[str, str]]:
    """The tag set if it meets AWS's rules; raises InvalidTag."""
    checked: dict[str, str] = {}
    kind = "Object" if most == MOST_OF_AN_OBJECT else "Bucket"
    for tag in tags:
        key, value = tag.get("Key", ""), tag.get("Value", "")
        if not _is_key(key):
            raise InvalidTag("The TagKey you have provided is invalid", TagKey=key)
        if not _is_value(value):
            raise InvalidTag("The TagValue you have provided is invalid", TagKey=key, TagValue=value)
        if key.startswith(("aws:", "s3gw:")):
            raise InvalidTag(_RESERVED[kind].replace("aws:", key.partition(":")[0] + ":"), TagKey=key)
        if key in checked:
            raise InvalidTag("Cannot provide multiple Tags with the same key", TagKey=key)
        checked[key] = value
    if len(checked) > most:
        raise InvalidTag(f"{kind} tags cannot be greater than {most}")
    return [{"Key": key, "Value": value} for key, value in sorted(checked.items())]


def _is_key(text: str) -> bool:
    return 0 < len(text) <= 128 and _ALLOWED.fullmatch(text) is not None


def _is_value(text: str) -> bool:
    return len(text) <= 256 and _ALLOWED.fullmatch(text) is not None


def tags_of_header(header: str) -> str | None:
    """`x-amz-tagging` (URL query parameters) as the JSON kept with the object.

    A tag that is none, or stands twice, is InvalidArgument here, and InvalidTag in the document of PutObjectTagging.
    """
    if not header:
        return None
    try:
        pairs = parse_qsl(header, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise _malformed_header(header) from None
    if len(dict(pairs)) < len(pairs) or not all(_is_key(key) and _is_value(value) for key, value in pairs):
        raise _malformed_header(header)
    return _to_json(checked_tags({"Key": key, "Value": value} for key, value in pairs))


def _malformed_header(header: str) -> InvalidArgument:
    return InvalidArgument(
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name"
        " duplicates.",
        ArgumentName="x-amz-tagging",
        ArgumentValue=header,
    )


def tag_count(tags: str | None) -> int:
    return 0 if tags is None else len(json.loads(tags))


def _to_json(tags: list[dict[str, str]]) -> str | None:
    return json.dumps([[tag["Key"], tag["Value"]] for tag in tags], separators=(",", ":")) if tags else None


def checked_version(version: objects.ObjectVersion | None, version_id: str | None, key: str) -> objects.ObjectVersion:
    if version is None:
        missing: S3Error = NoSuchKey(Key=key) if version_id is None else NoSuchVersion(Key=key, VersionId=version_id)
        raise missing
    if version.is_delete_marker:
        headers = {"x-amz-delete-marker": "true", "x-amz-version-id": version.version_id, "allow": "DELETE"}
        raise MethodNotAllowed(ResourceType="DeleteMarker", headers=headers)
    return version


async def put_object_tagging(call: Call, input: PutObjectTaggingRequestTypeDef) -> Output:
    tags = _to_json(checked_tags(input["Tagging"]["TagSet"]))
    return await _set_tags(call, input["Key"], input.get("VersionId"), tags)


async def delete_object_tagging(call: Call, input: DeleteObjectTaggingRequestTypeDef) -> Output:
    return await _set_tags(call, input["Key"], input.get("VersionId"), None)


async def _set_tags(call: Call, key: str, version_id: str | None, tags: str | None) -> Output:
    found = await call.change([call.key_lock(key)], objects.set_tags, key, version_id, tags)
    version = checked_version(found, version_id, key)
    return {"VersionId": version.version_id} if call.the_bucket.versioning else {}


async def get_object_tagging(call: Call, input: GetObjectTaggingRequestTypeDef) -> Output:
    key, version_id = input["Key"], input.get("VersionId")
    found = await call.services.database.read(objects.find, call.the_bucket.id, key, version_id)
    call.check("object", found)
    version = checked_version(found, version_id, key)
    pairs = json.loads(version.tags) if version.tags else []
    if call.scan_policy != "off" and version.content_id is not None:
        status = await call.services.database.read(scans.state_of_content, version.content_id)
        pairs = [[name, value] for name, value in pairs if name != _SCAN_STATUS] + [[_SCAN_STATUS, status]]
    output: Output = {"TagSet": [{"Key": name, "Value": value} for name, value in pairs]}
    if call.the_bucket.versioning:
        output["VersionId"] = version.version_id
    return output


async def put_bucket_tagging(call: Call, input: PutBucketTaggingRequestTypeDef) -> Output:
    tags = checked_tags(input["Tagging"]["TagSet"], most=_MOST_OF_A_BUCKET)
    if tags:
        await call.change([call.bucket_lock], configurations.put, "Tagging", tags)
        return {}
    return await delete_bucket_tagging(call, input)


async def get_bucket_tagging(call: Call, input: GetBucketTaggingRequestTypeDef) -> Output:
    tags = await call.services.database.read(configurations.find, call.the_bucket.id, "Tagging")
    if tags is None:
        raise NoSuchTagSet(BucketName=call.the_bucket.name)
    return {"TagSet": tags}


async def delete_bucket_tagging(
    call: Call, input: DeleteBucketTaggingRequestTypeDef | PutBucketTaggingRequestTypeDef
) -> Output:
    await call.change([call.bucket_lock], configurations.remove, "Tagging")
    return {}
