"""GetObject and HeadObject on the wire: conditions, ranges, overrides, and what hides behind delete markers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from s3gw.metadata.objects import new_version_id
from tests.gateways import refusal
from tests.operations.test_multipart import begin, complete, put_parts
from tests.raw_requests import send
from tests.servers import RunningServer

PAST = datetime.now(UTC) - timedelta(days=1)
FUTURE = datetime.now(UTC) + timedelta(days=1)
LARGE = bytes(range(256)) * 800

IF_MATCH: dict[str, dict[str, Any]] = {
    "": {},
    "matches": {"IfMatch": "ETAG"},
    "fails": {"IfMatch": '"other"'},
    "unmodified": {"IfUnmodifiedSince": FUTURE},
    "modified": {"IfUnmodifiedSince": PAST},
    "matches though modified": {"IfMatch": "ETAG", "IfUnmodifiedSince": PAST},
    "fails though unmodified": {"IfMatch": '"other"', "IfUnmodifiedSince": FUTURE},
}
IF_NONE_MATCH: dict[str, dict[str, Any]] = {
    "": {},
    "matches": {"IfNoneMatch": "ETAG"},
    "fails": {"IfNoneMatch": '"other"'},
    "modified": {"IfModifiedSince": PAST},
    "unmodified": {"IfModifiedSince": "LAST-MODIFIED"},
    "unmodified in the future": {"IfModifiedSince": FUTURE},  # which S3 ignores
    "matches though modified": {"IfNoneMatch": "ETAG", "IfModifiedSince": PAST},
    "fails though unmodified": {"IfNoneMatch": '"other"', "IfModifiedSince": "LAST-MODIFIED"},
}
PRECONDITION_FAILS = {"fails", "modified", "fails though unmodified"}
NOT_MODIFIED = {"matches", "unmodified", "matches though modified"}


def status(call: Any, **arguments: Any) -> int:
    try:
        return int(call(**arguments)["ResponseMetadata"]["HTTPStatusCode"])
    except Exception as error:
        return int(getattr(error, "response")["ResponseMetadata"]["HTTPStatusCode"])  # noqa: B009


@pytest.mark.parametrize("first", IF_MATCH)
def test_conditions_of_a_read_combine_as_rfc_9110_says(s3: Any, bucket: str, first: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"abc")
    head = s3.head_object(Bucket=bucket, Key="key")
    given = {"ETAG": head["ETag"], "LAST-MODIFIED": head["LastModified"]}
    for second, conditions in IF_NONE_MATCH.items():
        arguments = {"Bucket": bucket, "Key": "key", **IF_MATCH[first], **conditions}
        arguments = {name: given.get(value, value) for name, value in arguments.items()}
        expected = 412 if first in PRECONDITION_FAILS else 304 if second in NOT_MODIFIED else 200
        assert status(s3.get_object, **arguments) == expected, (first, second)
        assert status(s3.head_object, **arguments) == expected, (first, second)


@pytest.mark.parametrize("tags", ['"x", ETAG', "*", "W/ETAG", "UNQUOTED"])
def test_an_entity_tag_may_stand_in_a_list_or_without_quotes(s3: Any, bucket: str, tags: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="key", Body=b"abc")["ETag"]
    header = tags.replace("ETAG", etag).replace("UNQUOTED", etag.strip('"'))
    assert status(s3.get_object, Bucket=bucket, Key="key", IfMatch=header) == 200
    assert status(s3.get_object, Bucket=bucket, Key="key", IfNoneMatch=header) == 304


def test_a_304_has_no_body_but_what_a_cache_needs(server: RunningServer, s3: Any, versioned: str) -> None:
    put = s3.put_object(Bucket=versioned, Key="key", Body=LARGE, CacheControl="max-age=1")
    answer = send(server, "GET", f"/{versioned}/key", **{"If-None-Match": put["ETag"]})
    assert (answer.status, answer.body) == (304, b"")
    assert (answer.headers["ETag"], answer.headers["Cache-Control"]) == (put["ETag"], "max-age=1")
    assert answer.headers["x-amz-version-id"] == put["VersionId"]
    assert answer.headers["Last-Modified"]


def test_a_date_that_is_none_is_no_condition(server: RunningServer, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"abc")
    for name in ("If-Modified-Since", "If-Unmodified-Since"):
        assert send(server, "GET", f"/{bucket}/key", **{name: "yesterday"}).body == b"abc"


def test_if_modified_since_compares_whole_seconds(server: RunningServer, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"abc")
    modified = send(server, "HEAD", f"/{bucket}/key").headers["Last-Modified"]
    assert send(server, "GET", f"/{bucket}/key", **{"If-Modified-Since": modified}).status == 304
    assert send(server, "GET", f"/{bucket}/key", **{"If-Unmodified-Since": modified}).status == 200


@pytest.mark.parametrize("size", [1000, len(LARGE)])
def test_a_head_with_a_range_tells_what_a_get_would(server: RunningServer, s3: Any, bucket: str, size: int) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=LARGE[:size])
    for span in ("bytes=10-19", "bytes=-5", "bytes=999-"):
        got = send(server, "GET", f"/{bucket}/key", Range=span)
        head = send(server, "HEAD", f"/{bucket}/key", Range=span)
        assert (got.status, head.status, head.body) == (206, 206, b"")
        for name in ("Content-Range", "Content-Length", "ETag", "Accept-Ranges"):
            assert got.headers[name] == head.headers[name], name
        assert len(got.body) == int(got.headers["Content-Length"])


@pytest.mark.parametrize("span", ["bytes=0-0", "bytes=0-", "bytes=-0"])
def test_an_empty_object_has_no_range(server: RunningServer, s3: Any, bucket: str, span: str) -> None:
    s3.put_object(Bucket=bucket, Key="key")
    answer = send(server, "GET", f"/{bucket}/key", Range=span)
    assert (answer.refusal, answer.headers["Content-Range"]) == ((416, "InvalidRange"), "bytes */0")
    assert send(server, "HEAD", f"/{bucket}/key", Range=span).status == 416


def test_the_last_bytes_of_an_empty_object_are_served(server: RunningServer, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key")
    for method in ("GET", "HEAD"):
        answer = send(server, method, f"/{bucket}/key", Range="bytes=-5")
        assert (answer.status, answer.headers["Content-Length"], answer.headers["Content-Range"]) == (200, "0", None)


def test_a_range_of_many_digits_is_cut_to_the_object_or_beyond_it(server: RunningServer, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"0123456789")
    many = "9" * 25
    got = send(server, "GET", f"/{bucket}/key", Range=f"bytes=8-{many}")
    assert (got.status, got.body, got.headers["Content-Range"]) == (206, b"89", "bytes 8-9/10")
    assert send(server, "GET", f"/{bucket}/key", Range=f"bytes={many}-").refusal == (416, "InvalidRange")


def test_conditions_come_before_the_range(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="key", Body=b"abc")["ETag"]
    where = {"Bucket": bucket, "Key": "key", "Range": "bytes=9-"}
    assert refusal(s3.get_object, **where, IfMatch='"other"')[0] == 412
    assert refusal(s3.get_object, **where, IfNoneMatch=etag)[0] == 304
    assert refusal(s3.get_object, **where, IfMatch=etag) == (416, "InvalidRange")


def test_a_range_of_another_version_is_answered_with_the_whole_object(
    server: RunningServer, s3: Any, bucket: str
) -> None:
    old = s3.put_object(Bucket=bucket, Key="key", Body=b"older")["ETag"]
    etag = s3.put_object(Bucket=bucket, Key="key", Body=b"newer")["ETag"]
    modified = send(server, "HEAD", f"/{bucket}/key").headers["Last-Modified"]
    earlier = "Mon, 01 Jan 2024 00:00:00 GMT"
    for validator in (etag, modified):
        part = send(server, "GET", f"/{bucket}/key", Range="bytes=1-2", **{"If-Range": validator})
        assert (part.status, part.body) == (206, b"ew")
    for validator in (old, earlier, "*", "W/" + etag):
        whole = send(server, "GET", f"/{bucket}/key", Range="bytes=1-2", **{"If-Range": validator})
        assert (whole.status, whole.body, whole.headers["Content-Range"]) == (200, b"newer", None)
    beyond = send(server, "HEAD", f"/{bucket}/key", Range="bytes=9-", **{"If-Range": old})
    assert beyond.status == 200


OVERRIDES = {
    "response-cache-control": ("Cache-Control", "no-store"),
    "response-content-disposition": ("Content-Disposition", 'attachment; filename="a b"'),
    "response-content-encoding": ("Content-Encoding", "br"),
    "response-content-language": ("Content-Language", "fr"),
    "response-content-type": ("Content-Type", "text/csv; charset=utf-8"),
    "response-expires": ("Expires", "Tue, 01 Jan 2030 00:00:00 GMT"),
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_an_override_changes_one_answer_only(s3: Any, bucket: str, name: str) -> None:
    header, value = OVERRIDES[name]
    s3.put_object(Bucket=bucket, Key="key", Body=b"abc", CacheControl="kept", ContentType="kept/kept")
    member = "".join(word.capitalize() for word in name.split("-"))
    for call in (s3.get_object, s3.head_object):
        headers = call(Bucket=bucket, Key="key", **{member: value})["ResponseMetadata"]["HTTPHeaders"]
        assert headers[header.lower()] == value
    headers = s3.head_object(Bucket=bucket, Key="key")["ResponseMetadata"]["HTTPHeaders"]
    assert (headers["cache-control"], headers["content-type"]) == ("kept", "kept/kept")
    assert headers.get(header.lower()) != value


def test_a_checksum_is_told_of_the_whole_and_not_of_a_range(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=LARGE, ChecksumAlgorithm="SHA256")
    where = {"Bucket": bucket, "Key": "key", "ChecksumMode": "ENABLED"}
    assert "ChecksumSHA256" in s3.get_object(**where)
    assert "ChecksumSHA256" not in s3.get_object(**where, Range="bytes=0-9")
    for span in ("bytes=0-", f"bytes=0-{len(LARGE) - 1}", f"bytes=-{len(LARGE)}"):  # the whole, though it is a range
        whole = s3.get_object(**where, Range=span)
        assert whole["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert (whole["ChecksumType"], whole["Body"].read()) == ("FULL_OBJECT", LARGE)
        assert "ChecksumSHA256" in s3.head_object(**where, Range=span)


@pytest.mark.parametrize("mode", ["NOT_SET", "DISABLED", ""])
def test_a_checksum_mode_that_is_not_enabled_asks_for_no_checksum(
    server: RunningServer, s3: Any, bucket: str, mode: str
) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"abc", ChecksumAlgorithm="SHA256")
    answer = send(server, "GET", f"/{bucket}/key", **{"x-amz-checksum-mode": mode})
    assert (answer.status, answer.headers["x-amz-checksum-sha256"]) == (200, None)


def test_what_a_delete_marker_hides_is_told_by_headers(server: RunningServer, s3: Any, versioned: str) -> None:
    s3.put_object(Bucket=versioned, Key="key", Body=b"abc")
    marker = s3.delete_object(Bucket=versioned, Key="key")["VersionId"]
    for method in ("GET", "HEAD"):
        hidden = send(server, method, f"/{versioned}/key")
        assert (hidden.status, hidden.headers["x-amz-delete-marker"]) == (404, "true")
        assert hidden.headers["x-amz-version-id"] == marker
        by_id = send(server, method, f"/{versioned}/key?versionId={marker}")
        assert (by_id.status, by_id.headers["x-amz-delete-marker"]) == (405, "true")
        assert by_id.headers["Last-Modified"]
    assert send(server, "GET", f"/{versioned}/other").headers["x-amz-delete-marker"] is None


@pytest.mark.parametrize("version_id", ["", "x", "%00", "ä" * 8, "-1", "A" * 10_000])
def test_what_is_no_version_id_is_refused(server: RunningServer, s3: Any, versioned: str, version_id: str) -> None:
    s3.put_object(Bucket=versioned, Key="key", Body=b"abc")
    refused = refusal(s3.get_object, Bucket=versioned, Key="key", VersionId=version_id)
    assert refused == (400, "InvalidArgument")
    assert refusal(s3.get_object, Bucket=versioned, Key="key", VersionId=new_version_id(-1_000_000)) == (
        404,
        "NoSuchVersion",
    )


def test_a_version_belongs_to_its_key(s3: Any, versioned: str) -> None:
    version_id = s3.put_object(Bucket=versioned, Key="key", Body=b"abc")["VersionId"]
    s3.put_object(Bucket=versioned, Key="other", Body=b"def")
    assert refusal(s3.get_object, Bucket=versioned, Key="other", VersionId=version_id) == (404, "NoSuchVersion")
    assert refusal(s3.get_object, Bucket=versioned, Key="other", VersionId="null") == (404, "NoSuchVersion")


def test_the_first_part_of_an_object_that_was_put_whole_is_all_of_it(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"abc")
    head = s3.head_object(Bucket=bucket, Key="key", PartNumber=1)
    assert (head["ContentLength"], head["ResponseMetadata"]["HTTPStatusCode"]) == (3, 206)
    assert "PartsCount" not in head


@pytest.mark.parametrize("number", [2, 10_000])
def test_a_part_beyond_the_last_is_not_satisfiable(server: RunningServer, s3: Any, bucket: str, number: int) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"abc")
    answer = send(server, "GET", f"/{bucket}/key?partNumber={number}")
    assert answer.refusal == (416, "InvalidPartNumber")
    assert f"<PartNumberRequested>{number}</PartNumberRequested>" in answer.body.decode()
    assert b"<ActualPartCount>1</ActualPartCount>" in answer.body
    assert send(server, "HEAD", f"/{bucket}/key?partNumber={number}").status == 416


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"PartNumber": 0}, "InvalidArgument"),
        ({"PartNumber": 10_001}, "InvalidArgument"),
        ({"PartNumber": 1, "Range": "bytes=0-1"}, "InvalidRequest"),
    ],
)
def test_what_can_be_no_part_is_refused_before_anything_is_looked_for(
    s3: Any, bucket: str, wrong: dict[str, Any], code: str
) -> None:
    assert refusal(s3.get_object, Bucket=bucket, Key="none", **wrong) == (400, code)
    assert refusal(s3.head_object, Bucket=bucket, Key="none", **wrong)[0] == 400


def test_parts_are_numbered_anew_when_they_are_completed(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket, ChecksumAlgorithm="CRC32")
    bodies = {1: b"x" * 5 * 1024 * 1024, 1000: b"last"}
    listed = []
    for number, body in bodies.items():
        sent = s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
        listed.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumCRC32": sent["ChecksumCRC32"]})
    complete(s3, upload, listed)
    where = {"Bucket": bucket, "Key": "key"}
    got = s3.get_object(**where, PartNumber=2, ChecksumMode="ENABLED")
    assert (got["Body"].read(), got["PartsCount"], got["ChecksumCRC32"]) == (b"last", 2, listed[1]["ChecksumCRC32"])
    assert refusal(s3.get_object, **where, PartNumber=1000) == (416, "InvalidPartNumber")
    attributes = {"ObjectAttributes": ["ObjectParts"], "MaxParts": 1}
    pages = [s3.get_object_attributes(**where, **attributes, PartNumberMarker=marker) for marker in (0, 1, 2)]
    told = [[part["PartNumber"] for part in page["ObjectParts"].get("Parts", [])] for page in pages]
    assert told == [[1], [2], []]
    assert [page["ObjectParts"]["IsTruncated"] for page in pages] == [True, False, False]


@pytest.mark.parametrize("parts", [[b""], [b"x" * 5 * 1024 * 1024, b""]])
def test_an_empty_part_has_no_range(s3: Any, bucket: str, parts: list[bytes]) -> None:
    upload = begin(s3, bucket)
    complete(s3, upload, put_parts(s3, upload, parts))
    last = {"Bucket": bucket, "Key": "key", "PartNumber": len(parts)}
    for answer in (s3.get_object(**last), s3.head_object(**last)):
        assert (answer["ContentLength"], answer["PartsCount"], "ContentRange" in answer) == (0, len(parts), False)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
