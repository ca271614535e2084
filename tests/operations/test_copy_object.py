"""CopyObject: between buckets, onto themselves, by version, and what of the source goes along."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from s3gw.metadata.objects import new_version_id
from tests.gateways import refusal
from tests.operations.test_put_object import in_threads
from tests.raw_requests import send
from tests.servers import RunningServer

LARGE = bytes(range(256)) * 400
FAILED = (412, "PreconditionFailed")
PAST, FUTURE = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def other(s3: Any, bucket: str) -> str:
    s3.create_bucket(Bucket=f"{bucket}-other")
    return f"{bucket}-other"


@pytest.mark.parametrize("body", [b"", b"small", LARGE])
def test_a_copy_lives_on_in_another_bucket(s3: Any, bucket: str, other: str, body: bytes) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=body, Metadata={"m": "ü".encode().hex()}, ContentLanguage="de")
    s3.copy_object(Bucket=other, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    s3.put_object(Bucket=bucket, Key="a", Body=b"overwritten")
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_bucket(Bucket=bucket)
    got = s3.get_object(Bucket=other, Key="b")
    assert (got["Body"].read(), got["Metadata"], got["ContentLanguage"]) == (body, {"m": "c3bc"}, "de")


@pytest.mark.parametrize("key", ["a/b//c", "..", "a+b c%", "ü€😀", "?versionId=1", "#", "&=;", "\x01\x7f"])
def test_any_key_can_be_the_source(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"x"


def test_a_plus_in_the_source_is_a_blank(server: RunningServer, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a b", Body=b"blank")
    s3.put_object(Bucket=bucket, Key="a+b", Body=b"plus")
    for source, body in (("a+b", b"blank"), ("a%20b", b"blank"), ("a%2Bb", b"plus")):
        headers = {"x-amz-copy-source": f"{bucket}/{source}"}
        assert send(server, "PUT", f"/{bucket}/copy", **headers).status == 200
        assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == body


@pytest.mark.parametrize("source", ["{bucket}/100%", "{bucket}/%zz", "no such bucket/key", "ab/key"])
def test_a_source_that_can_be_none_is_refused_before_it_is_looked_for(
    server: RunningServer, bucket: str, source: str
) -> None:
    headers = {"x-amz-copy-source": source.format(bucket=bucket)}
    for query in ("", "?partNumber=1&uploadId=none"):
        refused = send(server, "PUT", f"/{bucket}/copy{query}", **headers).refusal
        assert refused == (400, "InvalidArgument")


def test_the_class_and_type_of_a_copy_are_as_asked(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", StorageClass="STANDARD_IA", ContentType="a/b", Metadata={"m": "1"})
    source = {"Bucket": bucket, "CopySource": f"{bucket}/a"}
    s3.copy_object(**source, Key="b", ContentType="ignored/by-copy", Metadata={"n": "2"})
    head = s3.head_object(Bucket=bucket, Key="b")
    assert ("StorageClass" in head, head["ContentType"], head["Metadata"]) == (False, "a/b", {"m": "1"})
    s3.copy_object(**source, Key="c", StorageClass="ONEZONE_IA", MetadataDirective="REPLACE", ContentType="c/d")
    head = s3.head_object(Bucket=bucket, Key="c")
    assert (head["StorageClass"], head["ContentType"], head["Metadata"]) == ("ONEZONE_IA", "c/d", {})


def test_tags_follow_their_own_directive(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Tagging="t=1", Metadata={"m": "1"})
    copy = {"Bucket": bucket, "Key": "b", "CopySource": f"{bucket}/a"}
    s3.copy_object(**copy, MetadataDirective="REPLACE")
    assert s3.get_object_tagging(Bucket=bucket, Key="b")["TagSet"] == [{"Key": "t", "Value": "1"}]
    s3.copy_object(**copy, TaggingDirective="REPLACE", Tagging="u=2")
    assert s3.get_object_tagging(Bucket=bucket, Key="b")["TagSet"] == [{"Key": "u", "Value": "2"}]
    assert s3.head_object(Bucket=bucket, Key="b")["Metadata"] == {"m": "1"}
    assert refusal(s3.copy_object, **copy, TaggingDirective="NOPE") == (400, "InvalidArgument")
    assert refusal(s3.copy_object, **copy, TaggingDirective="REPLACE", Tagging="aws:x=1") == (400, "InvalidTag")


def test_a_copy_onto_itself_may_change_class_or_redirect(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=LARGE, Metadata={"m": "1"})
    itself = {"Bucket": bucket, "Key": "a", "CopySource": f"{bucket}/a"}
    s3.copy_object(**itself, StorageClass="STANDARD_IA")
    assert s3.head_object(Bucket=bucket, Key="a")["StorageClass"] == "STANDARD_IA"
    s3.copy_object(**itself, WebsiteRedirectLocation="/x")
    got = s3.get_object(Bucket=bucket, Key="a")
    assert (got["Body"].read(), got["Metadata"], got["WebsiteRedirectLocation"]) == (LARGE, {"m": "1"}, "/x")


def test_a_copy_onto_itself_may_name_the_class_that_it_has(s3: Any, bucket: str) -> None:
    for name in ("STANDARD", "STANDARD_IA"):
        s3.put_object(Bucket=bucket, Key="a", Body=LARGE, StorageClass=name)
        itself = {"Bucket": bucket, "Key": "a", "CopySource": f"{bucket}/a"}
        assert refusal(s3.copy_object, **itself) == (400, "InvalidRequest")
        s3.copy_object(**itself, StorageClass=name)
        assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == LARGE


def test_a_failed_condition_comes_before_a_copy_onto_itself_that_changes_nothing(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="a", Body=LARGE)["ETag"]
    itself = {"Bucket": bucket, "Key": "a", "CopySource": f"{bucket}/a"}
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"x"'}, {"CopySourceIfNoneMatch": etag}):
        assert refusal(s3.copy_object, **itself, **condition) == FAILED
    assert refusal(s3.copy_object, **itself, IfMatch=etag) == (400, "InvalidRequest")


def test_while_versioning_is_suspended_a_copy_names_its_null_version(s3: Any, versioned: str) -> None:
    """Recorded on AWS: the new version is null, and a source that is null isn't named."""
    itself = {"Bucket": versioned, "Key": "a", "CopySource": f"{versioned}/a", "MetadataDirective": "REPLACE"}
    old = s3.put_object(Bucket=versioned, Key="a", Body=LARGE)["VersionId"]
    s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Suspended"})
    copy = s3.copy_object(**itself)
    assert (copy["VersionId"], copy["CopySourceVersionId"]) == ("null", old)
    copy = s3.copy_object(**itself)
    assert (copy["VersionId"], "CopySourceVersionId" in copy) == ("null", False)


