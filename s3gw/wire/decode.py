"""A request becomes the dict that boto3 was given: compiled once per operation from AWS's model.

Members of the URI, the query, the headers (x-amz-meta-* → Metadata) and the XML body. A streaming body stays with the
gateway. Checks what the model says of types, required members and XML enumerations; the meaning is the handler's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from s3gw.errors import InvalidArgument, InvalidRequest, MalformedXML, MissingRequestBodyError
from s3gw.wire import xml
from s3gw.wire.headers import check_header_text, decode_metadata, parse_date
from s3gw.wire.model import Member, Operation, Shape
from s3gw.wire.request import Request

Input = dict[str, Any]
HeadDecoder = Callable[[Request], Input]
BodyDecoder = Callable[[bytes | None], Input]
TextReader = Callable[[str, str], Any]  # (wire name, text) → value; _ABSENT leaves the member out
ElementReader = Callable[[xml.Element], Any]

_ABSENT = object()
_INTEGER_MAXIMUM = {"integer": 2**31 - 1, "long": 2**63 - 1}
# "A link MUST ignore the If-Modified-Since header field if the received field value is not a valid HTTP-date"
# (RFC 9110, 13.1.3 and 13.1.4); the copy and rename conditions are AWS's own and are not to be dropped silently.
_IGNORED_WHEN_INVALID = {"if-modified-since", "if-unmodified-since"}
# Their handlers refuse a wrong value with a more telling error than MalformedXML.
_OPEN_ENUMS = {"BucketLocationConstraint", "Event", "FilterRuleName"}
# SDKs send these in lower case too (`enabled`, `crc32`), and AWS takes them.
_ENUMS_IN_ANY_CASE = {"ChecksumAlgorithm", "ChecksumMode", "ChecksumType"}
# "The request can contain a list of up to 1,000 keys" (DeleteObjects), and no list but that of an upload's parts is
# longer. What is over is refused before a dict is made of each item.
_MOST_ITEMS = 1000
_MOST_PARTS = 10_000


class Decoder(NamedTuple):
    """`body` is given the XML document; None: the operation has none. They raise InvalidArgument, InvalidRequest,
    MalformedXML or MissingRequestBodyError.
    """

    head: HeadDecoder
    body: BodyDecoder | None

    def whole(self, request: Request, document: bytes | None = None) -> Input:
        return self.head(request) | (self.body(document) if self.body is not None else {})


def compile_decoder(operation: Operation) -> Decoder:
    shape = operation.input or Shape("", "structure")
    headers = _OF_EVERY_OPERATION | _located(shape, "header") | _BEYOND_THE_MODEL.get(operation.name, {})
    arguments = _located(shape, "querystring")
    metadata = next((member.name for member in shape.members.values() if member.location == "headers"), None)
    has_bucket, has_key = "Bucket" in shape.members, "Key" in shape.members
    required = _required(shape)
    keeps_expires = headers.get("expires", ("", None))[0] == "Expires"

    def decode(request: Request) -> Input:
        given: Input = {}
        if has_bucket:
            given["Bucket"] = request.target.bucket
        if has_key:
            given["Key"] = request.target.key
        user: dict[str, str] = {}
        for name, text in request.headers.items():
            if (entry := headers.get(name)) is not None:
                member, reader = entry
                value = text if reader is None else reader(name, text)
                if value is not _ABSENT:
                    given[member] = value
            elif name.startswith("x-amz-meta-") and name != "x-amz-meta-":
                user[name[11:]] = decode_metadata(text)
        if user and metadata is not None:
            given[metadata] = user
        if request.arguments:
            _read_arguments(given, arguments, request.arguments)
        if keeps_expires and "expires" in request.headers:
            given["ExpiresString"] = request.headers["expires"]
        for member, wire_name, error in required:
            if member not in given:
                raise error(wire_name)
        return given

    return Decoder(decode, _compile_body(shape))


def _read_arguments(given: Input, table: dict[str, tuple[str, TextReader | None]], arguments: dict[str, str]) -> None:
    for name, text in arguments.items():
        if (entry := table.get(name)) is not None:
            member, reader = entry
            value = text if reader is None else reader(name, text)
            if value is not _ABSENT:
                given[member] = value


def _located(shape: Shape, location: str) -> dict[str, tuple[str, TextReader | None]]:
    return {
        member.wire_name.lower() if location == "header" else member.wire_name: (name, _text_reader(member))
        for name, member in shape.members.items()
        if member.location == location
    }


def _required(shape: Shape) -> list[tuple[str, str, Callable[[str], Exception]]]:
    errors = {"header": _missing_header, "querystring": _missing_argument}
    return [
        (name, member.wire_name, errors[member.location])
        for name, member in shape.members.items()
        if name in shape.required and member.location in errors
    ]


def _missing_header(wire_name: str) -> Exception:
    return InvalidRequest(f"Missing required header for this request: {wire_name.lower()}")


def _missing_argument(wire_name: str) -> Exception:
    return InvalidArgument(f"Missing required parameter for this request: {wire_name}", ArgumentName=wire_name)


# Text of headers and of the query


def _text_reader(member: Member) -> TextReader | None:
    kind, name = member.shape.kind, member.wire_name.lower()
    if member.shape.name == "MpuObjectSize":
        return _object_size
    if name.startswith("response-"):
        return _expiry_override if kind == "timestamp" else check_header_text
    if kind == "timestamp":
        if name in _IGNORED_WHEN_INVALID and member.location == "header":
            return _optional_date
        return _optional_date if name == "expires" else _date
    if kind == "string":
        return _in_any_case(member.shape.enum) if member.shape.name in _ENUMS_IN_ANY_CASE else None
    return {"integer": _integer, "long": _long, "boolean": _boolean, "list": _list}[kind]


def _integer(name: str, text: str) -> Any:
    return _whole_number(name, text, _INTEGER_MAXIMUM["integer"])


def _long(name: str, text: str) -> Any:
    return _whole_number(name, text, _INTEGER_MAXIMUM["long"])


def _object_size(name: str, text: str) -> Any:
    """x-amz-mp-object-size, whose refusal has a text of its own."""
    number = _number(text.strip(), _INTEGER_MAXIMUM["long"])
    if number is None:
        raise InvalidRequest(f"Value for {name} header is invalid: '{text}'")
    if number < 0:
        raise InvalidRequest(f"Value for {name} header is less than zero: '{text}'")
    return number


def _whole_number(name: str, text: str, maximum: int) -> Any:
    text = text.strip()
    if not text:
        return _ABSENT
    number = _number(text, maximum)
    if number is None:
        raise InvalidArgument(
            f"Provided {name} not an integer or within integer range", ArgumentName=name, ArgumentValue=text
        )
    if number < 0:
        raise InvalidArgument(
            f"Argument {name} must be an integer between 0 and {maximum}", ArgumentName=name, ArgumentValue=text
        )
    return number


def _number(text: str, maximum: int) -> int | None:
    """None: it isn't a whole number, or is over `maximum`."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19 or int(digits) > maximum:
        return None
    return int(text)


