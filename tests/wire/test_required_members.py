"""Each element that the model requires of a document: a document without it is MalformedXML."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from s3gw.errors import MalformedXML
from s3gw.wire.codec import codec
from s3gw.wire.model import Member, Operation, Shape, operations
from s3gw.wire.request import Request
from s3gw.wire.route import example_scope

Path = tuple[str, ...]  # of members, from the root's on

_TEXT = {"string": "x", "integer": "1", "long": "1", "boolean": "true", "timestamp": "2030-01-01T00:00:00Z"}


def payload_of(operation: Operation) -> Member | None:
    shape = operation.input
    payload = shape.members.get(shape.payload) if shape is not None and shape.payload is not None else None
    return payload if payload is not None and payload.shape.kind == "structure" else None


def body_members(shape: Shape) -> Iterator[Member]:
    return (member for member in shape.members.values() if member.location is None)


def paths(shape: Shape, above: Path = ()) -> Iterator[Path]:
    """The way to each required member."""
    for member in body_members(shape):
        below = member.shape.item.shape if member.shape.kind == "list" and member.shape.item else member.shape
        if member.name in shape.required:
            yield (*above, member.name)
        yield from paths(below, (*above, member.name))


def document(member: Member, without: Path | None = None, name: str | None = None) -> str:
    """One element of each member, under the member's name or the given one; that at `without` is left out."""
    shape, name = member.shape, name or member.wire_name
    if shape.kind == "list":
        assert shape.item is not None
        if member.flattened:
            return document(shape.item, without, name)
        return f"<{name}>{document(shape.item, without)}</{name}>"
    if shape.kind != "structure":
        return f"<{name}>{value(shape)}</{name}>"
    attributes, inner = "", ""
    for child in body_members(shape):
        if without == (child.name,):
            continue
        if child.attribute:
            attributes += f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="{value(child.shape)}"'
        else:
            inner += document(child, without[1:] if without is not None and without[0] == child.name else None)
    return f"<{name}{attributes}>{inner}</{name}>"


def value(shape: Shape) -> str:
    return min(shape.enum) if shape.enum else _TEXT[shape.kind]


CASES = [
    (name, path)
    for name, operation in sorted(operations().items())
    if (payload := payload_of(operation)) is not None
    for path in sorted(set(paths(payload.shape)))
]


def test_the_documents_of_what_is_served_are_among_them() -> None:
    assert {("DeleteObjects", ("Objects", "Key")), ("PutObjectTagging", ("TagSet", "Value"))} <= set(CASES)
    assert {("CompleteMultipartUpload", ("Parts", name)) for name in ("ETag", "PartNumber")} <= set(CASES)


@pytest.mark.parametrize(("name", "path"), CASES, ids=[f"{name}-{'.'.join(path)}" for name, path in CASES])
def test_a_document_without_a_required_member_is_malformed(name: str, path: Path) -> None:
    operation = operations()[name]
    payload = payload_of(operation)
    assert payload is not None
    request = Request.from_scope(example_scope(operation))
    codec(name).decode.whole(request, document(payload).encode())
    with pytest.raises(MalformedXML):
        codec(name).decode.whole(request, document(payload, path).encode())
