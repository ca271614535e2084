"""The codec against botocore: what its serializer writes we read, what we write its parser reads."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest
from botocore.awsrequest import HeadersDict
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3gw.errors import InvalidArgument, InvalidRequest, MalformedXML, MissingRequestBodyError
from s3gw.wire.codec import codec
from s3gw.wire.encode import ROOTS
from s3gw.wire.model import operations
from s3gw.wire.request import Request
from s3gw.wire.route import example_scope, route
from tests.wire.shapes import UNSENT, members

SERVICE = ServiceModel(Loader().load_service_model("s3", "service-2"))
SERIALIZER = create_serializer("rest-xml", include_validation=False)
PARSER = create_parser("rest-xml")
RELAXED = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


def request_from_botocore(model: OperationModel, params: dict[str, Any]) -> tuple[Request, bytes]:
    made = SERIALIZER.serialize_to_request(params, model)
    path, _, literal = made["url_path"].partition("?")
    query = "&".join(part for part in (literal, urlencode(made["query_string"], quote_via=quote)) if part)
    body = made["body"]
    scope = {
        "method": made["method"],
        "scheme": "http",
        "client": None,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), str(text).encode()) for name, text in made["headers"].items()],
    }
    return Request.from_scope(scope), body if isinstance(body, bytes) else body.encode()


@pytest.mark.parametrize("name", sorted(operations()))
@RELAXED
@given(data=st.data())
def test_what_botocore_sends_is_decoded_to_what_it_was_given(name: str, data: st.DataObject) -> None:
    operation = operations()[name]
    if operation.input is None:
        return
    params = data.draw(members(operation.input))
    request, body = request_from_botocore(SERVICE.operation_model(name), params)
    assert operation.name in (route(request).name, *route(request).aliases)
    decoded = codec(name).decode.whole(request, body)
    decoded.pop("ExpiresString", None)
    decoded.pop("ContentType", None) if "ContentType" not in params else None
    assert decoded == params


# botocore reads one element into two members of the deprecated GetBucketNotification, which yields to its newer twin.
ANSWERED = sorted(name for name, row in operations().items() if row.output and name != "GetBucketNotification")


@pytest.mark.parametrize("name", ANSWERED)
@RELAXED
@given(data=st.data())
def test_what_is_encoded_is_parsed_by_botocore_to_the_same(name: str, data: st.DataObject) -> None:
    operation = operations()[name]
    assert operation.output is not None
    output = data.draw(members(operation.output))
    payload = operation.output.payload
    if payload is not None and payload not in UNSENT:
        output.setdefault(payload, "{}" if payload == "Policy" else {})
    output.pop("EncodingType", None)  # which changes what is written: test_list_encoder.py
    encoded = codec(name).encode(output)
    own = {"PutBucketTagging": 204}.get(name, operation.status)
    assert encoded.status == (206 if "ContentRange" in output else own)
    if name == "SelectObjectContent":  # an event stream: the handler's
        assert encoded.body is None
        return
    headers = HeadersDict({key.decode(): text.decode() for key, text in encoded.headers})
    response = {"status_code": encoded.status, "headers": headers, "body": encoded.body or b""}
    parsed = PARSER.parse(response, SERVICE.operation_model(name).output_shape)
    parsed.pop("ResponseMetadata")
    if not parsed.get("Metadata", True):
        del parsed["Metadata"]
    for member in UNSENT:
        parsed.pop(member, None)
    if name == "GetBucketLocation":  # boto3 reads the root's text in a handler of its own
        output.clear()
    assert parsed == output


def test_every_answer_whose_members_stand_in_the_root_has_a_root_of_its_own() -> None:
    with_members = {
        name
        for name, operation in operations().items()
        if operation.output and not operation.output.payload
        if any(member.location is None for member in operation.output.members.values())
    }
    assert set(ROOTS) == with_members


@pytest.mark.parametrize(
    ("name", "output", "xml"),
    [
        ("GetBucketVersioning", {}, "<VersioningConfiguration {}></VersioningConfiguration>"),
        ("GetBucketLocation", {"LocationConstraint": None}, "<LocationConstraint {}></LocationConstraint>"),
        ("GetBucketLocation", {"LocationConstraint": "EU"}, "<LocationConstraint {}>EU</LocationConstraint>"),
        (
            "GetObjectRetention",
            {"Retention": {"Mode": "GOVERNANCE"}},
            "<Retention {}><Mode>GOVERNANCE</Mode></Retention>",
        ),
        ("GetBucketTagging", {"TagSet": []}, "<Tagging {}><TagSet></TagSet></Tagging>"),
        (
            "ListObjects",
            {"Prefix": "", "Marker": "", "NextMarker": None, "IsTruncated": False},
            "<ListBucketResult {}><Prefix></Prefix><Marker></Marker>"
            "<IsTruncated>false</IsTruncated></ListBucketResult>",
        ),
        (
            "GetBucketAcl",
            {"Grants": [{"Grantee": {"ID": "a", "Type": "CanonicalUser"}, "Permission": "READ"}]},
            "<AccessControlPolicy {}><AccessControlList><Grant>"
            '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">'
            "<ID>a</ID></Grantee>"
            "<Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>",
        ),
    ],
)
def test_documents_are_those_of_the_api_reference(name: str, output: dict[str, Any], xml: str) -> None:
    namespace = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    expected = '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.replace("{}", namespace, 1)
    assert (codec(name).encode(output).body or b"").decode() == expected


def test_an_output_member_that_the_model_does_not_know_fails() -> None:
    with pytest.raises(KeyError, match="Etag"):
        codec("PutObject").encode({"Etag": '"x"'})


def test_no_line_break_gets_into_a_header() -> None:
    encoded = codec("GetObject").encode({"ContentType": "a\r\nx-evil: 1", "Metadata": {"k\r\n": "v\r\nx"}})
    assert not any(b"\r" in text or b"\n" in text for pair in encoded.headers for text in pair)


def test_expires_goes_out_in_the_words_of_the_client() -> None:
    request = example("PutObject", headers=[(b"expires", b"0"), (b"x-amz-meta-name", b"=?UTF-8?Q?=C3=A9?=")])
    decoded = codec("PutObject").decode.whole(request)
    assert decoded["ExpiresString"] == "0"
    assert decoded["Metadata"] == {"name": "é"}
    encoded = codec("HeadObject").encode({"ExpiresString": "0", "Expires": decoded.get("Expires")})
    assert encoded.headers == [(b"expires", b"0")]


def example(name: str, query: bytes | None = None, headers: list[tuple[bytes, bytes]] | None = None) -> Request:
    scope = example_scope(operations()[name])
    return Request.from_scope(
        scope
        | {"query_string": scope["query_string"] if query is None else query}
        | {"headers": scope["headers"] if headers is None else headers}
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"blah", "not an integer"),
        (b"-1", "between 0 and 2147483647"),
        (b"2147483648", "not an integer"),
        (b"1_0", "not an integer"),
        (b"%D9%A3", "not an integer"),
        (b"9" * 5000, "not an integer"),
    ],
)
def test_a_number_out_of_bounds_is_invalid_argument(text: bytes, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message) as caught:
        codec("ListObjects").decode.whole(example("ListObjects", b"max-keys=" + text))
    assert caught.value.details["ArgumentName"] == "max-keys"


def test_an_empty_number_counts_as_absent_and_an_empty_string_as_given() -> None:
    decoded = codec("ListObjects").decode.whole(example("ListObjects", b"max-keys=&prefix="))
    assert decoded == {"Bucket": "bucket", "Prefix": ""}


def test_an_invalid_http_date_of_a_condition_is_ignored_but_not_of_a_copy_condition() -> None:
    decoded = codec("GetObject").decode.whole(example("GetObject", headers=[(b"if-modified-since", b"yesterday")]))
    assert "IfModifiedSince" not in decoded
    headers = [(b"x-amz-copy-source", b"a/b"), (b"x-amz-copy-source-if-modified-since", b"yesterday")]
    with pytest.raises(InvalidArgument):
        codec("CopyObject").decode.whole(example("CopyObject", headers=headers))


@pytest.mark.parametrize("text", [b"a%0d%0ab", b"a%0ab", b"%E2%82%AC"])
def test_a_response_override_that_is_no_header_text_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidArgument, match="ISO-8859-1"):
        codec("GetObject").decode.whole(example("GetObject", b"response-content-disposition=" + text))


def test_a_missing_required_header_or_query_argument_is_named() -> None:
    with pytest.raises(InvalidRequest, match="x-amz-rename-source"):
        codec("RenameObject").decode.whole(example("RenameObject", headers=[]))
    with pytest.raises(InvalidArgument, match="id"):
        codec("PutBucketAnalyticsConfiguration").decode.whole(
            example("PutBucketAnalyticsConfiguration", b"analytics"), b""
        )


TAGGING = b"<Tagging><TagSet><Tag><Key>%s</Key><Value>v</Value></Tag></TagSet></Tagging>"


@pytest.mark.parametrize(
    "opening",
    [b"<Tagging>", b'<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/">', b'<t:Tagging xmlns:t="urn:x">'],
)
def test_xml_is_read_with_any_namespace_or_none(opening: bytes) -> None:
    body = TAGGING.replace(b"<Tagging>", opening) % b"k"
    if b"t:" in opening:
        body = body.replace(b"</Tagging>", b"</t:Tagging>")
    decoded = codec("PutBucketTagging").decode.whole(example("PutBucketTagging"), body)
    assert decoded["Tagging"] == {"TagSet": [{"Key": "k", "Value": "v"}]}


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        b"<Tagging>",
        b"<Tagging></Tagging>",
        b"<Taggings><TagSet/></Taggings>",
        b"<Tagging><TagSet/><TagSet/></Tagging>",
        b"<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key>k</Key><Key>l</Key><Value>v</Value></Tag></TagSet></Tagging>",
        TAGGING % b"<b>k</b>",
        b"<!DOCTYPE Tagging>" + TAGGING % b"k",
        b'<!DOCTYPE Tagging [<!ENTITY e "x">]>' + TAGGING % b"&e;",
        b'<!DOCTYPE Tagging [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + TAGGING % b"&e;",
    ],
)
def test_xml_against_the_schema_is_malformed_xml(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        codec("PutBucketTagging").decode.whole(example("PutBucketTagging"), body)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("PutBucketVersioning", b"<VersioningConfiguration><Status>On</Status></VersioningConfiguration>"),
        ("DeleteObjects", b"<Delete><Quiet>maybe</Quiet><Object><Key>k</Key></Object></Delete>"),
        ("DeleteObjects", b"<Delete><Quiet>true</Quiet></Delete>"),
        ("DeleteObjects", b"<Delete><Object><Key>k</Key><LastModifiedTime>soon</LastModifiedTime></Object></Delete>"),
        (
            "CompleteMultipartUpload",
            b"<CompleteMultipartUpload><Part><PartNumber>one</PartNumber></Part></CompleteMultipartUpload>",
        ),
        (
            "CompleteMultipartUpload",
            b"<CompleteMultipartUpload><Part><PartNumber>2147483648</PartNumber></Part></CompleteMultipartUpload>",
        ),
    ],
)
def test_wrong_values_in_xml_are_malformed_xml(name: str, body: bytes) -> None:
    with pytest.raises(MalformedXML):
        codec(name).decode.whole(example(name), body)


def test_an_unknown_region_and_unknown_elements_are_left_to_the_handler() -> None:
    root = b"CreateBucketConfiguration"
    body = b"<%s><LocationConstraint>moon</LocationConstraint><New/></%s>" % (root, root)
    decoded = codec("CreateBucket").decode.whole(example("CreateBucket"), body)
    assert decoded["CreateBucketConfiguration"] == {"LocationConstraint": "moon"}


def test_a_body_that_is_required_and_missing_is_said_so() -> None:
    for name in ("PutBucketTagging", "PutBucketPolicy", "SelectObjectContent"):
        with pytest.raises(MissingRequestBodyError):
            codec(name).decode.whole(example(name), b"")
    assert codec("CreateBucket").decode.whole(example("CreateBucket"), b"") == {"Bucket": "bucket"}


def test_a_policy_is_text() -> None:
    request = example("PutBucketPolicy")
    assert codec("PutBucketPolicy").decode.whole(request, b"{}")["Policy"] == "{}"
    with pytest.raises(InvalidArgument):
        codec("PutBucketPolicy").decode.whole(request, b"\xff")
    assert codec("GetBucketPolicy").encode({"Policy": "{}"}).body == b"{}"


PART = "<Part><PartNumber>1</PartNumber><ETag/></Part>"


@pytest.mark.parametrize(
    ("name", "document", "item", "most"),
    [
        ("DeleteObjects", "<Delete>%s</Delete>", "<Object><Key>k</Key></Object>", 1000),
        ("PutBucketTagging", "<Tagging><TagSet>%s</TagSet></Tagging>", "<Tag><Key>k</Key><Value/></Tag>", 1000),
        ("CompleteMultipartUpload", "<CompleteMultipartUpload>%s</CompleteMultipartUpload>", PART, 10_000),
    ],
)
def test_a_list_that_is_longer_than_any_that_is_valid_is_malformed(
    name: str, document: str, item: str, most: int
) -> None:
    request = Request.from_scope(example_scope(operations()[name]))
    codec(name).decode.whole(request, (document % (item * most)).encode())
    with pytest.raises(MalformedXML):
        codec(name).decode.whole(request, (document % (item * (most + 1))).encode())