def _boolean(name: str, text: str) -> bool:
    value = {"true": True, "false": False}.get(text.strip().lower())
    if value is None:
        raise InvalidArgument(f"Invalid value for {name}", ArgumentName=name, ArgumentValue=text)
    return value


def _date(name: str, text: str) -> datetime:
    value = parse_date(text)
    if value is None:
        raise InvalidArgument(f"Invalid date in {name}", ArgumentName=name, ArgumentValue=text)
    return value


def _in_any_case(values: frozenset[str]) -> TextReader:
    """A value of the model as the model spells it; another one is given as it is, for the handler to refuse."""
    spelled = {value.upper(): value for value in values}
    return lambda name, text: spelled.get(text.upper(), text)


def _optional_date(name: str, text: str) -> Any:
    value = parse_date(text)
    return _ABSENT if value is None else value


def _if_range(name: str, text: str) -> str | datetime:
    """An entity tag, or a date (RFC 9110, 13.1.5)."""
    text = text.strip()
    moment = None if text.startswith(('"', "W/")) else parse_date(text)
    return text if moment is None else moment


# The model gives them to most operations; read for all, so that none acts on a bucket of another owner than was meant.
_OF_EVERY_OPERATION: dict[str, tuple[str, TextReader | None]] = {
    "x-amz-expected-bucket-owner": ("ExpectedBucketOwner", None),
    "x-amz-source-expected-bucket-owner": ("ExpectedSourceBucketOwner", None),
}
_BEYOND_THE_MODEL: dict[str, dict[str, tuple[str, TextReader | None]]] = {
    name: {"if-range": ("IfRange", _if_range)} for name in ("GetObject", "HeadObject")
}


def _expiry_override(name: str, text: str) -> Any:
    return _date(name, check_header_text(name, text))


def _list(name: str, text: str) -> list[str]:
    return [item for item in map(str.strip, text.split(",")) if item]


# The body


def _compile_body(shape: Shape) -> BodyDecoder | None:
    if shape.payload is not None:
        member = shape.members[shape.payload]
        if member.shape.kind == "string":
            return _string_body(member, member.name in shape.required)
        if member.shape.kind != "structure":
            return None
        return _payload_body(member, member.name in shape.required)
    if not any(member.location is None for member in shape.members.values()):
        return None
    read = _structure(shape)
    root_name = shape.wire_name or shape.name

    def read_members(body: bytes | None) -> Input:
        if not body:
            raise MissingRequestBodyError
        found: Input = read(_root(body, root_name))
        return found

    return read_members


