"""DeleteObject and DeleteObjects: what goes, what is told of it, and what stops it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3gw.metadata.objects import new_version_id
from s3gw.operations import delete_objects
from tests.gateways import refusal
from tests.operations.test_put_object import checksum
from tests.raw_requests import Answer, content_md5, send
from tests.servers import RunningServer

FAILED = (412, "PreconditionFailed")


def delete(s3: Any, bucket: str, *objects: dict[str, Any], **options: Any) -> Any:
    return s3.delete_objects(Bucket=bucket, Delete={"Objects": list(objects), **options})


def post(server: RunningServer, bucket: str, document: str) -> Answer:
    body = document.encode()
    return send(server, "POST", f"/{bucket}?delete", body, **content_md5(body))


def versions(s3: Any, bucket: str) -> list[tuple[str, str]]:
    page = s3.list_object_versions(Bucket=bucket)
    return sorted((e["Key"], e["VersionId"]) for e in page.get("Versions", []) + page.get("DeleteMarkers", []))


def test_deleting_what_is_not_there_succeeds(s3: Any, bucket: str) -> None:
    answer = s3.delete_object(Bucket=bucket, Key="nope")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert not {"DeleteMarker", "VersionId"} & set(answer)
    assert s3.delete_object(Bucket=bucket, Key="nope", VersionId="null")["VersionId"] == "null"
    absent = new_version_id(-1_000_000)
    assert s3.delete_object(Bucket=bucket, Key="nope", VersionId=absent)["VersionId"] == absent
    for unknown in ("nonsense", "A" * 32, "3L4kqtJlcpXroDTDmJ-rmSpXd3dIbrHY"):
        assert refusal(s3.delete_object, Bucket=bucket, Key="nope", VersionId=unknown) == (400, "InvalidArgument")


def test_a_delete_of_a_missing_key_in_a_versioned_bucket_leaves_a_marker(s3: Any, versioned: str) -> None:
    marker = s3.delete_object(Bucket=versioned, Key="nope")
    assert marker["DeleteMarker"]
    assert versions(s3, versioned) == [("nope", marker["VersionId"])]
    assert refusal(s3.delete_bucket, Bucket=versioned) == (409, "BucketNotEmpty")
    gone = s3.delete_object(Bucket=versioned, Key="nope", VersionId=marker["VersionId"])
    assert (gone["DeleteMarker"], gone["VersionId"]) == (True, marker["VersionId"])
    s3.delete_bucket(Bucket=versioned)


def test_a_batch_tells_versions_and_markers_apart(s3: Any, versioned: str) -> None:
    first = s3.put_object(Bucket=versioned, Key="a")["VersionId"]
    second = s3.put_object(Bucket=versioned, Key="a")["VersionId"]
    s3.put_object(Bucket=versioned, Key="b")
    marker = s3.delete_object(Bucket=versioned, Key="c")["VersionId"]
    done = delete(
        s3, versioned, {"Key": "a", "VersionId": first}, {"Key": "b"}, {"Key": "c", "VersionId": marker}, {"Key": "d"}
    )["Deleted"]
    assert done[0] == {"Key": "a", "VersionId": first}
    assert (done[1]["Key"], done[1]["DeleteMarker"], "VersionId" in done[1]) == ("b", True, False)
    expected = {"Key": "c", "VersionId": marker, "DeleteMarker": True, "DeleteMarkerVersionId": marker}
    assert done[2] == expected
    assert done[3]["DeleteMarkerVersionId"]
    assert [key for key, _ in versions(s3, versioned)] == ["a", "b", "b", "d"]
    assert ("a", second) in versions(s3, versioned)


def test_refused_entries_do_not_hinder_the_others(s3: Any, versioned: str) -> None:
    kept = s3.put_object(Bucket=versioned, Key="kept", Body=b"x")["VersionId"]
    gone = s3.put_object(Bucket=versioned, Key="gone")["VersionId"]
    answer = delete(
        s3,
        versioned,
        {"Key": "kept", "VersionId": kept, "ETag": '"other"'},
        {"Key": "kept", "VersionId": "nonsense"},
        {"Key": "kept", "VersionId": "A" * 32},
        {"Key": "k" * 1025},
        {"Key": "gone", "VersionId": gone},
    )
    assert [(error["Key"][:4], error["Code"]) for error in answer["Errors"]] == [
        ("kept", "PreconditionFailed"),
        ("kept", "NoSuchVersion"),
        ("kept", "NoSuchVersion"),
        ("kkkk", "KeyTooLongError"),
    ]
    assert answer["Errors"][0]["VersionId"] == kept
    assert answer["Deleted"] == [{"Key": "gone", "VersionId": gone}]
    assert versions(s3, versioned) == [("kept", kept)]


def test_quiet_tells_errors_only(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a")
    s3.put_object(Bucket=bucket, Key="b")
    answer = delete(s3, bucket, {"Key": "a"}, {"Key": "b", "ETag": '"x"'}, Quiet=True)
    assert "Deleted" not in answer
    assert [error["Key"] for error in answer["Errors"]] == ["b"]
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["b"]


def test_a_thousand_keys_are_deleted_at_once(s3: Any, bucket: str) -> None:
    for number in range(0, 1000, 250):
        s3.put_object(Bucket=bucket, Key=str(number))
    answer = delete(s3, bucket, *({"Key": str(number)} for number in range(1000)))
    assert [entry["Key"] for entry in answer["Deleted"]] == [str(number) for number in range(1000)]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_key_named_twice_is_deleted_once_and_told_twice(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x" * 20_000)
    assert [entry["Key"] for entry in delete(s3, bucket, {"Key": "a"}, {"Key": "a"})["Deleted"]] == ["a", "a"]


@pytest.mark.parametrize("key", ["&<>\"'", " a  b ", "ü/€/😀", "a+b%2Fc", "]]>", "line\nbreak"])
def test_keys_in_xml_are_taken_to_the_letter(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key)
    assert delete(s3, bucket, {"Key": key})["Deleted"] == [{"Key": key}]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize(
    "objects",
    [
        "",
        "<Object/>",
        "<Object><Key/></Object>",
        "<Object><VersionId>null</VersionId></Object>",
        "<Object><Key>a</Key><Key>b</Key></Object>",
        "<Object><Key><b/></Key></Object>",
        "<Object><Key>a</Key><Size>many</Size></Object>",
        "<Object><Key>a</Key></Object><Quiet>perhaps</Quiet>",
    ],
)
def test_a_malformed_batch_deletes_nothing(server: RunningServer, s3: Any, versioned: str, objects: str) -> None:
    s3.put_object(Bucket=versioned, Key="a")
    before = versions(s3, versioned)
    assert post(server, versioned, f"<Delete>{objects}</Delete>").refusal == (400, "MalformedXML")
    assert versions(s3, versioned) == before


def test_a_batch_without_md5_and_checksum_deletes_nothing(server: RunningServer, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a")
    body = b"<Delete><Object><Key>a</Key></Object></Delete>"
    refused = send(server, "POST", f"/{bucket}?delete", body)
    assert refused.refusal == (400, "InvalidRequest")
    assert b"Missing required header for this request: Content-MD5 OR x-amz-checksum-*" in refused.body
    assert s3.head_object(Bucket=bucket, Key="a")
    crc32 = {"x-amz-checksum-crc32": checksum("CRC32", body)}
    assert send(server, "POST", f"/{bucket}?delete", body, **crc32).status == 200


def test_a_batch_that_does_not_match_its_content_md5_deletes_nothing(
    server: RunningServer, s3: Any, bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="a")
    body = b"<Delete><Object><Key>a</Key></Object></Delete>"
    other = content_md5(b"other")
    assert send(server, "POST", f"/{bucket}?delete", body, **other).refusal == (400, "BadDigest")
    assert s3.head_object(Bucket=bucket, Key="a")


def test_conditions_of_a_delete_are_those_of_the_version_that_goes(s3: Any, versioned: str) -> None:
    where = {"Bucket": versioned, "Key": "key"}
    first = s3.put_object(**where, Body=b"1")
    second = s3.put_object(**where, Body=b"2")
    assert refusal(s3.delete_object, **where, VersionId=first["VersionId"], IfMatch=second["ETag"]) == FAILED
    assert refusal(s3.delete_object, **where, IfMatch=first["ETag"]) == FAILED
    s3.delete_object(**where, VersionId=first["VersionId"], IfMatch=first["ETag"])
    s3.delete_object(**where, IfMatch=second["ETag"])
    assert refusal(s3.head_object, **where)[0] == 404


def test_an_entity_tag_to_match_wants_an_object(s3: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "key"}
    for status in (None, "Enabled", "Suspended"):
        if status is not None:
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        for etag in ("*", '"x"'):
            assert refusal(s3.delete_object, **where, IfMatch=etag) == (404, "NoSuchKey")
            assert delete(s3, bucket, {"Key": "key", "ETag": etag})["Errors"][0]["Code"] == "NoSuchKey"
        s3.put_object(**where)
        s3.delete_object(**where, IfMatch="*")  # in a versioned bucket a delete marker is left


def test_size_and_time_can_be_conditions_too(s3: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "key"}
    s3.put_object(**where, Body=b"123")
    modified = s3.head_object(**where)["LastModified"]
    assert refusal(s3.delete_object, **where, IfMatchSize=4) == FAILED
    assert refusal(s3.delete_object, **where, IfMatchLastModifiedTime=datetime(2020, 1, 1, tzinfo=UTC)) == FAILED
    s3.delete_object(**where, IfMatchSize=3, IfMatchLastModifiedTime=modified)
    assert refusal(s3.head_object, **where)[0] == 404


@pytest.mark.anyio
async def test_others_get_their_turns_while_a_policy_is_asked_about_each_entry() -> None:
    """One that takes 15 ms for each of 1000 keys kept a worker from everybody else for as long."""
    turns = 0

    def may(key: str, named: Any) -> Any:
        time.sleep(0.003)

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    services = SimpleNamespace(settings=SimpleNamespace(max_key=1024))
    call = cast("Any", SimpleNamespace(may=may, services=services))
    task = asyncio.create_task(other())
    await delete_objects._plans(call, [{"Key": "key"}] * 20)
    task.cancel()
    assert turns >= 5
