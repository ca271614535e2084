"""Which operation a request means: a table derived from AWS's model, walked from the most specific row.

A row is a method, a kind of target, at most one subresource (`?acl`) and conditions: query arguments and headers that
must be there. Row order never decides. Query keys that the model doesn't know (x-id, X-Amz-*, response-*) are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, NoReturn

from s3gw.errors import InvalidArgument, MethodNotAllowed, PreconditionFailed
from s3gw.wire.model import Operation, operations
from s3gw.wire.request import Request
from s3gw.wire.target import UriKind

CORS_PREFLIGHT = Operation("CORSPreflight", "OPTIONS", "object")
POST_OBJECT = Operation("PostObject", "POST", "bucket")

_FORM = "multipart/form-data"


class Condition(NamedTuple):
    """A query argument (with this value, unless None) or a header that must be there."""

    where: str  # "query" | "header"
    name: str
    value: str | None = None


class Row(NamedTuple):
    conditions: tuple[Condition, ...]
    operation: Operation


class Table(NamedTuple):
    rows: Mapping[tuple[str, UriKind, str | None], tuple[Row, ...]]
    subresources: frozenset[str]
    fixed: Mapping[tuple[str, str], Row]  # (method, first path segment)


@lru_cache(maxsize=1)
def table() -> Table:
    groups: dict[tuple[str, UriKind, str | None], list[Operation]] = {}
    fixed: dict[tuple[str, str], Row] = {}
    for operation in operations().values():
        if operation.yields_to is not None:
            continue
        if operation.path is not None:
            fixed[operation.method, operation.path.strip("/")] = Row(_conditions(operation), operation)
            continue
        groups.setdefault((operation.method, operation.kind, operation.subresource), []).append(operation)
    rows = {key: _ranked(key[2], group) for key, group in groups.items()}
    return Table(rows, frozenset(key[2] for key in groups if key[2]), fixed)


def _conditions(operation: Operation) -> tuple[Condition, ...]:
    return (
        *(Condition("query", name, value) for name, value in operation.arguments),
        *(Condition("query", name) for name in operation.required_query),
        *(Condition("header", name) for name in operation.required_headers),
    )


def _ranked(subresource: str | None, group: list[Operation]) -> tuple[Row, ...]:
    """The most conditions first; two rows of one rank must exclude each other, or the model has become ambiguous."""
    if subresource is not None and len(group) == 1:
        # `?renameObject` means RenameObject even when its header is missing: the decoder says what is.
        return (Row((), group[0]),)
    rows = sorted((Row(_conditions(operation), operation) for operation in group), key=lambda row: -len(row.conditions))
    for first, second in pairwise(rows):
        if set(first.conditions) == set(second.conditions):
            raise ValueError(f"{first.operation.name} and {second.operation.name} have the same request line")
    return tuple(rows)


def route(request: Request) -> Operation:
    """Raises MethodNotAllowed, InvalidArgument (contradictory queries) or PreconditionFailed (POST without a form)."""
    method, target = request.method, request.target
    if method == "OPTIONS":
        return CORS_PREFLIGHT
    kind: UriKind = "object" if target.key is not None else "service" if target.bucket is None else "bucket"
    known = table()
    if kind == "bucket" and (fixed := known.fixed.get((method, target.bucket or ""))) and _holds(fixed, request):
        return fixed.operation
    subresource = _subresource(request, known.subresources) if request.arguments else None
    for row in known.rows.get((method, kind, subresource), ()):
        if _holds(row, request):
            if request.arguments:
                _check_part(row.operation, request)
                _check_version(row.operation, request)
                _check_list_type(row.operation, request)
            return row.operation
    if method == "POST" and kind == "bucket" and subresource is None:
        return _form(request)
    return _refuse(request, kind, subresource)


def _holds(row: Row, request: Request) -> bool:
    for where, name, value in row.conditions:
        source = request.arguments if where == "query" else request.headers
        found = source.get(name)
        if found is None or (value is not None and found != value):
            return False
    return True


def _subresource(request: Request, known: frozenset[str]) -> str | None:
    found = [name for name in request.arguments if name in known]
    if len(found) > 1:
        raise InvalidArgument(
            f"Conflicting query string parameters: {', '.join(sorted(found))}",
            ArgumentName="ResourceType",
            ArgumentValue=sorted(found)[0],
        )
    return found[0] if found else None


def _check_part(operation: Operation, request: Request) -> None:
    """An UploadPart with half its arguments must not become a PutObject, which would overwrite the object by a part."""
    if operation.name not in ("PutObject", "CopyObject"):
        return
    for name, other in (("partNumber", "uploadId"), ("uploadId", "partNumber")):
        if name in request.arguments:
            raise InvalidArgument(
                f"This operation does not accept {name} without {other}",
                ArgumentName=name,
                ArgumentValue=request.arguments[name],
            )


def _check_version(operation: Operation, request: Request) -> None:
    """A write can't overwrite a version: one that names a version would put another on top of it, so it is refused."""
    if operation.kind == "object" and "versionId" in request.arguments and not _takes_version(operation.name):
        raise InvalidArgument(
            "This operation does not accept a version-id.",
            ArgumentName="versionId",
            ArgumentValue=request.arguments["versionId"],
        )


def _check_list_type(operation: Operation, request: Request) -> None:
    """ListObjects and V2 are types 1 and 2; any other must not be answered as type 1."""
    if operation.name == "ListObjects" and request.arguments.get("list-type", "1") != "1":
        raise InvalidArgument(
            "Invalid List Type specified in Request",
            ArgumentName="list-type",
            ArgumentValue=request.arguments["list-type"],
        )


@lru_cache(maxsize=256)
def _takes_version(name: str) -> bool:
    shape = operations()[name].input
    return shape is not None and "VersionId" in shape.members


def _form(request: Request) -> Operation:
    if request.headers.get("content-type", "").lower().startswith(_FORM):
        return POST_OBJECT
    raise PreconditionFailed(Condition=f"Bucket POST must be of the enclosure-type {_FORM}")


def _refuse(request: Request, kind: UriKind, subresource: str | None) -> NoReturn:
    allowed = sorted(
        method
        for method, other, name in table().rows
        if (other, name) == (kind, subresource) and method != request.method
    )
    raise MethodNotAllowed(
        headers={"Allow": ", ".join(allowed)},
        Method=request.method,
        ResourceType=(subresource or kind).upper().replace("-", "_"),
    )


def example_scope(operation: Operation) -> dict[str, Any]:
    """The ASGI scope of the smallest request that means this operation."""
    path = operation.path or {"service": "/", "bucket": "/bucket", "object": "/bucket/key"}[operation.kind]
    fields = [operation.subresource] if operation.subresource else []
    fields += [f"{name}={value}" for name, value in operation.arguments]
    fields += [f"{name}=1" for name in operation.required_query]
    names = [name.encode() for name in operation.required_headers]
    return {
        "type": "http",
        "method": operation.method,
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "path": path,
        "raw_path": path.encode(),
        "query_string": "&".join(fields).encode(),
        "headers": [(b"host", b"localhost"), *((name, b"1") for name in names)],
    }


def example_request(operation: Operation) -> Request:
    return Request.from_scope(example_scope(operation))
