"""Creates under an Idempotency-Key: made once, whatever worker a repeat comes to."""

from __future__ import annotations

import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import JSONResponse

from s3gw.addresses import client_of
from s3gw.api import idempotency
from s3gw.api.app import ROUTERS
from s3gw.api.models import shown_once
from s3gw.api.route import DEEPEST, Route, refuse_deep
from s3gw.auth.request_digests import RequestDigests
from s3gw.problems import Invalid
from tests.api.documented import HELD
from tests.api.people import PASSWORD, Person, new_name, refusal, register
from tests.cli.commands import Ask
from tests.servers import RunningServer

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def _is_repeatable(route: APIRoute) -> bool:
    """Uploads aren't: their bodies stream."""
    return route.status_code == 201 and isinstance(route, Route) and route.is_repeatable


CREATES = {f"{method} {route.path}": route for route in ROUTES for method in route.methods if _is_repeatable(route)}


def body_for(route: str, other: Person, bucket_id: str) -> dict[str, Any]:
    """One that makes something; a new create needs its row here."""
    name = new_name()
    return {
        "POST /users/register": {"username": name, "email": f"{name}@example.com", "password": PASSWORD},
        "POST /users": {"username": name, "email": f"{name}@example.com"},
        "POST /invitations": {"email": f"{name}@example.com"},
        "POST /buckets": {"name": f"once-{name}"},
        "POST /buckets/{bucket_id}/share": {"user_id": other.id, "permission": "read"},
        "POST /buckets/{bucket_id}/files/{file_id}/share": {"user_id": other.id, "permission": "read"},
        "POST /buckets/{bucket_id}/files/{file_id}/copy": {"file_path": name},
        "POST /buckets/{bucket_id}/links": {"kind": "folder", "prefix": name},
        "POST /event-targets": {"name": name, "url": "https://example.com/"},
        "POST /reports/saved": {"name": name, "destination": {"bucket_id": bucket_id}},
        "POST /groups": {"name": name},
        "POST /service-accounts": {"username": name},
        "POST /keys": {"description": name},
        "POST /users/me/totp": {"password": PASSWORD},
    }[route]


@pytest.fixture(scope="module")
def bucket_id(ask: Ask, admin: Person) -> str:
    name = f"of-idempotency-{admin.id[:8]}"
    ask("bucket", "create", name, "--owner", admin.name)
    found: str = ask("bucket", "show", name)["id"]
    return found


def test_every_route_is_one_of_ours_and_knows_what_it_makes() -> None:
    assert [route.path for route in ROUTES if not isinstance(route, Route)] == []
    posts = {name for name in CREATES if name.startswith("POST ")}
    assert posts == set(CREATES)


@pytest.mark.parametrize("route", CREATES)
def test_a_create_is_done_once_under_its_key(
    server: RunningServer, api: httpx.Client, admin: Person, bucket_id: str, route: str
) -> None:
    file_id = ""
    if "{file_id}" in route:
        query = {"path": "a", "overwrite": "true"}
        file_id = admin.http.post(f"/buckets/{bucket_id}/files", params=query, content=b"x").json()["id"]
    path = route.split()[1].format(bucket_id=bucket_id, file_id=file_id)
    body = body_for(route, register(api), bucket_id)
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first = admin.http.post(path, json=body, headers=headers)
    assert (first.status_code, "Idempotent-Replayed" in first.headers) == (201, False), first.text
    secrets = shown_once(CREATES[route].response_model)
    for _ in range(2):
        with httpx.Client(base_url=api.base_url, timeout=60, event_hooks=HELD) as connection:  # of whichever worker
            again = connection.post(path, json=body, headers={**headers, **admin.bearer})
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true"), again.text
        assert again.json() == first.json() | dict.fromkeys(secrets)
        assert again.headers.get("ETag") == first.headers.get("ETag")
    other = admin.http.post(path, json={**body, "more": 1}, headers=headers)
    assert refusal(other) == (422, "IDEMPOTENCY_MISMATCH")


