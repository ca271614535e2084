"""Forms of browsers on a running server: what is stored of them, what is answered, what is refused in which words."""

from __future__ import annotations

import base64
import hashlib
import http.client
import time
import zlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.gateways import client_of, refusal
from tests.raw_requests import Answer, connect, read_answer, send
from tests.s3.forms import BOUNDARY, FORM, body_of, form_of_v2, post, signed_form
from tests.servers import ROOT_KEY, RunningServer

MIB = 1024 * 1024


def message(answer: Answer) -> str:
    return answer.body.partition(b"<Message>")[2].partition(b"</Message>")[0].decode()


def keys(s3: Any, bucket: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


@pytest.mark.parametrize("form", [signed_form, form_of_v2])
def test_a_signed_form_stores_its_file(server: RunningServer, s3: Any, bucket: str, form: Any) -> None:
    answer = post(server, bucket, form(bucket, {"key": "a/b ü.txt"}))
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["ETag"] == f'"{hashlib.md5(b"content").hexdigest()}"'
    assert answer.headers["Location"] == f"{server.s3}/{bucket}/a/b%20%C3%BC.txt"
    assert answer.headers["x-amz-checksum-crc64nvme"] and answer.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    stored = s3.get_object(Bucket=bucket, Key="a/b ü.txt")
    assert (stored["Body"].read(), stored["ContentType"]) == (b"content", "binary/octet-stream")


@pytest.mark.parametrize("signature", ["s3v4", "s3"])
def test_what_boto3_presigns_is_stored(server: RunningServer, s3: Any, bucket: str, signature: str) -> None:
    client = client_of(server, signature_version=signature)
    fields: dict[str, Any] = {"Fields": {"acl": "private"}, "Conditions": [{"acl": "private"}]}
    presigned = client.generate_presigned_post(bucket, "up/${filename}", **fields)
    assert urlsplit(presigned["url"]).path.strip("/") == bucket
    assert post(server, bucket, presigned["fields"], filename="C:\\dir\\n.txt").status == 204
    assert keys(s3, bucket) == ["up/n.txt"]


def test_a_form_of_20_mib_is_stored_as_it_was_sent(server: RunningServer, s3: Any, bucket: str) -> None:
    """In chunks, with bytes that look like the boundary all over it."""
    near = f"\r\n--{BOUNDARY[:-1]}".encode()
    content = (near * 1000 + b"\r\n" * 500) * 550
    assert len(content) > 20 * MIB
    checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
    fields = signed_form(bucket, {"key": "large", "x-amz-checksum-sha256": checksum})
    assert post(server, bucket, fields, content).status == 204
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == content


def test_the_body_may_come_in_chunks_and_byte_by_byte(server: RunningServer, s3: Any, bucket: str) -> None:
    body = body_of(signed_form(bucket, {"key": "chunked"}), b"x" * 50_000)
    connection = http.client.HTTPConnection(urlsplit(server.s3).netloc, timeout=20)
    pieces = [body[:1], body[1:2], body[2:3000], body[3000:-5], *(body[-5:][i : i + 1] for i in range(5))]
    connection.request("POST", f"/{bucket}", iter(pieces), FORM, encode_chunked=True)
    assert connection.getresponse().status == 204
    connection.close()
    assert s3.head_object(Bucket=bucket, Key="chunked")["ContentLength"] == 50_000


def test_every_field_of_aws_is_kept(server: RunningServer, s3: Any, bucket: str) -> None:
    fields = {
        "key": "all",
        "Content-Type": "image/png",
        "Cache-Control": "no-cache",
        "Content-Disposition": "inline",
        "Content-Encoding": "gzip",
        "Expires": "Thu, 01 Jan 2030 00:00:00 GMT",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-website-redirect-location": "/other",
        "x-amz-meta-UUID": "143 ÄÖ",
        "x-amz-meta-lines": "a\r\nb",
        "x-amz-meta-nul": "\0\1",
        "tagging": "<Tagging><TagSet><Tag><Key>a b</Key><Value>c+d</Value></Tag></TagSet></Tagging>",
        "Content-MD5": base64.b64encode(hashlib.md5(b"content").digest()).decode(),
        "x-amz-checksum-algorithm": "CRC32",
        "x-amz-checksum-crc32": base64.b64encode(zlib.crc32(b"content").to_bytes(4, "big")).decode(),
        "x-amz-unknown": "x",
    }
    answer = post(server, bucket, signed_form(bucket, fields))
    assert answer.status == 204, answer.body
    assert answer.headers["x-amz-checksum-crc32"] == fields["x-amz-checksum-crc32"]
    stored = s3.get_object(Bucket=bucket, Key="all")
    assert stored["Body"].read() == b"content"
    told = {name: stored[name] for name in ("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding")}
    assert list(told.values()) == ["image/png", "no-cache", "inline", "gzip"]
    assert stored["ExpiresString"] == fields["Expires"]
    assert (stored["StorageClass"], stored["WebsiteRedirectLocation"]) == ("STANDARD_IA", "/other")
    encoded = {"uuid": "=?UTF-8?Q?143_=C3=84=C3=96?=", "lines": "=?UTF-8?B?YQ0KYg==?=", "nul": "=?UTF-8?B?AAE=?="}
    assert stored["Metadata"] == encoded
    assert s3.get_object_tagging(Bucket=bucket, Key="all")["TagSet"] == [{"Key": "a b", "Value": "c+d"}]


def test_names_count_in_any_case_and_doubles_are_joined(server: RunningServer, s3: Any, bucket: str) -> None:
    fields = signed_form(bucket, {"KEY": "k", "X-AMZ-Meta-Tag": "Ninja"}, ["eq", "$x-amz-meta-tag", "Ninja,Stallman"])
    signed = {name.title() if name.startswith("x-amz") else name: value for name, value in fields.items()}
    with_double = {**signed, "x-amz-meta-TAG": "Stallman"}
    assert "Condition failed" in message(post(server, bucket, with_double))  # {"X-AMZ-Meta-Tag": "Ninja"} is another
    once = signed_form(bucket, {"key": "k"}, {"x-amz-meta-tag": "Ninja,Stallman"})
    assert post(server, bucket, {"x-amz-meta-Tag": "Ninja", "X-Amz-Meta-tag": "Stallman", **once}).status == 204
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"tag": "Ninja,Stallman"}


