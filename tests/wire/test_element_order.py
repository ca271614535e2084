"""Each answer's elements stand in the order in which S3's servers write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest

from s3gw.operations.table import OPERATIONS
from s3gw.wire.codec import codec
from s3gw.wire.element_order import in_order
from s3gw.wire.model import Shape, operations

OWNER = "Owner(ID DisplayName)"
ACL = f"{OWNER} AccessControlList(Grant(Grantee(ID DisplayName EmailAddress URI) Permission))"
CHECKSUMS = (
    "ChecksumCRC32 ChecksumCRC32C ChecksumCRC64NVME ChecksumSHA1 ChecksumSHA256 ChecksumSHA512 ChecksumMD5"
    " ChecksumXXHASH64 ChecksumXXHASH3 ChecksumXXHASH128"
)
CONTENTS = (
    f"Contents(Key LastModified ETag ChecksumAlgorithm ChecksumType Size {OWNER} StorageClass"
    " RestoreStatus(IsRestoreInProgress RestoreExpiryDate))"
)
ORDERS = {
    "ListBuckets": f"{OWNER} Buckets(Bucket(Name CreationDate BucketRegion BucketArn)) ContinuationToken Prefix",
    "GetBucketLocation": "",
    "GetBucketVersioning": "Status MfaDelete",
    "GetBucketTagging": "TagSet(Tag(Key Value))",
    "GetBucketCors": "CORSRule(ID AllowedHeader AllowedMethod AllowedOrigin ExposeHeader MaxAgeSeconds)",
    "GetBucketNotificationConfiguration": " ".join(
        f"{kind}Configuration(Id {kind} Event Filter(S3Key(FilterRule(Name Value))))"
        for kind in ("Topic", "Queue", "CloudFunction")
    )
    + " EventBridgeConfiguration",
    "GetBucketPolicyStatus": "IsPublic",
    "GetPublicAccessBlock": "BlockPublicAcls IgnorePublicAcls BlockPublicPolicy RestrictPublicBuckets",
    "GetBucketOwnershipControls": "Rule(ObjectOwnership)",
    "GetBucketRequestPayment": "Payer",
    "GetBucketAcl": ACL,
    "GetObjectAcl": ACL,
    "GetObjectTagging": "TagSet(Tag(Key Value))",
    "ListObjects": (
        f"Name Prefix Marker NextMarker MaxKeys Delimiter EncodingType IsTruncated {CONTENTS} CommonPrefixes(Prefix)"
    ),
    "ListObjectsV2": (
        "Name Prefix StartAfter ContinuationToken NextContinuationToken KeyCount MaxKeys Delimiter EncodingType"
        f" IsTruncated {CONTENTS} CommonPrefixes(Prefix)"
    ),
    "ListObjectVersions": (
        "Name Prefix KeyMarker VersionIdMarker NextKeyMarker NextVersionIdMarker MaxKeys Delimiter EncodingType"
        " IsTruncated Version(Key VersionId IsLatest LastModified ETag ChecksumAlgorithm ChecksumType Size"
        f" {OWNER} StorageClass RestoreStatus(IsRestoreInProgress RestoreExpiryDate))"
        f" DeleteMarker(Key VersionId IsLatest LastModified {OWNER}) CommonPrefixes(Prefix)"
    ),
    "ListMultipartUploads": (
        "Bucket KeyMarker UploadIdMarker NextKeyMarker NextUploadIdMarker Delimiter Prefix EncodingType MaxUploads"
        f" IsTruncated Upload(Key UploadId Initiator(ID DisplayName) {OWNER} StorageClass Initiated ChecksumAlgorithm"
        " ChecksumType VersionId) CommonPrefixes(Prefix)"
    ),
    "ListParts": (
        f"Bucket Key UploadId Initiator(ID DisplayName) {OWNER} StorageClass PartNumberMarker NextPartNumberMarker"
        " MaxParts IsTruncated ChecksumAlgorithm ChecksumType"
        f" Part(PartNumber LastModified ETag Size {CHECKSUMS})"
    ),
    "CreateMultipartUpload": "Bucket Key UploadId",
    "CompleteMultipartUpload": f"Location Bucket Key ETag {CHECKSUMS} ChecksumType",
    "CopyObject": f"LastModified ETag ChecksumType {CHECKSUMS}",
    "UploadPartCopy": f"LastModified ETag {CHECKSUMS}",
    "DeleteObjects": (
        "Deleted(Key VersionId DeleteMarker DeleteMarkerVersionId) Error(Key VersionId Code Message)"
    ),
    "GetObjectAttributes": (
        f"ETag Checksum({CHECKSUMS} ChecksumType) ObjectParts(PartsCount PartNumberMarker NextPartNumberMarker MaxParts"
        f" IsTruncated Part(PartNumber Size {CHECKSUMS})) StorageClass ObjectSize"
    ),
}  # fmt: skip


def full(shape: Shape) -> Any:
    """A value that has every member, backwards: the encoder must not follow the handler's order."""
    if shape.kind == "structure":
        return {name: full(member.shape) for name, member in reversed(shape.members.items())}
    if shape.kind == "list":
        assert shape.item is not None
        return [full(shape.item.shape)]
    if shape.kind == "map":
        return {}
    return {"integer": 1, "long": 1, "boolean": True, "timestamp": datetime(2020, 1, 1, tzinfo=UTC)}.get(
        shape.kind, "x"
    )


def order(element: ElementTree.Element) -> str:
    inner = " ".join(map(order, element))
    name = element.tag.rpartition("}")[2]
    return f"{name}({inner})" if inner else name


@pytest.mark.parametrize("name", [name for name, row in OPERATIONS.items() if row.state == "works"])
def test_the_elements_of_an_answer_are_in_the_order_of_the_api_reference(name: str) -> None:
    shape = operations()[name].output
    output = full(shape) if shape is not None else {}
    output.pop("Body", None)
    body = codec(name).encode(output).body
    is_document = body is not None and name != "GetBucketPolicy"  # which is JSON
    assert (name in ORDERS) == is_document
    if body is not None and is_document:
        assert " ".join(map(order, ElementTree.fromstring(body))) == ORDERS[name]


def test_an_element_that_the_shape_does_not_have_fails_at_compilation() -> None:
    with pytest.raises(ValueError, match="has no element"):
        in_order(Shape("Owner", "structure"), ())
