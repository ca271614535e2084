"""GetObjectAttributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3gw.errors import InvalidArgument
from s3gw.metadata import read_objects
from s3gw.metadata.contents import Content
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.buckets import timestamp
from s3gw.operations.call import Call, Output
from s3gw.operations.get_object import readable
from s3gw.operations.list_objects import page_size
from s3gw.operations.object_fields import checksum_members

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import GetObjectAttributesRequestTypeDef

_ATTRIBUTES = frozenset(("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"))


async def get_object_attributes(call: Call, input: GetObjectAttributesRequestTypeDef) -> Output:
    wanted = _wanted(input)
    found, content = await call.services.database.scan(
        read_objects.find_with_content, call.the_bucket.id, input["Key"], input.get("VersionId")
    )
    call.check("object", found)
    version = readable(found, input)
    assert content is not None, "a readable version has a content"
    output: Output = {"LastModified": timestamp(version.last_modified)}
    if call.the_bucket.versioning:
        output["VersionId"] = version.version_id
    if "ETag" in wanted:
        output["ETag"] = version.etag  # without quotes, as AWS gives it here alone
    if "Checksum" in wanted and version.checksum is not None:
        output["Checksum"] = checksum_members(version)
    if "ObjectParts" in wanted and version.parts_count is not None:
        output["ObjectParts"] = _object_parts(input, version, content)
    if "StorageClass" in wanted:
        output["StorageClass"] = version.storage_class
    if "ObjectSize" in wanted:
        output["ObjectSize"] = version.size
    return output


def _wanted(input: Any) -> set[str]:
    wanted = set(input["ObjectAttributes"])
    if not wanted or not wanted <= _ATTRIBUTES:
        raise InvalidArgument(
            "Invalid attribute name specified.",
            ArgumentName="x-amz-object-attributes",
            ArgumentValue=",".join(input["ObjectAttributes"]),
        )
    return wanted


def _object_parts(input: Any, version: ObjectVersion, content: Content) -> Output:
    """Numbered as GetObject takes them, from 1 without gaps.

    Also of an object without additional checksums: AWS leaves `Parts` out there; giving them breaks no client.
    """
    parts = content.parts
    limit, after = page_size(input.get("MaxParts"), "max-parts"), int(input.get("PartNumberMarker", 0))
    page = list(enumerate(parts, 1))[after : after + limit]
    return {
        "TotalPartsCount": version.parts_count,
        "PartNumberMarker": after,
        "NextPartNumberMarker": page[-1][0] if page else 0,
        "MaxParts": limit,
        "IsTruncated": len(parts) > after + limit,
        "Parts": [
            {"PartNumber": number, "Size": part.size}
            | ({f"Checksum{version.checksum_algorithm}": part.checksum} if part.checksum else {})
            for number, part in page
        ],
    }
