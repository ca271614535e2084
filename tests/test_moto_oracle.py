"""moto as a second oracle: each difference between its answers and ours is listed here, with what AWS documents.

moto is another reading of the same documentation, so where both agree a misunderstanding is less likely. Where they
differ, `DIFFERENCES` says why ours is kept; one that isn't listed fails, and so does a listed one that is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.moto_oracle import Recorder, Scenario, differences

MIB5 = bytes(5 << 20)


def objects(at: Recorder) -> None:
    at.do("head_object", Key="key")
    at.do("get_object", Key="key")
    at.do(
        "put_object", Key="key", Body=b"hello world", Metadata={"a": "1"}, ContentType="text/plain",
        CacheControl="no-store", ContentDisposition="inline", ContentEncoding="gzip", ContentLanguage="de",
        Tagging="t=1",
    )  # fmt: skip
    at.do("head_object", Key="key")
    at.do("get_object", Key="key")
    at.do("get_object", Key="key", ResponseContentType="a/b", ResponseCacheControl="c", ResponseContentLanguage="en")
    at.do("put_object", Key="key", Body=b"")
    at.do("get_object", Key="key")
    at.do("delete_object", Key="key")
    at.do("delete_object", Key="key")
    at.do("head_object", Key="key")
    at.do("put_object", Key="k" * 1024, Body=b"x")
    at.do("put_object", Key="k" * 1025, Body=b"x")
    at.do("get_object", Key="key", Bucket="no-such-bucket-here")
    at.do("put_object", Key="key", Bucket="no-such-bucket-here")
    at.do("delete_object", Key="key", Bucket="no-such-bucket-here")


def ranges(at: Recorder) -> None:
    at.do("put_object", Key="key", Body=b"0123456789")
    for span in ("0-0", "2-4", "5-", "-3", "0-99", "-99", "9-9", "10-", "10-12", "-0", "4-2", "a-b"):
        at.do("get_object", Key="key", Range=f"bytes={span}")
    at.do("get_object", Key="key", Range="lines=0-1")
    at.do("head_object", Key="key", Range="bytes=2-4")
    at.do("get_object", Key="key", PartNumber=1)
    at.do("get_object", Key="key", PartNumber=2)


def conditional_reads(at: Recorder) -> None:
    etag = at.do("put_object", Key="key", Body=b"x")["ETag"]
    for name in ("get_object", "head_object"):
        for conditions in (
            {"IfMatch": etag}, {"IfMatch": '"other"'}, {"IfMatch": "*"}, {"IfNoneMatch": etag}, {"IfNoneMatch": "*"},
            {"IfNoneMatch": '"other"'}, {"IfModifiedSince": "2000-01-01"}, {"IfModifiedSince": "2090-01-01"},
            {"IfUnmodifiedSince": "2000-01-01"}, {"IfUnmodifiedSince": "2090-01-01"},
            {"IfMatch": etag, "IfUnmodifiedSince": "2000-01-01"},
            {"IfNoneMatch": etag, "IfModifiedSince": "2000-01-01"},
        ):  # fmt: skip
            at.do(name, Key="key", **conditions)


def conditional_writes(at: Recorder) -> None:
    etag = at.do("put_object", Key="key", Body=b"x", IfNoneMatch="*")["ETag"]
    at.do("put_object", Key="key", Body=b"y", IfNoneMatch="*")
    at.do("put_object", Key="key", Body=b"y", IfMatch='"other"')
    at.do("get_object", Key="key")
    at.do("put_object", Key="key", Body=b"z", IfMatch=etag)
    at.do("put_object", Key="absent", Body=b"z", IfMatch=etag)
    at.do("get_object", Key="key")


def versions(at: Recorder) -> None:
    at.do("get_bucket_versioning")
    at.do("put_object", Key="key", Body=b"null")
    at.do("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
    at.do("get_bucket_versioning")
    first = at.do("put_object", Key="key", Body=b"one")["VersionId"]
    second = at.do("put_object", Key="key", Body=b"two")["VersionId"]
    for version in (first, second, "null"):
        at.do("get_object", Key="key", VersionId=version)
        at.do("head_object", Key="key", VersionId=version)
    marker = at.do("delete_object", Key="key")["VersionId"]
    at.do("get_object", Key="key")
    at.do("head_object", Key="key")
    at.do("head_object", Key="key", VersionId=marker)
    at.do("list_object_versions")
    at.do("list_objects_v2")
    at.do("delete_object", Key="key", VersionId=marker)
    at.do("get_object", Key="key")
    at.do("delete_object", Key="key", VersionId=second)
    at.do("get_object", Key="key")
    at.do("delete_bucket")


def suspended_versions(at: Recorder) -> None:
    at.do("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
    at.do("put_object", Key="key", Body=b"one")
    at.do("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"})
    at.do("put_object", Key="key", Body=b"null")
    at.do("get_object", Key="key")
    at.do("list_object_versions")
    at.do("delete_object", Key="key")
    at.do("list_object_versions")


KEYS = ["a", "a/b", "a/b/c", "a/d", "b c", "c&<", "d/", "d/e", "ä", "z"]


def lists(at: Recorder) -> None:
    at.do("list_objects")
    at.do("list_objects_v2")
    for number, key in enumerate(KEYS):
        at.do("put_object", Key=key, Body=bytes(number))
    for arguments in (
        {}, {"Prefix": "a"}, {"Prefix": "a/"}, {"Prefix": "nothing"}, {"Delimiter": "/"}, {"MaxKeys": 3},
        {"Prefix": "a/", "Delimiter": "/"}, {"EncodingType": "url"}, {"Delimiter": "b"}, {"MaxKeys": 2000},
    ):  # fmt: skip
        at.do("list_objects", **arguments)
        at.do("list_objects_v2", **arguments)
        at.do("list_object_versions", **arguments)
    at.do("list_objects_v2", MaxKeys=0)
    at.do("list_objects_v2", Delimiter="/", MaxKeys=2)
    at.do("list_objects", Marker="a/b")
    at.do("list_objects", Marker="a/", Delimiter="/")
    at.do("list_objects_v2", StartAfter="a/b")
    at.do("list_objects_v2", StartAfter="a/b", FetchOwner=True)
    token = ""
    for _ in range(8):
        page = at.do("list_objects_v2", MaxKeys=2, **({"ContinuationToken": token} if token else {}))
        if not (token := page.get("NextContinuationToken", "")):
            break
    at.do("list_objects_v2", Bucket="no-such-bucket-here")


def deletes(at: Recorder) -> None:
    for key in ("a", "b", "c"):
        at.do("put_object", Key=key, Body=b"x")
    at.do("delete_objects", Delete={"Objects": [{"Key": "a"}, {"Key": "absent"}]})
    at.do("delete_objects", Delete={"Objects": [{"Key": "b"}], "Quiet": True})
    at.do("delete_objects", Delete={"Objects": [{"Key": f"{n}"} for n in range(1001)]})
    at.do("delete_bucket")
    at.do("delete_object", Key="c")
    at.do("delete_bucket")
    at.do("delete_bucket")
    at.do("head_bucket")


def copies(at: Recorder) -> None:
    source = {"Bucket": at.bucket, "Key": "source"}
    etag = at.do("put_object", Key="source", Body=b"x", Metadata={"a": "1"}, ContentType="text/plain", Tagging="t=1")
    at.do("copy_object", Key="copy", CopySource=source)
    at.do("get_object", Key="copy")
    at.do("get_object_tagging", Key="copy")
    at.do("copy_object", Key="copy", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    at.do("head_object", Key="copy")
    at.do("copy_object", Key="copy", CopySource=source, TaggingDirective="REPLACE", Tagging="u=2")
    at.do("get_object_tagging", Key="copy")
    at.do("copy_object", Key="source", CopySource=source)
    at.do("copy_object", Key="source", CopySource=source, MetadataDirective="REPLACE", Metadata={"c": "3"})
    at.do("head_object", Key="source")
    at.do("copy_object", Key="copy", CopySource={"Bucket": at.bucket, "Key": "absent"})
    at.do("copy_object", Key="copy", CopySource={"Bucket": "no-such-bucket-here", "Key": "absent"})
    at.do("copy_object", Key="copy", CopySource=source, CopySourceIfMatch=etag.get("ETag", ""))
    at.do("copy_object", Key="copy", CopySource=source, CopySourceIfMatch='"other"')
    at.do("copy_object", Key="copy", CopySource=source, CopySourceIfNoneMatch=etag.get("ETag", ""))


def uploads(at: Recorder) -> None:
    upload = at.do("create_multipart_upload", Key="key", Metadata={"a": "1"}, ContentType="text/plain")["UploadId"]
    of_upload = {"Key": "key", "UploadId": upload}
    one = at.do("upload_part", **of_upload, PartNumber=1, Body=MIB5)["ETag"]
    three = at.do("upload_part", **of_upload, PartNumber=3, Body=b"last")["ETag"]
    at.do("list_parts", **of_upload)
    at.do("list_parts", **of_upload, MaxParts=1)
    at.do("list_multipart_uploads")
    parts = [{"PartNumber": 1, "ETag": one}, {"PartNumber": 3, "ETag": three}]
    for wrong in (parts[::-1], [{"PartNumber": 2, "ETag": one}], [{"PartNumber": 1, "ETag": '"other"'}], []):
        at.do("complete_multipart_upload", **of_upload, MultipartUpload={"Parts": wrong})
    at.do("complete_multipart_upload", **of_upload, MultipartUpload={"Parts": parts})
    at.do("head_object", Key="key")
    at.do("head_object", Key="key", PartNumber=1)
    at.do("get_object", Key="key", PartNumber=2)
    at.do("get_object", Key="key", Range=f"bytes={len(MIB5) - 1}-{len(MIB5)}")
    at.do("list_objects_v2")
    at.do("list_parts", **of_upload)
    at.do("upload_part", **of_upload, PartNumber=1, Body=b"late")
    upload = at.do("create_multipart_upload", Key="small")["UploadId"]
    of_upload = {"Key": "small", "UploadId": upload}
    parts = [
        {"PartNumber": n, "ETag": at.do("upload_part", **of_upload, PartNumber=n, Body=b"small")["ETag"]}
        for n in (1, 2)
    ]
    at.do("complete_multipart_upload", **of_upload, MultipartUpload={"Parts": parts})
    at.do("upload_part_copy", **of_upload, PartNumber=1, CopySource={"Bucket": at.bucket, "Key": "key"})
    at.do(
        "upload_part_copy", **of_upload, PartNumber=2, CopySource={"Bucket": at.bucket, "Key": "key"},
        CopySourceRange="bytes=0-9",
    )  # fmt: skip
    at.do("upload_part", **of_upload, PartNumber=0, Body=b"x")
    at.do("upload_part", **of_upload, PartNumber=10_001, Body=b"x")
    at.do("abort_multipart_upload", **of_upload)
    at.do("abort_multipart_upload", **of_upload)
    at.do("list_multipart_uploads")


def tags(at: Recorder) -> None:
    at.do("get_bucket_tagging")
    at.do("put_bucket_tagging", Tagging={"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]})
    at.do("get_bucket_tagging")
    at.do("delete_bucket_tagging")
    at.do("get_bucket_tagging")
    at.do("get_object_tagging", Key="key")
    at.do("put_object_tagging", Key="key", Tagging={"TagSet": []})
    at.do("put_object", Key="key", Body=b"x")
    at.do("get_object_tagging", Key="key")
    at.do("put_object_tagging", Key="key", Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    at.do("get_object_tagging", Key="key")
    at.do("head_object", Key="key")
    at.do("put_object_tagging", Key="key", Tagging={"TagSet": [{"Key": "a", "Value": "1"}] * 2})
    at.do("put_object_tagging", Key="key", Tagging={"TagSet": [{"Key": f"{n}", "Value": ""} for n in range(11)]})
    at.do("put_object_tagging", Key="key", Tagging={"TagSet": [{"Key": "aws:a", "Value": ""}]})
    at.do("delete_object_tagging", Key="key")
    at.do("get_object_tagging", Key="key")


def checksums(at: Recorder) -> None:
    for algorithm in ("CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"):
        at.do("put_object", Key=algorithm, Body=b"hello", ChecksumAlgorithm=algorithm)
        at.do("head_object", Key=algorithm, ChecksumMode="ENABLED")
        at.do(
            "get_object_attributes", Key=algorithm, ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"]
        )
    at.do("put_object", Key="wrong", Body=b"hello", ChecksumSHA256="A" * 43 + "=")
    at.do("put_object", Key="wrong", Body=b"hello", ContentMD5=hashlib.md5(b"other").digest().hex())
    at.do("head_object", Key="wrong")
    at.do("get_object_attributes", Key="wrong", ObjectAttributes=["ETag"])


def buckets(at: Recorder) -> None:
    at.do("head_bucket")
    at.do("get_bucket_location")
    at.do("create_bucket")
    at.do("create_bucket", Bucket="UPPER")
    at.do("create_bucket", Bucket="a")
    at.do("create_bucket", Bucket="192.168.0.1")
    at.do("create_bucket", Bucket=f"{at.bucket}-x", CreateBucketConfiguration={"LocationConstraint": "nowhere"})
    at.do("head_bucket", Bucket="no-such-bucket-here")
    at.do("get_bucket_location", Bucket="no-such-bucket-here")
    at.do("list_buckets", Prefix=at.bucket)
    at.do("put_object", Key="source", Body=b"x")
    at.do("head_bucket", ExpectedBucketOwner="000000000001")


SCENARIOS: tuple[Scenario, ...] = (
    objects, ranges, conditional_reads, conditional_writes, versions, suspended_versions, lists, deletes,
    copies, uploads, tags, checksums, buckets,
)  # fmt: skip

# "operation: member", or "operation: our outcome, not moto's", and what says so. API is the Amazon S3 API Reference,
# Guide the Amazon S3 User Guide.
EVERYWHERE = {
    "put_object: ChecksumType": "API, PutObject: FULL_OBJECT or COMPOSITE is told with each checksum",
    "get_object: ChecksumType": "API, GetObject: as PutObject's",
    "head_object: ChecksumType": "API, HeadObject: as PutObject's",
    "copy_object: CopyObjectResult.ChecksumType": "API, CopyObjectResult has it",
    "get_object_attributes: Checksum.ChecksumType": "API, Checksum has it",
    "list_objects: Contents[].ChecksumAlgorithm[]": "API, Object: the algorithm that was used",
    "list_objects: Contents[].ChecksumType": "API, Object",
    "list_objects_v2: Contents[].ChecksumType": "API, Object",
    "list_object_versions: Versions[].ChecksumAlgorithm[]": "API, ObjectVersion: the algorithm that was used",
    "list_object_versions: Versions[].ChecksumType": "API, ObjectVersion",
    "list_object_versions: EncodingType": "API, ListObjectVersions: told when the request asks for it, as boto3 does",
}
_NULL_VERSION = "Guide, Working with objects in a versioning-suspended bucket: the null version joins those with an id"
DIFFERENCES = {
    "objects put_object: KeyTooLongError, not 200": "Guide, Naming objects: at most 1,024 bytes",
    "ranges get_object: 200, not 206": "RFC 9110, 14.2: a unit that isn't known is ignored",
    "ranges get_object: InvalidPartNumber, not 416": "API, Error responses: the code of that 416",
    "conditional_reads get_object: 200, not PreconditionFailed": "RFC 9110, 13.1.1: * is any object; API, GetObject:"
    " If-Match that is true outdoes If-Unmodified-Since that is false",
    "conditional_reads get_object: 304, not 200": "RFC 9110, 13.1.2: * is any object",
    "conditional_reads get_object: 200, not 304": "as answered by AWS: If-Modified-Since in the future is ignored",
    "conditional_reads head_object: 200, not 304": "as get_object",
    "conditional_reads head_object: 200, not 412": "as get_object",
    "conditional_reads head_object: 304, not 200": "as get_object",
    "versions delete_object: DeleteMarker": "API, DeleteObject: true when the version that is gone was a delete marker",
    "versions get_object: VersionId": "API, GetObject: the version of the object; null for one older than versioning",
    "versions head_object: VersionId": "as get_object",
    "suspended_versions delete_object: DeleteMarker": _NULL_VERSION,
    "suspended_versions delete_object: VersionId": _NULL_VERSION,
    "suspended_versions get_object: VersionId": _NULL_VERSION,
    **{
        f"suspended_versions list_object_versions: {kind}[].{member}": _NULL_VERSION
        for kind, members in {
            "DeleteMarkers": ("IsLatest", "Key", "LastModified", "VersionId"),
            "Versions": ("ETag", "IsLatest", "Key", "LastModified", "Size", "StorageClass", "VersionId"),
        }.items()
        for member in members
    },
    "lists list_object_versions: MaxKeys": "API, ListObjectVersions: at most 1,000 keys",
    "lists list_objects: MaxKeys": "API, ListObjects: at most 1,000 keys",
    "lists list_objects_v2: MaxKeys": "API, ListObjectsV2: at most 1,000 keys",
    "lists list_object_versions: Versions[].Key": "API, ListObjectVersions: encoding-type=url encodes keys",
    "lists list_objects: CommonPrefixes[].Prefix": "API, ListObjects: the list begins after the marker",
    "lists list_objects: NextMarker": "API, ListObjects: only with a delimiter",
    "lists list_objects: Marker": "API, ListObjects: included, empty when there was none",
    "lists list_objects: Prefix": "API, ListObjects: included, empty when there was none",
    "lists list_objects_v2: ContinuationToken": "API, ListObjectsV2: included when it was sent",
    "deletes delete_objects: Deleted[].Key": "API, DeleteObjects: in quiet mode only errors are told",
    "deletes delete_objects: MalformedXML, not 200": "API, DeleteObjects: at most 1,000 keys",
    "copies copy_object: PreconditionFailed, not 200": "API, CopyObject: x-amz-copy-source-if-match",
    "uploads complete_multipart_upload: InvalidPartOrder, not EntityTooSmall": "API, CompleteMultipartUpload: the order"
    " is looked at first",
    "uploads complete_multipart_upload: ChecksumCRC64NVME": "Guide, Checking object integrity: the default",
    "uploads complete_multipart_upload: ChecksumType": "as ChecksumCRC64NVME",
    "uploads list_objects_v2: Contents[].ChecksumAlgorithm[]": "as ChecksumCRC64NVME",
    "uploads complete_multipart_upload: InvalidRequest, not MalformedXML": "as answered by AWS: the list is empty",
    "uploads complete_multipart_upload: VersionId": "API, CompleteMultipartUpload: only with versioning",
    "uploads get_object: 206, not 200": "as head_object",
    "uploads head_object: 206, not 200": "API, HeadObject: a part is a range",
    "uploads list_multipart_uploads: NextKeyMarker": "API, ListMultipartUploads: empty in an answer without uploads",
    "uploads list_multipart_uploads: NextUploadIdMarker": "as NextKeyMarker",
    "uploads upload_part: InvalidArgument, not NoSuchUpload": "API, UploadPart: a part number is 1 to 10,000",
    "uploads upload_part: NoSuchUpload, not KeyError": "API, UploadPart",
    "uploads upload_part_copy: CopyPartResult.ETag": "Guide, Using Content-MD5 and the ETag: it need not be an MD5",
    "tags get_bucket_tagging: TagSet[].Value": "API, Tag: a value is required, and may be empty",
    "tags put_object_tagging: InvalidTag, not 200": "Guide, Categorizing objects: keys are unique, aws: is reserved",
    "tags put_object_tagging: InvalidTag, not BadRequest": "API, PutObjectTagging: at most 10 tags",
    "checksums put_object: BadDigest, not 200": "API, PutObject: a checksum that doesn't match is refused",
    "checksums put_object: InvalidDigest, not 200": "API, Error responses: a Content-MD5 that is none",
    "checksums head_object: 404, not 200": "so nothing was stored",
    "checksums get_object_attributes: NoSuchKey, not 200": "so nothing was stored",
    "buckets create_bucket: InvalidBucketName, not 200": "Guide, Bucket naming rules: no upper case, no IP address",
    "buckets create_bucket: InvalidLocationConstraint, not 200": "API, CreateBucket: the region must exist",
    "buckets head_bucket: 403, not 200": "Guide, Verifying bucket ownership: not the account that was expected",
    "buckets head_bucket: AccessPointAlias": "API, HeadBucket: false for a bucket",
    "buckets list_buckets: Buckets[].BucketRegion": "API, ListBuckets: included in paged requests",
    "buckets list_buckets: Buckets[].CreationDate": "moto made the bucket nowhere",
    "buckets list_buckets: Buckets[].Name": "moto made the bucket nowhere",
    "buckets list_buckets: Prefix": "API, ListBuckets: included when it was sent",
}


@pytest.fixture
def moto() -> Iterator[Any]:
    """A client of moto, in this process; requests to the gateway pass through it."""
    with mock_aws(config={"core": {"passthrough": {"urls": [r"http://127\.0\.0\.1.*"]}}}):
        yield boto3.client("s3", region_name="us-east-1", aws_access_key_id="moto", aws_secret_access_key="moto")


def test_every_difference_from_moto_is_explained_by_the_documentation(s3: Any, bucket: str, moto: Any) -> None:
    found: set[str] = set()
    for scenario in SCENARIOS:
        name = f"{bucket}-{scenario.__name__.replace('_', '-')}"
        answers = []
        for client in (s3, moto):
            client.create_bucket(Bucket=name)
            recorder = Recorder(client, name)
            scenario(recorder)
            answers.append(recorder.answers)
        for difference in differences(*answers):
            found.add(difference if difference in EVERYWHERE else f"{scenario.__name__} {difference}")
    assert found == EVERYWHERE.keys() | DIFFERENCES.keys()
