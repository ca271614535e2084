"""The order of elements in the answers, where it isn't that of the model.

What S3's servers write, as the examples of the Amazon S3 API Reference show it ("Sample Response" of each operation;
its "Response Syntax" is the model's order, which they don't keep). Parsers that read an answer as it arrives (davix)
need what a list is about before what is in it. A shape that isn't here has the model's order.
"""

from __future__ import annotations

from collections.abc import Iterable

from s3gw.wire.model import Member, Shape

_ORDER = {
    shape: tuple(names.split())
    for shape, names in {
        "ListBucketsOutput": "Owner Buckets ContinuationToken Prefix",
        "ListObjectsOutput": (
            "Name Prefix Marker NextMarker MaxKeys Delimiter EncodingType IsTruncated Contents CommonPrefixes"
        ),
        "ListObjectsV2Output": (
            "Name Prefix StartAfter ContinuationToken NextContinuationToken KeyCount MaxKeys Delimiter EncodingType"
            " IsTruncated Contents CommonPrefixes"
        ),
        "ListObjectVersionsOutput": (
            "Name Prefix KeyMarker VersionIdMarker NextKeyMarker NextVersionIdMarker MaxKeys Delimiter EncodingType"
            " IsTruncated Version DeleteMarker CommonPrefixes"
        ),
        "ListMultipartUploadsOutput": (
            "Bucket KeyMarker UploadIdMarker NextKeyMarker NextUploadIdMarker Delimiter Prefix EncodingType MaxUploads"
            " IsTruncated Upload CommonPrefixes"
        ),
        "ListPartsOutput": (
            "Bucket Key UploadId Initiator Owner StorageClass PartNumberMarker NextPartNumberMarker MaxParts"
            " IsTruncated ChecksumAlgorithm ChecksumType Part"
        ),
        "Object": "Key LastModified ETag ChecksumAlgorithm ChecksumType Size Owner StorageClass RestoreStatus",
        "ObjectVersion": (
            "Key VersionId IsLatest LastModified ETag ChecksumAlgorithm ChecksumType Size Owner StorageClass"
            " RestoreStatus"
        ),
        "DeleteMarkerEntry": "Key VersionId IsLatest LastModified Owner",
        "MultipartUpload": (
            "Key UploadId Initiator Owner StorageClass Initiated ChecksumAlgorithm ChecksumType VersionId"
        ),
        "Owner": "ID DisplayName",
        "Grantee": "ID DisplayName",
        "CopyObjectResult": "LastModified ETag",
        "CopyPartResult": "LastModified ETag",
    }.items()
}


def in_order(shape: Shape, members: Iterable[Member]) -> list[Member]:
    """The members that are elements of the shape. What its row leaves out comes last, in the model's order."""
    ranks = {name: rank for rank, name in enumerate(_ORDER.get(shape.name, ()))}
    if unknown := ranks.keys() - {member.wire_name for member in shape.members.values()}:
        raise ValueError(f"{shape.name} has no element {', '.join(sorted(unknown))}")
    return sorted(members, key=lambda member: ranks.get(member.wire_name, len(ranks)))