@pytest.mark.parametrize(
    ("filename", "key"),
    [("n.txt", "a-n.txt"), ("/x/n", "a-n"), ("x\\y/z\\n", "a-n"), ("", "a-"), (None, "a-${filename}"), ("日", "a-日")],
)
def test_the_name_of_the_file_is_put_into_every_field_before_the_policy_is_asked(
    server: RunningServer, s3: Any, bucket: str, filename: str | None, key: str
) -> None:
    conditions = ["starts-with", "$key", "a-"], ["eq", "$x-amz-meta-name", key[2:]]
    fields = signed_form(bucket, {"key": "a-${filename}", "x-amz-meta-name": "${filename}"}, *conditions)
    assert post(server, bucket, fields, filename=filename).status == 204
    assert keys(s3, bucket) == [key]


def test_a_name_that_stands_in_many_places_is_too_much(server: RunningServer, bucket: str) -> None:
    fields = {"key": "k", "x-ignore-a": "${filename}" * 100}
    assert post(server, bucket, signed_form(bucket, {"key": "k"}) | fields, filename="n" * 100).status == 204
    answer = post(server, bucket, signed_form(bucket, {"key": "k"}) | fields, filename="n" * 1000)
    assert answer.refusal == (400, "MaxPostPreDataLengthExceeded")


