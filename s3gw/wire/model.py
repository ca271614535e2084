"""AWS's own description of S3, as botocore ships it: every operation, its request line and its shapes.

Read once, from botocore's data file: importing botocore itself would bring its HTTP client along (180 ms and 15 MiB in
each process) for no more than this. Nothing here knows how a value looks on the wire (decode.py, encode.py) or which
request means what (route.py).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from s3gw.wire.target import UriKind

API_VERSION = "2006-03-01"
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

# Not marked as deprecated, but it has ListBuckets' request line: it is sent to another endpoint.
_REPLACED = {"ListDirectoryBuckets": "ListBuckets"}
# S3 answers MalformedXML without these, though the model doesn't mark them.
_REQUIRED_TOO = {"CompletedPart": ("PartNumber", "ETag")}


@dataclass(frozen=True, slots=True)
class Shape:
    """A type. `members` of a structure, `item` of a list or (its values) a map."""

    name: str
    kind: str  # structure list map string integer long boolean timestamp blob
    members: Mapping[str, Member] = field(default_factory=dict)
    item: Member | None = None
    enum: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    payload: str | None = None
    wire_name: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A shape in its place, with the traits that the place adds."""

    name: str  # boto3's name
    shape: Shape
    wire_name: str
    location: str | None = None  # uri, querystring, header, headers (a prefix); None: the body
    flattened: bool = False
    streaming: bool = False
    event_stream: bool = False
    attribute: bool = False
    namespace: tuple[str, str] | None = None  # (prefix, URI) declared on the element
    timestamp_format: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """`subresource` and `arguments` are the literals of the query; `required_*` its required members elsewhere.

    `yields_to` names the operation that answers this one's request line; `aliases` is the other end of it.
    """

    name: str
    method: str
    kind: UriKind
    status: int = 200
    subresource: str | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    required_query: tuple[str, ...] = ()
    required_headers: tuple[str, ...] = ()
    input: Shape | None = None
    output: Shape | None = None
    yields_to: str | None = None
    aliases: tuple[str, ...] = ()
    path: str | None = None  # a fixed path that looks like a bucket's


@lru_cache(maxsize=1)
def operations() -> Mapping[str, Operation]:
    """All 116 by name, read at the first call."""
    document = _load()
    shapes = _Shapes(document["shapes"])
    definitions: dict[str, Any] = document["operations"]
    newer = {_line(row): name for name, row in definitions.items() if not _is_replaced(name, row)}
    yields = {name: newer[_line(row)] for name, row in definitions.items() if _is_replaced(name, row)}
    aliases = {name: tuple(old for old, new in yields.items() if new == name) for name in definitions}
    return {
        name: _operation(name, row, shapes, yields.get(name), aliases[name])
        for name, row in sorted(definitions.items())
    }


def _load() -> dict[str, Any]:
    spec = find_spec("botocore")
    assert spec is not None, "botocore is a dependency: its model is our wire format"
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "data" / "s3" / API_VERSION
    document: dict[str, Any] = json.loads(gzip.decompress((folder / "service-2.json.gz").read_bytes()))
    extras = folder / "service-2.sdk-extras.json"  # how botocore corrects the model, e.g. the type of Expires
    if extras.exists():
        for name, traits in json.loads(extras.read_text())["merge"].get("shapes", {}).items():
            document["shapes"].setdefault(name, {}).update(traits)
    return document


def _is_replaced(name: str, definition: Mapping[str, Any]) -> bool:
    return bool(definition.get("deprecated")) or name in _REPLACED


def _line(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Equal for an operation and the one that replaces it, and for no others."""
    http = definition["http"]
    shape = definition.get("input", {}).get("shape", "")
    # Method and URI aren't enough: GetObject and ListParts share them and differ by required members, so the shape of
    # the input counts too. Not where a URI has a query, or is the service's: only replaced operations share those.
    return (http["method"], http["requestUri"], "" if "?" in http["requestUri"] or http["requestUri"] == "/" else shape)


def _operation(
    name: str, definition: Mapping[str, Any], shapes: _Shapes, yields_to: str | None, aliases: tuple[str, ...]
) -> Operation:
    http = definition["http"]
    path, _, query = http["requestUri"].partition("?")
    fields = [item.partition("=") for item in query.split("&") if item]
    request = shapes.get(definition["input"]["shape"]) if "input" in definition else None
    response = shapes.get(definition["output"]["shape"]) if "output" in definition else None
    return Operation(
        name=name,
        method=http["method"],
        kind="object" if "{Key+}" in path else "service" if path == "/" else "bucket",
        status=http.get("responseCode", 200),
        subresource=next((key for key, equals, _ in fields if not equals), None),
        arguments=tuple((key, value) for key, equals, value in fields if equals),
        required_query=_required(request, "querystring"),
        required_headers=_required(request, "header"),
        input=request,
        output=response,
        yields_to=yields_to,
        aliases=aliases,
        path=None if "{" in path or path == "/" else path,
    )


def _required(shape: Shape | None, location: str) -> tuple[str, ...]:
    if shape is None:
        return ()
    names = (member.wire_name for name, member in shape.members.items() if name in shape.required)
    located = {member.wire_name for member in shape.members.values() if member.location == location}
    return tuple(sorted(name.lower() if location == "header" else name for name in names if name in located))


class _Shapes:
    """Builds each shape once. S3 has no recursive shapes."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._built: dict[str, Shape] = {}

    def get(self, name: str) -> Shape:
        if name not in self._built:
            self._built[name] = self._build(name, self._definitions[name])
        return self._built[name]

    def _build(self, name: str, definition: Mapping[str, Any]) -> Shape:
        item = definition.get("member") or definition.get("value")
        return Shape(
            name=name,
            kind=definition["type"],
            members={key: self._member(key, ref) for key, ref in definition.get("members", {}).items()},
            item=self._member("member", item) if item else None,
            enum=frozenset(definition.get("enum", ())),
            required=frozenset((*definition.get("required", ()), *_REQUIRED_TOO.get(name, ()))),
            payload=definition.get("payload"),
            wire_name=definition.get("locationName"),
        )

    def _member(self, name: str, reference: Mapping[str, Any]) -> Member:
        traits = {**self._definitions[reference["shape"]], **reference}
        namespace = traits.get("xmlNamespace", {})
        return Member(
            name=name,
            shape=self.get(reference["shape"]),
            wire_name=traits.get("locationName", name),
            location=traits.get("location"),
            flattened=bool(traits.get("flattened")),
            streaming=bool(traits.get("streaming")),
            event_stream=bool(traits.get("eventstream")),
            attribute=bool(traits.get("xmlAttribute")),
            namespace=(namespace["prefix"], namespace["uri"]) if "prefix" in namespace else None,
            timestamp_format=traits.get("timestampFormat"),
        )