def _payload_body(member: Member, required: bool) -> BodyDecoder:
    read = _structure(member.shape)

    def read_payload(body: bytes | None) -> Input:
        if body:
            return {member.name: read(_root(body, member.wire_name))}
        if required:
            raise MissingRequestBodyError
        return {}

    return read_payload


def _string_body(member: Member, required: bool) -> BodyDecoder:
    def read_text(body: bytes | None) -> Input:
        if not body and required:
            raise MissingRequestBodyError
        try:
            return {member.name: (body or b"").decode("utf-8")}
        except UnicodeDecodeError:
            raise InvalidArgument("The body is not valid UTF-8.") from None

    return read_text


def _root(body: bytes, name: str) -> xml.Element:
    root = xml.parse(body)
    if xml.local_name(root) != name:
        raise MalformedXML
    return root


def _structure(shape: Shape) -> ElementReader:
    """Unknown elements are ignored. MalformedXML for a second element where one is allowed, or none where required."""
    body = {name: member for name, member in shape.members.items() if member.location is None}
    attributes = [(name, member.wire_name.rpartition(":")[2]) for name, member in body.items() if member.attribute]
    readers = {
        member.wire_name: (name, _most_items(member) if member.flattened else 0, _element_reader(member))
        # Where two members are one element (Event and Events of the old notification), the list wins.
        for name, member in sorted(body.items(), key=lambda item: item[1].flattened)
        if not member.attribute
    }
    required = tuple(name for name in body if name in shape.required)

    def read(element: xml.Element) -> Input:
        found: Input = {}
        for child in element:
            entry = readers.get(xml.local_name(child))
            if entry is None:
                continue
            name, most, reader = entry
            if most:
                items = found.setdefault(name, [])
                if len(items) == most:
                    raise MalformedXML
                items.append(reader(child))
            elif name in found:
                raise MalformedXML
            else:
                found[name] = reader(child)
        for name, local in attributes:
            value = xml.attribute(element, local)
            if value is not None:
                found[name] = value
        for name in required:
            if name not in found:
                raise MalformedXML
        return found

    return read


def _most_items(member: Member) -> int:
    """0: it isn't a list, and stands once."""
    if member.shape.kind != "list":
        return 0
    return _MOST_PARTS if member.shape.name == "CompletedPartList" else _MOST_ITEMS


def _element_reader(member: Member) -> ElementReader:
    """Of one element; of one *item* when the list is flattened."""
    shape = member.shape
    if shape.kind == "structure":
        return _structure(shape)
    if shape.kind == "list":
        assert shape.item is not None
        item = _element_reader(shape.item)
        return item if member.flattened else _wrapped_list(item, _item_name(shape))
    if shape.kind == "string":
        return _enum(shape.enum) if shape.enum and shape.name not in _OPEN_ENUMS else _text
    return {"integer": _xml_integer, "long": _xml_long, "boolean": _xml_boolean, "timestamp": _xml_date}[shape.kind]


def _item_name(shape: Shape) -> str:
    assert shape.item is not None
    return shape.item.wire_name


def _wrapped_list(item: ElementReader, item_name: str) -> ElementReader:
    def read(element: xml.Element) -> list[Any]:
        children = [child for child in element if xml.local_name(child) == item_name]
        if len(children) > _MOST_ITEMS:
            raise MalformedXML
        return [item(child) for child in children]

    return read


def _text(element: xml.Element) -> str:
    if len(element):
        raise MalformedXML
    return element.text or ""


def _enum(values: frozenset[str]) -> ElementReader:
    def read(element: xml.Element) -> str:
        value = _text(element).strip()
        if value not in values:
            raise MalformedXML
        return value

    return read


def _xml_number(element: xml.Element, maximum: int) -> int:
    number = _number(_text(element).strip(), maximum)
    if number is None:
        raise MalformedXML
    return number


def _xml_integer(element: xml.Element) -> int:
    return _xml_number(element, _INTEGER_MAXIMUM["integer"])


def _xml_long(element: xml.Element) -> int:
    return _xml_number(element, _INTEGER_MAXIMUM["long"])


def _xml_boolean(element: xml.Element) -> bool:
    value = {"true": True, "false": False, "1": True, "0": False}.get(_text(element).strip().lower())
    if value is None:
        raise MalformedXML
    return value


def _xml_date(element: xml.Element) -> datetime:
    value = parse_date(_text(element))
    if value is None:
        raise MalformedXML
    return value