def test_a_value_that_no_header_can_say_breaks_none(server: RunningServer, s3: Any, bucket: str) -> None:
    for name in ("Content-Disposition", "Cache-Control", "Content-Type"):
        assert post(server, bucket, signed_form(bucket, {"key": "k", name: "a 日 b"})).status == 204
        assert send(server, "GET", f"/{bucket}/k").headers[name] == "a ? b"


def test_fields_behind_the_file_are_ignored(server: RunningServer, s3: Any, bucket: str) -> None:
    fields = signed_form(bucket, {"key": "k"})
    behind = {"acl": "public-read", "key": "other", "submit": "Upload", "x-amz-meta-a": "b" * 30_000}
    assert post(server, bucket, fields, behind=behind).status == 204
    assert (keys(s3, bucket), s3.head_object(Bucket=bucket, Key="k")["Metadata"]) == (["k"], {})
    missing = post(server, bucket, {}, behind=fields)
    assert missing.refusal == (400, "InvalidArgument")
    assert "a field named 'key'.  If it is specified" in message(missing)


def test_a_status_or_a_document_is_answered_as_asked(server: RunningServer, bucket: str) -> None:
    for status in ("200", "201", "204", "404", ""):
        answer = post(server, bucket, signed_form(bucket, {"key": "a/<b>&", "success_action_status": status}))
        assert answer.status == (int(status) if status in ("200", "201") else 204)
        location = f"{server.s3}/{bucket}/a/%3Cb%3E%26"
        assert answer.headers["Location"] == location
        if status != "201":
            assert answer.body == b""
    created = post(server, bucket, signed_form(bucket, {"key": "a/<b>&", "success_action_status": "201"}))
    etag = hashlib.md5(b"content").hexdigest()
    document = f"<Bucket>{bucket}</Bucket><Key>a/&lt;b&gt;&amp;</Key><ETag>&quot;{etag}&quot;</ETag>"
    assert created.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<PostResponse><Location>{location}</Location>{document}</PostResponse>"
    )


@pytest.mark.parametrize("field", ["success_action_redirect", "redirect"])
def test_a_redirect_tells_what_was_stored(server: RunningServer, bucket: str, field: str) -> None:
    page = "http://page.example/done?x=1#top"
    answer = post(server, bucket, signed_form(bucket, {"key": "a b/ü", field: page, "success_action_status": "201"}))
    assert (answer.status, answer.body) == (303, b"")
    target = urlsplit(answer.headers["Location"])
    assert (target.netloc, target.path, target.fragment) == ("page.example", "/done", "top")
    etag = f'"{hashlib.md5(b"content").hexdigest()}"'
    assert parse_qs(target.query) == {"x": ["1"], "bucket": [bucket], "key": ["a b/ü"], "etag": [etag]}


def test_versions_are_told_and_kept(server: RunningServer, s3: Any, versioned: str) -> None:
    told = [post(server, versioned, signed_form(versioned, {"key": "k"})).headers["x-amz-version-id"] for _ in range(2)]
    versions = [version["VersionId"] for version in s3.list_object_versions(Bucket=versioned)["Versions"]]
    assert versions == told[::-1]