@pytest.mark.parametrize("name", ["Range", "x-amz-copy-source-range"])
def test_a_range_of_an_object_cannot_be_copied_as_an_object(
    server: RunningServer, s3: Any, bucket: str, name: str
) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=LARGE)
    headers = {"x-amz-copy-source": f"{bucket}/a", name: "bytes=0-1"}
    assert send(server, "PUT", f"/{bucket}/b", **headers).refusal == (400, "InvalidArgument")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


@pytest.mark.parametrize(
    ("conditions", "is_met"),
    [
        ({"IfMatch": "ETAG"}, True),
        ({"IfMatch": "ETAG", "IfUnmodifiedSince": PAST}, True),
        ({"IfMatch": '"x"', "IfUnmodifiedSince": FUTURE}, False),
        ({"IfUnmodifiedSince": FUTURE}, True),
        ({"IfUnmodifiedSince": PAST}, False),
        ({"IfNoneMatch": '"x"'}, True),
        ({"IfNoneMatch": "ETAG", "IfModifiedSince": PAST}, False),
        ({"IfModifiedSince": PAST}, True),
        ({"IfModifiedSince": "LAST-MODIFIED"}, False),
        ({"IfModifiedSince": FUTURE}, True),
    ],
)
def test_conditions_of_the_source_refuse_with_412(
    s3: Any, bucket: str, conditions: dict[str, Any], is_met: bool
) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    head = s3.head_object(Bucket=bucket, Key="a")
    known = {"ETAG": head["ETag"], "LAST-MODIFIED": head["LastModified"]}
    given = {f"CopySource{name}": known.get(value, value) for name, value in conditions.items()}
    copy = {"Bucket": bucket, "Key": "b", "CopySource": f"{bucket}/a", **given}
    if is_met:
        assert s3.copy_object(**copy)["CopyObjectResult"]["ETag"] == head["ETag"]
    else:
        assert refusal(s3.copy_object, **copy) == FAILED
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


@pytest.mark.parametrize(
    ("condition", "header"),
    [
        ({"IfMatch": '"x"'}, "If-Match"),
        ({"IfUnmodifiedSince": PAST}, "If-Unmodified-Since"),
        ({"IfNoneMatch": "*"}, "If-None-Match"),
        ({"IfModifiedSince": None}, "If-Modified-Since"),
    ],
)
def test_the_condition_that_failed_is_named_by_its_header(
    s3: Any, bucket: str, condition: dict[str, Any], header: str
) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    modified = s3.head_object(Bucket=bucket, Key="a")["LastModified"]
    given = {name: modified if value is None else value for name, value in condition.items()}
    copy = {"Bucket": bucket, "Key": "b", "CopySource": f"{bucket}/a"}
    copy |= {f"CopySource{name}": value for name, value in given.items()}
    rename = {"Bucket": bucket, "Key": "b", "RenameSource": "a"}
    rename |= {f"Source{name}": value for name, value in given.items()}
    for call, arguments, prefix in ((s3.copy_object, copy, "copy"), (s3.rename_object, rename, "rename")):
        with pytest.raises(s3.exceptions.ClientError) as refused:
            call(**arguments)
        assert refused.value.response["Error"]["Condition"] == f"x-amz-{prefix}-source-{header}"


