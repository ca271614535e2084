"""What the API answers, held to its document: each answer that a test gets, whatever the test asks."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from jsonschema_rs import Draft202012Validator

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
Json = dict[str, Any]


@cache
def document() -> Json:
    """Which is that of the code: tests/api/test_openapi.py."""
    found: Json = json.loads(COMMITTED.read_text(encoding="utf-8"))
    return found


@cache
def _paths() -> list[tuple[re.Pattern[str], Json]]:
    """Those without parameters first, as the routes are asked."""
    found = sorted(document()["paths"].items(), key=lambda item: item[0].count("{"))
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), methods) for path, methods in found]


@cache
def _validator(status: str, operation_id: str) -> Draft202012Validator | None:
    content = answer_of(operation_id, status).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    return None if schema is None else Draft202012Validator({**schema, "components": document()["components"]})


def answer_of(operation_id: str, status: str) -> Json:
    for methods in document()["paths"].values():
        for operation in methods.values():
            if operation["operationId"] == operation_id:
                answer: Json = operation["responses"].get(status)
                assert answer is not None, f"{operation_id} isn't said to answer {status}"
                return _looked_up(answer)
    raise LookupError(operation_id)


def _looked_up(node: Json) -> Json:
    if "$ref" not in node:
        return node
    found: Any = document()
    for name in node["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)


def check(answer: httpx.Response) -> None:
    """Fails where the document doesn't tell the answer."""
    path = answer.request.url.path
    methods = next((methods for pattern, methods in _paths() if pattern.fullmatch(path)), {})
    operation = methods.get(answer.request.method.lower())
    if operation is None:
        return
    told = answer_of(operation["operationId"], str(answer.status_code))
    for name, header in told.get("headers", {}).items():
        is_needed = _looked_up(header).get("required") or name == "ETag"
        assert not is_needed or name in answer.headers, f"{operation['operationId']} answers without {name}"
    validator = _validator(str(answer.status_code), operation["operationId"])
    if validator is not None and answer.request.method != "HEAD":
        answer.read()
        errors = [
            f"{error.instance_path}: {error.message}" for error in validator.iter_errors(json.loads(answer.content))
        ]
        assert not errors, f"{operation['operationId']} answers off its schema: {errors}"


HELD: Json = {"response": [check]}  # an httpx client's event hooks