def test_of_creates_at_once_one_makes_something(server: RunningServer, api: httpx.Client, person: Person) -> None:
    key, description = {"Idempotency-Key": str(uuid.uuid4())}, new_name()

    def create(_: int) -> httpx.Response:
        return httpx.post(
            f"{api.base_url}keys", json={"description": description}, headers={**person.bearer, **key}, timeout=60
        )

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(create, range(8)))
    assert sum(answer.status_code == 201 and "Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 409)
    assert person.http.get("/keys").json()["total"] == 1


def test_what_was_refused_leaves_its_key_free(api: httpx.Client, person: Person) -> None:
    key = {"Idempotency-Key": "mine"}
    assert refusal(person.http.post("/keys", json={"description": 1}, headers=key)) == (422, "VALIDATION_ERROR")
    assert refusal(person.http.post("/keys", json={"user_id": str(uuid.uuid4())}, headers=key))[0] == 404
    assert person.http.post("/keys", json={}, headers=key).status_code == 201


def test_keys_of_others_are_others(api: httpx.Client, person: Person) -> None:
    key = {"Idempotency-Key": "the-same"}
    made = [one.http.post("/keys", json={}, headers=key).json() for one in (person, register(api))]
    assert made[0]["user_id"] != made[1]["user_id"]
    assert None not in [one["secret_access_key"] for one in made]
    assert refusal(api.post("/keys", json={}, headers=key)) == (401, "AUTHENTICATION_FAILED")


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "\u00e9"])
def test_what_is_no_key_is_refused(person: Person, key: str) -> None:
    headers: Any = {"Idempotency-Key": key.encode()}
    answer = person.http.post("/keys", json={}, headers=headers)
    assert refusal(answer) == (422, "VALIDATION_ERROR")
    assert "dempotency-key" in answer.json()["errors"][0]["field"]


def test_the_longest_key_is_one(person: Person) -> None:
    assert person.http.post("/keys", json={}, headers={"Idempotency-Key": "k" * 255}).status_code == 201


SECRET = re.compile("secret|password|token|invitation|code")


@pytest.mark.parametrize("route", CREATES)
def test_no_secret_of_an_answer_is_kept(route: str) -> None:
    model = CREATES[route].response_model
    assert issubclass(model, BaseModel)
    told = {name for name in model.model_fields if SECRET.search(name) and not name.startswith("has_")}
    assert told <= shown_once(model)
    answer = JSONResponse(dict.fromkeys(model.model_fields, "told"), 201)
    kept = idempotency._noted(answer, shown_once(model))
    assert kept.answer.count("told") == len(model.model_fields) - len(shown_once(model))


def test_bodies_that_say_the_same_are_the_same_and_their_digest_is_keyed() -> None:
    normal = idempotency._normal
    assert normal(b'{"a": 1, "b": [2]}') == normal(b' {"b":[2],"a":1}') != normal(b'{"a": 1, "b": [3]}')
    assert normal(b"no json") == b"no json"
    one, other = RequestDigests(bytes(32)), RequestDigests(bytes(31) + b"1")
    assert one.digest(b"body") == one.digest(b"body") != other.digest(b"body")
    assert one.digest(b"a", b"bc") != one.digest(b"ab", b"c")


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("testclient", ""),
    ],
)
def test_whoever_is_not_known_is_his_address(address: str, subject: str) -> None:
    assert client_of(address) == subject


def test_arrays_and_objects_may_be_in_each_other_64_times_and_no_more() -> None:
    refuse_deep(b'{"a":[' * (DEEPEST // 2) + b"]}" * (DEEPEST // 2))
    refuse_deep(b'["' + b"[" * 1000 + b'\\"]"]' + b"[]" * 1000)
    for deep in (b"[" * (DEEPEST + 1), b'{"\\\\":' * (DEEPEST + 1)):
        with pytest.raises(Invalid):
            refuse_deep(deep)
    refuse_deep(b'"' + b'\\"' * 500_000 + b"[" * 100)  # in no more time than it has bytes
