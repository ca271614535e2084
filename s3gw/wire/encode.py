"""The dict that boto3 will show becomes an answer: compiled once per operation from AWS's model.

Members that are None are left out, empty strings are empty elements (clients rely on `<Prefix></Prefix>`). An answer
with a ContentRange is 206. A streaming body stays with the gateway. What an output holds beyond its model is a mistake
of the handler and fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from s3gw.pages import Rows
from s3gw.wire.element_order import in_order
from s3gw.wire.headers import encode_metadata, header_bytes, http_date, iso_date
from s3gw.wire.list_encoder import UrlEncoded, render, url_encoded
from s3gw.wire.model import NAMESPACE, Member, Operation, Shape
from s3gw.wire.xml import DECLARATION, escape

Output = Mapping[str, Any]
Headers = list[tuple[bytes, bytes]]
Append = Callable[[str], None]
Writer = Callable[[Any, Append], None]
HeaderWriter = Callable[[Any], bytes]


class Encoded(NamedTuple):
    """`body` is None when the answer has none, or when it streams."""

    status: int
    headers: Headers
    body: bytes | None


Encoder = Callable[[Output], Encoded]


# Answers whose status isn't the model's.
_STATUS = {"PutBucketPolicy": 204, "PutBucketTagging": 204}

# The names of root elements that the model leaves out, because botocore's parser ignores them.
# Amazon S3 API Reference, "Response Syntax" of each operation.
ROOTS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CreateSession": "CreateSessionResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLocation": "LocationConstraint",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotification": "NotificationConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurationResult",
    "ListBucketIntelligentTieringConfigurations": "ListBucketIntelligentTieringConfigurationsOutput",
    "ListBucketInventoryConfigurations": "ListInventoryConfigurationsResult",
    "ListBucketMetricsConfigurations": "ListMetricsConfigurationsResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectAnnotations": "ListObjectAnnotationsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
    "PutObjectAnnotation": "PutObjectAnnotationResult",
}

_XML = (b"content-type", b"application/xml")
_JSON = (b"content-type", b"application/json")  # a bucket policy


def compile_encoder(operation: Operation) -> Encoder:
    shape = operation.output or Shape("", "structure")
    status = _STATUS.get(operation.name, operation.status)
    table: dict[str, tuple[bytes, HeaderWriter]] = {
        name: (member.wire_name.lower().encode(), _header_writer(member))
        for name, member in shape.members.items()
        if member.location == "header"
    }
    if "Expires" in table:
        table["ExpiresString"] = (b"expires", header_bytes)  # the client's own words, also when they are no date
    if operation.name in ("GetObject", "HeadObject"):
        table["ScanStatus"] = (b"x-s3gw-scan-status", header_bytes)  # AWS has none
    lookup = table.get
    metadata = next((member.name for member in shape.members.values() if member.location == "headers"), None)
    write_body, content_type = _compile_body(operation, shape)
    known = {*shape.members, "ExpiresString", "ScanStatus"}
    is_list = "EncodingType" in shape.members

    def encode(output: Output) -> Encoded:
        headers: Headers = []
        if is_list:
            output = url_encoded(operation.name, output)
        for name, value in output.items():
            if value is None:
                continue
            entry = lookup(name)
            if entry is not None:
                if name != "Expires" or output.get("ExpiresString") is None:
                    headers.append((entry[0], entry[1](value)))
            elif name == metadata:
                headers += [(b"x-amz-meta-" + header_bytes(key), encode_metadata(text)) for key, text in value.items()]
            elif name not in known:
                raise KeyError(f"{operation.name} has no output member {name}")
        if write_body is None:
            return Encoded(206 if output.get("ContentRange") is not None else status, headers, None)
        headers.append(content_type)
        return Encoded(status, headers, write_body(output))

    return encode


def _header_writer(member: Member) -> HeaderWriter:
    if member.shape.kind == "timestamp":
        return _iso_bytes if member.timestamp_format == "iso8601" else http_date
    return _HEADER_TEXT[member.shape.kind]


def _iso_bytes(value: datetime) -> bytes:
    return iso_date(value).encode()


def _boolean_bytes(value: bool) -> bytes:
    return b"true" if value else b"false"


def _number_bytes(value: int) -> bytes:
    return b"%d" % value


_HEADER_TEXT: Mapping[str, HeaderWriter] = {
    "string": header_bytes,
    "boolean": _boolean_bytes,
    "integer": _number_bytes,
    "long": _number_bytes,
}


# The body


def _compile_body(
    operation: Operation, shape: Shape
) -> tuple[Callable[[Output], bytes | None] | None, tuple[bytes, bytes]]:
    if operation.name == "GetBucketLocation":
        return _location_body, _XML
    if shape.payload is not None:
        member = shape.members[shape.payload]
        if member.shape.kind == "string":
            return _string_body(member.name), _JSON
        if member.shape.kind != "structure" or member.event_stream:
            return None, _XML
        return _payload_body(member), _XML
    if not any(member.location is None for member in shape.members.values()):
        return None, _XML
    return _members_body(ROOTS[operation.name], _structure(shape)), _XML


def _opening(root: str) -> str:
    return f'{DECLARATION}<{root} xmlns="{NAMESPACE}">'


def _members_body(root: str, write: Writer) -> Callable[[Output], bytes]:
    opening, closing = _opening(root), f"</{root}>"

    def body(output: Output) -> bytes:
        pieces = [opening]
        write(output, pieces.append)
        pieces.append(closing)
        return "".join(pieces).encode()

    return body


def _payload_body(member: Member) -> Callable[[Output], bytes | None]:
    body = _members_body(member.wire_name, _structure(member.shape))

    def encode(output: Output) -> bytes | None:
        return body(output.get(member.name) or {})

    return encode


def _string_body(name: str) -> Callable[[Output], bytes]:
    return lambda output: str(output[name]).encode()


def _location_body(output: Output) -> bytes:
    """Text in the root element, empty for us-east-1."""
    text = escape(output.get("LocationConstraint") or "")
    return f"{_opening('LocationConstraint')}{text}</LocationConstraint>".encode()


def _structure(shape: Shape) -> Writer:
    elements = (member for member in shape.members.values() if member.location is None and not member.attribute)
    fields = tuple((member.name, _element_writer(member)) for member in in_order(shape, elements))

    def write(value: Output, append: Append) -> None:
        get = value.get
        for name, writer in fields:
            item = get(name)
            if item is not None:
                writer(item, append)

    return write


def _element_writer(member: Member) -> Writer:
    """Writes the whole element, or all elements of a flattened list."""
    tag, shape = member.wire_name, member.shape
    if shape.kind == "structure":
        return _structure_writer(member)
    if shape.kind == "list":
        assert shape.item is not None
        return _list_writer(tag, member.flattened, shape.item)
    text = _TEXT[shape.kind]
    opening, closing = f"<{tag}>", f"</{tag}>"

    def write(value: Any, append: Append) -> None:
        append(f"{opening}{text(value)}{closing}")

    return write


def _structure_writer(member: Member) -> Writer:
    tag, write_members = member.wire_name, _structure(member.shape)
    namespace = f' xmlns:{member.namespace[0]}="{member.namespace[1]}"' if member.namespace else ""
    attributes = tuple((name, inner.wire_name) for name, inner in member.shape.members.items() if inner.attribute)
    closing = f"</{tag}>"

    def write(value: Output, append: Append) -> None:
        extra = "".join(
            f' {wire_name}="{escape(str(value[name]))}"'
            for name, wire_name in attributes
            if value.get(name) is not None
        )
        append(f"<{tag}{namespace}{extra}>")
        write_members(value, append)
        append(closing)

    return write


def _list_writer(tag: str, flattened: bool, item: Member) -> Writer:
    item_tag = tag if flattened else item.wire_name
    write_item = _element_writer(
        Member(item.name, item.shape, item_tag, namespace=item.namespace, timestamp_format=item.timestamp_format)
    )

    def write(values: Any, append: Append) -> None:
        if not flattened:
            append(f"<{tag}>")
        if isinstance(values, (Rows, UrlEncoded)):
            append(render(values))
        else:
            for value in values:
                write_item(value, append)
        if not flattened:
            append(f"</{tag}>")

    return write


def _boolean_text(value: bool) -> str:
    return "true" if value else "false"


_TEXT: Mapping[str, Callable[[Any], str]] = {
    "string": escape,
    "integer": str,
    "long": str,
    "boolean": _boolean_text,
    "timestamp": iso_date,
}