def test_the_destination_is_compared_and_swapped(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"new")
    copy = {"Bucket": bucket, "Key": "b", "CopySource": f"{bucket}/a"}
    assert refusal(s3.copy_object, **copy, IfMatch='"x"') == (404, "NoSuchKey")
    etag = s3.put_object(Bucket=bucket, Key="b", Body=b"old")["ETag"]
    assert refusal(s3.copy_object, **copy, IfMatch='"x"') == FAILED
    s3.copy_object(**copy, IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"new"


def test_an_older_version_is_restored_by_copying_it_onto_its_key(s3: Any, versioned: str) -> None:
    where = {"Bucket": versioned, "Key": "a"}
    old = s3.put_object(**where, Body=LARGE, Metadata={"m": "old"})["VersionId"]
    s3.put_object(**where, Body=b"new")
    s3.delete_object(**where)
    s3.copy_object(**where, CopySource={**where, "VersionId": old})
    got = s3.get_object(**where)
    assert (got["Body"].read(), got["Metadata"]) == (LARGE, {"m": "old"})
    assert len(s3.list_object_versions(Bucket=versioned)["Versions"]) == 3
    missing = {**where, "VersionId": new_version_id(-1_000_000)}
    assert refusal(s3.copy_object, **where, CopySource=missing) == (404, "NoSuchVersion")
    unknown = {**where, "VersionId": "A" * 32}
    assert refusal(s3.copy_object, **where, CopySource=unknown) == (400, "InvalidArgument")


def test_the_null_version_can_be_the_source(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"null")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="a", Body=b"newer")
    copy = s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a?versionId=null")
    assert copy["CopySourceVersionId"] == "null"
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"null"


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "CRC64NVME"])
def test_a_checksum_is_kept_or_computed_anew(s3: Any, bucket: str, algorithm: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="a", Body=LARGE, ChecksumAlgorithm="SHA256")
    kept = s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")["CopyObjectResult"]
    assert kept["ChecksumSHA256"] == put["ChecksumSHA256"]
    s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/a", ChecksumAlgorithm=algorithm)
    head = s3.head_object(Bucket=bucket, Key="c", ChecksumMode="ENABLED")
    direct = s3.put_object(Bucket=bucket, Key="d", Body=LARGE, ChecksumAlgorithm=algorithm)
    assert head[f"Checksum{algorithm}"] == direct[f"Checksum{algorithm}"]
    assert "ChecksumSHA256" not in head
    for source in ("a", "none"):
        where = {"Bucket": bucket, "Key": "e", "CopySource": f"{bucket}/{source}"}
        assert refusal(s3.copy_object, **where, ChecksumAlgorithm="WHIRLPOOL") == (400, "InvalidRequest")


def test_the_copy_of_a_multipart_object_has_its_parts_and_its_etag(s3: Any, bucket: str) -> None:
    parts = [b"a" * 5 * 1024 * 1024, b"b" * 1000]
    upload = {"Bucket": bucket, "Key": "a"}
    upload["UploadId"] = s3.create_multipart_upload(**upload, ChecksumAlgorithm="SHA256")["UploadId"]
    done = []
    for number, part in enumerate(parts, 1):
        digest = base64.b64encode(hashlib.sha256(part).digest()).decode()
        etag = s3.upload_part(**upload, PartNumber=number, Body=part, ChecksumSHA256=digest)["ETag"]
        done.append({"PartNumber": number, "ETag": etag, "ChecksumSHA256": digest})
    completed = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": done})
    copy = s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")["CopyObjectResult"]
    assert (copy["ETag"], copy["ChecksumSHA256"]) == (completed["ETag"], completed["ChecksumSHA256"])
    s3.delete_object(Bucket=bucket, Key="a")
    second = s3.get_object(Bucket=bucket, Key="b", PartNumber=2, ChecksumMode="ENABLED")
    assert (second["Body"].read(), second["ChecksumSHA256"]) == (parts[1], done[1]["ChecksumSHA256"])
    assert s3.get_object(Bucket=bucket, Key="b", Range="bytes=5242878-5242881")["Body"].read() == b"aabb"


def test_the_owners_of_both_buckets_can_be_demanded(s3: Any, bucket: str, other: str) -> None:
    s3.put_object(Bucket=bucket, Key="a")
    copy = {"Bucket": other, "Key": "b", "CopySource": f"{bucket}/a"}
    denied = (403, "AccessDenied")
    assert refusal(s3.copy_object, **copy, ExpectedSourceBucketOwner="1" * 12) == denied
    assert refusal(s3.copy_object, **copy, ExpectedBucketOwner="1" * 12) == denied
    assert s3.list_objects_v2(Bucket=other)["KeyCount"] == 0


def test_copies_that_swap_two_keys_end_without_a_lock_or_a_loss(s3: Any, bucket: str) -> None:
    for key in "ab":
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode() * 20_000)

    def copy(number: int) -> None:
        source, target = ("a", "b") if number % 2 else ("b", "a")
        for _ in range(5):
            s3.copy_object(Bucket=bucket, Key=target, CopySource=f"{bucket}/{source}", MetadataDirective="REPLACE")

    in_threads(8, copy)
    bodies = {s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in "ab"}
    assert bodies <= {b"a" * 20_000, b"b" * 20_000}