REFUSED: list[tuple[str, dict[str, str], dict[str, Any], tuple[int, str]]] = [
    ("a wrong signature", {"x-amz-signature": "0" * 64}, {}, (403, "SignatureDoesNotMatch")),
    ("an unknown key", {"x-amz-credential": "NOBODY/20260101/us-east-1/s3/aws4_request"}, {}, (400, "InvalidArgument")),
    ("an extra field", {"x-amz-meta-a": "b"}, {}, (403, "AccessDenied")),
    ("another key", {"key": "other"}, {}, (403, "AccessDenied")),
    ("NUL in the key id", {"x-amz-credential": "\0/20260101/us-east-1/s3/aws4_request"}, {}, (400, "InvalidArgument")),
    ("another owner", {"x-amz-expected-bucket-owner": "0" * 12}, {"is_signed": True}, (403, "AccessDenied")),
    ("a token", {"x-amz-security-token": "x"}, {}, (400, "InvalidToken")),
    ("no key", {"key": ""}, {}, (400, "InvalidArgument")),
    ("NUL in the key", {"key": "a\0b"}, {}, (400, "InvalidArgument")),
    ("a long key", {"key": "k" * 1025}, {"is_signed": True}, (400, "KeyTooLongError")),
    ("no file", {}, {"content": None}, (400, "InvalidArgument")),
    ("too much before the file", {"x-ignore-a": "b" * 21_000}, {}, (400, "MaxPostPreDataLengthExceeded")),
    ("a checksum that is none", {"x-amz-checksum-sha256": "rum"}, {"is_signed": True}, (400, "InvalidRequest")),
    ("a wrong checksum", {"x-amz-checksum-crc32": "AAAAAA=="}, {"is_signed": True}, (400, "BadDigest")),
    ("an algorithm alone", {"x-amz-checksum-algorithm": "SHA256"}, {"is_signed": True}, (400, "InvalidRequest")),
    ("a wrong MD5", {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, {"is_signed": True}, (400, "BadDigest")),
    ("no tags", {"tagging": "not-xml"}, {"is_signed": True}, (400, "MalformedXML")),
    ("a tag of AWS", {"tagging": "<Tagging><TagSet><Tag><Key>aws:a</Key><Value/></Tag></TagSet></Tagging>"},
     {"is_signed": True}, (400, "InvalidTag")),
    ("no class", {"x-amz-storage-class": "FakeClass"}, {"is_signed": True}, (400, "InvalidStorageClass")),
    ("too much metadata", {"x-amz-meta-a": "b" * 2100}, {"is_signed": True}, (400, "MetadataTooLarge")),
    ("a line end in a header", {"Content-Type": "a\r\nb: c"}, {"is_signed": True}, (400, "InvalidArgument")),
    ("a name that is none", {"x-amz-meta-a b": "c"}, {"is_signed": True}, (400, "InvalidArgument")),
    ("encryption", {"x-amz-server-side-encryption": "aws:kms"}, {"is_signed": True}, (501, "NotImplemented")),
    ("a lock", {"x-amz-object-lock-mode": "GOVERNANCE"}, {"is_signed": True}, (501, "NotImplemented")),
    ("a bad redirect", {"x-amz-website-redirect-location": "x"}, {"is_signed": True}, (400, "InvalidRedirectLocation")),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "more", "refused"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_form_that_is_refused_stores_nothing(
    server: RunningServer, s3: Any, bucket: str, fields: dict[str, str], more: dict[str, Any], refused: tuple[int, str]
) -> None:
    is_signed = more.get("is_signed", False)
    signed = signed_form(bucket, {"key": "k"} | (fields if is_signed else {}))
    answer = post(server, bucket, signed | fields, more.get("content", b"content"))
    assert answer.refusal == refused, answer.body
    assert keys(s3, bucket) == []


def test_how_many_files_there_are_is_told(server: RunningServer, s3: Any, bucket: str) -> None:
    fields = signed_form(bucket, {"key": "k"})
    for content, behind, count in ((None, {}, 0), (b"a", {"file": "b"}, 2)):
        answer = post(server, bucket, fields, content, behind=behind)
        assert answer.refusal == (400, "InvalidArgument")
        assert message(answer) == "POST requires exactly one file upload per request."
        assert f"<ArgumentName>file</ArgumentName><ArgumentValue>{count}</ArgumentValue>".encode() in answer.body
    assert keys(s3, bucket) == []


def test_a_policy_is_told_by_what_it_refuses(server: RunningServer, s3: Any, bucket: str) -> None:
    expired = post(server, bucket, signed_form(bucket, {"key": "k"}, seconds=-1))
    assert expired.refusal == (403, "AccessDenied")
    assert message(expired) == "Invalid according to Policy: Policy expired."
    fails = post(server, bucket, signed_form(bucket, {"key": "k"}, ["starts-with", "$Content-Type", ""]))
    assert 'Policy Condition failed: ["starts-with", "$Content-Type", ""]' in message(fails).replace("&quot;", '"')
    extra = post(server, bucket, {**signed_form(bucket, {"key": "k"}), "Filename": "x"})
    assert message(extra) == "Invalid according to Policy: Extra input fields: Filename"
    invalid = post(server, bucket, signed_form(bucket, {"key": "k"}, {}))
    assert invalid.refusal == (400, "InvalidPolicyDocument")
    assert keys(s3, bucket) == []


def test_a_policy_of_another_bucket_is_none_of_this_one(server: RunningServer, s3: Any, bucket: str) -> None:
    s3.create_bucket(Bucket=f"{bucket}-other")
    fields = signed_form(bucket, {"key": "k", "bucket": bucket})
    assert post(server, f"{bucket}-other", fields).refusal == (403, "AccessDenied")
    assert keys(s3, f"{bucket}-other") == []
    assert post(server, bucket, fields).status == 204
    assert post(server, "no-such-bucket-here", signed_form("no-such-bucket-here", {"key": "k"})).status == 404


@pytest.mark.parametrize("size", [4, 5, 10, 11, 3 * MIB])
def test_the_size_of_the_file_is_within_the_range(server: RunningServer, s3: Any, bucket: str, size: int) -> None:
    fields = signed_form(bucket, {"key": "k"}, ["content-length-range", 5, 10])
    answer = post(server, bucket, fields, b"x" * size)
    if 5 <= size <= 10:
        assert (answer.status, keys(s3, bucket)) == (204, ["k"])
        return
    code, limit = ("EntityTooSmall", "Min") if size < 5 else ("EntityTooLarge", "Max")
    assert (answer.refusal, keys(s3, bucket)) == ((400, code), [])
    if size < MIB:
        details = f"<ProposedSize>{size}</ProposedSize><{limit}SizeAllowed>{5 if size < 5 else 10}</{limit}SizeAllowed>"
        assert details.encode() in answer.body


def test_an_anonymous_form_is_asked_for_by_nobody(server: RunningServer, s3: Any, bucket: str) -> None:
    for fields in ({"key": "k"}, {"key": "k", "x-amz-storage-class": "FakeClass"}):
        assert post(server, bucket, fields).refusal == (403, "AccessDenied")
    unsigned = {name: value for name, value in signed_form(bucket, {"key": "k"}).items() if name in ("key", "policy")}
    assert post(server, bucket, unsigned).refusal == (403, "AccessDenied")
    assert post(server, "no-such-bucket-here", {"key": "k"}).refusal == (404, "NoSuchBucket")
    assert keys(s3, bucket) == []


def test_headers_of_the_request_say_what_they_say_of_a_put(server: RunningServer, s3: Any, bucket: str) -> None:
    fields = signed_form(bucket, {"key": "k"})
    assert post(server, bucket, fields, headers={"If-None-Match": "*"}).status == 204
    assert post(server, bucket, fields, headers={"If-None-Match": "*"}).refusal == (412, "PreconditionFailed")
    owner = {"x-amz-expected-bucket-owner": "000000000000"}
    assert post(server, bucket, fields, headers=owner).refusal == (403, "AccessDenied")
    encrypted = {"x-amz-server-side-encryption": "aws:kms"}
    assert post(server, bucket, fields, headers=encrypted).refusal == (501, "NotImplemented")
    authorized = send(server, "POST", f"/{bucket}", body_of(fields), **FORM)
    assert authorized.refusal == (400, "InvalidArgument")


def test_what_is_not_sent_as_a_form_is_refused(server: RunningServer, s3: Any, bucket: str) -> None:
    body = body_of(signed_form(bucket, {"key": "k"}))
    html = send(server, "POST", f"/{bucket}", body, key=None, **{"Content-Type": "text/html"})
    assert html.refusal == (412, "PreconditionFailed")
    assert b"<Condition>Bucket POST must be of the enclosure-type multipart/form-data</Condition>" in html.body
    for kind in ("multipart/form-data", "multipart/form-data; boundary=other"):
        answer = send(server, "POST", f"/{bucket}", body, key=None, **{"Content-Type": kind})
        assert answer.refusal == (400, "MalformedPOSTRequest")
    cut = send(server, "POST", f"/{bucket}", body[:-10], key=None, **FORM)
    assert cut.refusal == (400, "MalformedPOSTRequest")
    with connect(server) as peer:
        peer.sendall(f"POST /{bucket} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM['Content-Type']}\r\n\r\n".encode())
        assert read_answer(peer).refusal == (411, "MissingContentLength")
    assert keys(s3, bucket) == []


@pytest.mark.parametrize("content", [b"x" * 100, b"x" * 3 * MIB])
def test_a_form_that_breaks_off_leaves_nothing(server: RunningServer, s3: Any, bucket: str, content: bytes) -> None:
    body = body_of(signed_form(bucket, {"key": "k"}), content)
    blobs = server.log.with_suffix("") / "blobs"
    before = sum(path.is_file() for path in blobs.rglob("*"))
    with connect(server) as peer:
        lines = f"Host: x\r\nContent-Type: {FORM['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
        peer.sendall(f"POST /{bucket} HTTP/1.1\r\n{lines}".encode() + body[:-20])
        time.sleep(0.3)
    deadline = time.monotonic() + 10
    line = f"path=/{bucket} operation=PostObject status=499"
    while line not in server.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert line in server.log.read_text()
    assert keys(s3, bucket) == []
    assert sum(path.is_file() for path in blobs.rglob("*")) <= before


def test_a_form_has_a_line_in_the_access_log(server: RunningServer, bucket: str) -> None:
    body = body_of(signed_form(bucket, {"key": "k"}))
    assert send(server, "POST", f"/{bucket}", body, key=None, **FORM).status == 204
    line = ""
    deadline = time.monotonic() + 10
    while not line and time.monotonic() < deadline:
        lines = server.log.read_text().splitlines()
        line = next((text for text in lines if f"path=/{bucket} operation=PostObject" in text), "")
    assert f"status=204 error=- bytes_in={len(body)} " in line
    assert " user=admin " in line


def test_a_web_page_of_another_origin_is_answered_by_the_rules(server: RunningServer, s3: Any, bucket: str) -> None:
    rule = {"AllowedMethods": ["POST"], "AllowedOrigins": ["https://page.example"], "ExposeHeaders": ["ETag"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    origin = {"Origin": "https://page.example"}
    stored = post(server, bucket, signed_form(bucket, {"key": "k"}), headers=origin)
    refused = post(server, bucket, {"key": "k"}, headers=origin)
    assert (stored.status, refused.status) == (204, 403)
    for answer in (stored, refused):
        assert answer.headers["Access-Control-Allow-Origin"] == "https://page.example"


def test_a_bucket_is_posted_to_by_its_host_too(server: RunningServer, s3: Any, bucket: str) -> None:
    body = body_of(signed_form(bucket, {"key": "a/b"}))
    answer = send(server, "POST", "/", body, key=None, Host=f"{bucket}.s3.localhost", **FORM)
    assert (answer.status, answer.headers["Location"]) == (204, f"http://{bucket}.s3.localhost/a/b")
    assert keys(s3, bucket) == ["a/b"]


def test_what_another_signs_of_ones_own_is_refused_like_any_other(server: RunningServer, bucket: str) -> None:
    forged = signed_form(bucket, {"key": "k"}, key=(ROOT_KEY[0], "guess"))
    assert post(server, bucket, forged).refusal == (403, "SignatureDoesNotMatch")
    nobody = signed_form(bucket, {"key": "k"}, key=("AKIANOBODY", "x"))
    assert post(server, bucket, nobody).refusal == (403, "InvalidAccessKeyId")
    assert refusal(client_of(server).head_object, Bucket=bucket, Key="k")[0] == 404
