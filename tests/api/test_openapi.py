"""The API's document: that it is whole, and that what it shows is what the code takes and answers.

What is really answered is held to it by every test that asks (documented.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter

from s3gw.api.app import ROUTERS, build_app
from s3gw.api.error_reference import ERROR_CODES, TOLD
from s3gw.api.openapi import PREFIX, SUMMARIES, TAGS, as_text, document_of, routes_of
from s3gw.api.refusals import OWN, refusals_of
from s3gw.api.users import Login, LoginForm
from tests.api.documented import COMMITTED, check

ROUTES = {f"{method} {path}": (method, path, route) for method, path, route in routes_of(ROUTERS)}
DOCUMENT = document_of(build_app(), ROUTERS)
FORM = "application/x-www-form-urlencoded"


def operation_of(name: str) -> dict[str, Any]:
    method, path, _ = ROUTES[name]
    found: dict[str, Any] = DOCUMENT["paths"][PREFIX + path][method.lower()]
    return found


def test_the_committed_document_is_that_of_the_code() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == as_text(DOCUMENT), "make openapi"


@pytest.mark.soak
def test_it_is_made_alike_in_every_process() -> None:
    """Whatever the seed of hashes, by which sets are ordered."""
    command = [sys.executable, "-m", "s3gw.api"]
    made = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"})
    assert made.stdout == as_text(DOCUMENT)


def test_it_has_every_route_once() -> None:
    told = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(told) == len(ROUTES) == len({operation["operationId"] for operation in told})
    assert {route.name for _, _, route in ROUTES.values()} >= OWN.keys() | SUMMARIES.keys()


@pytest.mark.parametrize("name", ROUTES)
def test_every_route_is_described_and_has_examples_of_what_it_takes_and_answers(name: str) -> None:
    operation = operation_of(name)
    assert operation["description"] and operation["summary"]
    assert {*operation["tags"]} <= TAGS.keys()
    for parameter in operation.get("parameters", ()):
        assert not parameter["required"] or parameter["example"], parameter["name"]
        assert parameter["in"] == "path" or parameter.get("description") or parameter["name"] in UNDERSTOOD
    answers = [answer for answer in operation["responses"].values() if "$ref" not in answer]
    assert answers
    for body in (operation.get("requestBody", {}), *answers):
        for kind, content in body.get("content", {}).items():
            assert "example" in content or kind == "application/x-ndjson", kind


BY_WHAT_IS_SENT = {"log_in", "refresh", "show_preview", "log_out", "finish_oidc_login"}
UNDERSTOOD = {"page", "per_page", "role", "is_active", "outcome", "resource_type", "since", "key"}
UNDERSTOOD |= {"state", "code", "iss", "error"}  # OAuth2's


_UPLOADS = (  # whose bodies are no models
    "POST /buckets/{bucket_id}/files",
    "POST /buckets/{bucket_id}/unpack",
    "POST /buckets/{bucket_id}/uploads",
    "PATCH /buckets/{bucket_id}/uploads/{upload_id}",
)


@pytest.mark.parametrize(
    "name", [name for name in ROUTES if "requestBody" in operation_of(name) and name not in _UPLOADS]
)
def test_the_example_of_a_request_is_accepted_by_its_model(name: str) -> None:
    content = operation_of(name)["requestBody"]["content"]
    for kind, model in models_of(ROUTES[name][2], content).items():
        given = TypeAdapter(model).validate_python(content[kind]["example"])
        assert isinstance(given, BaseModel)
        assert given.model_fields_set == content[kind]["example"].keys()


def models_of(route: APIRoute, content: dict[str, Any]) -> dict[str, Any]:
    if route.body_field is None:  # the one that reads its body itself
        return {"application/json": Login, FORM: LoginForm}
    assert content.keys() == {"application/json"}
    return {"application/json": route.body_field.field_info.annotation}


@pytest.mark.parametrize("name", [name for name, (_, _, route) in ROUTES.items() if route.response_model is not None])
def test_the_example_of_an_answer_is_one_that_its_model_writes(name: str) -> None:
    route = ROUTES[name][2]
    for status, answer in operation_of(name)["responses"].items():
        if "$ref" not in answer:
            example = answer["content"]["application/json"]["example"]
            others = {str(code): more.get("model") for code, more in route.responses.items()}
            adapter: TypeAdapter[Any] = TypeAdapter(others.get(status) or route.response_model)
            assert adapter.dump_python(adapter.validate_python(example), mode="json") == example, status


def test_every_refusal_has_an_example_of_its_form_and_no_route_is_without() -> None:
    for name, answer in DOCUMENT["components"]["responses"].items():
        examples = answer["content"]["application/json"]["examples"]
        assert [*examples] == name.split(".")
        for code, example in examples.items():
            assert example["value"]["error_code"] == code
    for _, _, route in ROUTES.values():
        assert {"INTERNAL_ERROR", "RATE_LIMITED"} <= refusals_of(route)


def test_every_error_code_is_explained_and_none_that_nobody_answers() -> None:
    assert {error.code for error in ERROR_CODES} == TOLD.keys()


def test_swagger_gets_a_token_by_name_and_password(api: httpx.Client) -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    flow = schemes["oauth2"]["flows"]["password"]
    assert flow["tokenUrl"] in DOCUMENT["paths"]
    assert FORM in DOCUMENT["paths"][flow["tokenUrl"]]["post"]["requestBody"]["content"]
    assert schemes["bearer"]["scheme"] == "bearer"
    for name, (_, _, route) in ROUTES.items():
        wanted = [{"oauth2": []}, {"bearer": []}] if "AUTHENTICATION_FAILED" in refusals_of(route) else None
        told = operation_of(name).get("security")
        assert told == wanted or (told is None and route.name in BY_WHAT_IS_SENT)


def test_the_server_tells_the_same_document(api: httpx.Client) -> None:
    root = str(api.base_url).partition("/api/")[0]
    assert api.get(f"{root}/openapi.json").json() == json.loads(COMMITTED.read_text(encoding="utf-8"))


REQUEST = httpx.Request("GET", f"http://api{PREFIX}/users/me")
ID = {"X-Request-Id": "0" * 16}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(418, headers=ID, json={}, request=REQUEST),
        httpx.Response(200, headers=ID | {"ETag": '"x"'}, json={"id": "x"}, request=REQUEST),
        httpx.Response(401, headers=ID, json={"error_code": "NOT_FOUND"}, request=REQUEST),
        httpx.Response(204, request=httpx.Request("POST", f"http://api{PREFIX}/users/logout")),
    ],
    ids=["status", "schema", "code", "header"],
)
def test_an_answer_that_the_document_doesn_t_tell_is_found(answer: httpx.Response) -> None:
    with pytest.raises(AssertionError):
        check(answer)
