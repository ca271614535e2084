"""Registering, logging in and out, and what is done about users."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.api.people import PASSWORD, Person, new_name, refusal, register
from tests.gateways import of_one_server
from tests.servers import RunningServer


def login(api: httpx.Client, name: str, password: str = PASSWORD) -> httpx.Response:
    return api.post("/users/login", json={"username": name, "password": password})


def test_who_registers_is_a_user_and_nothing_more(person: Person) -> None:
    me = person.http.get("/users/me").json()
    assert (me["username"], me["email"]) == (person.name, f"{person.name}@example.com")
    assert (me["role"], me["is_active"]) == ("user", True)
    assert (person.tokens["token_type"], person.tokens["expires_in"]) == ("bearer", 900)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "ab"),
        ("username", "a b c"),
        ("username", "x" * 51),
        ("username", "0a1b2c3d-0000-4000-8000-0123456789ab"),
        ("email", "nowhere"),
        ("password", "short"),
        ("password", "password1"),
        ("password", "x" * 1025),
        ("role", "admin"),
        ("is_active", True),
        ("id", "1"),
    ],
)
def test_what_a_new_user_can_not_be_is_refused(api: httpx.Client, field: str, value: object) -> None:
    name = new_name()
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD, field: value}
    answer = api.post("/users/register", json=body)
    assert refusal(answer) == (422, "VALIDATION_ERROR")
    assert answer.json()["errors"][0]["field"] == field
    assert login(api, name).status_code == 401


@pytest.mark.parametrize("path", ["/users/register", "/users/login"])
@pytest.mark.parametrize("body", ["{", '{"username": nobody}'])
def test_a_body_that_is_no_json_is_told_so(api: httpx.Client, path: str, body: str) -> None:
    answer = api.post(path, content=body, headers={"Content-Type": "application/json"})
    assert refusal(answer) == (422, "VALIDATION_ERROR")
    (fault,) = answer.json()["errors"]
    assert fault["field"] == "body"
    assert fault["message"].startswith("is no JSON: ")


NEW_ADDRESS = {"email": "half@example.com"}


@pytest.mark.parametrize(
    ("method", "path", "field", "others"),
    [
        ("POST", "/users/register", "password", NEW_ADDRESS | {"username": "half"}),
        ("POST", "/users/{id}/change-password", "current_password", {"new_password": PASSWORD}),
        ("PUT", "/users/{id}", "current_password", NEW_ADDRESS),
        ("DELETE", "/users/{id}", "password", {}),
    ],
)
def test_half_a_surrogate_pair_is_no_text(
    person: Person, method: str, path: str, field: str, others: dict[str, str]
) -> None:
    body, kind = json.dumps({**others, field: f"{PASSWORD}\ud800"}), {"Content-Type": "application/json"}
    answer = person.http.request(method, path.format(id=person.id), content=body, headers=kind)
    assert refusal(answer) == (422, "VALIDATION_ERROR")
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


def test_a_wrong_parameter_of_the_query_is_named_as_it_was_written(api: httpx.Client, person: Person) -> None:
    answer = person.http.get("/keys", params={"per_page": 5000})
    assert [fault["field"] for fault in answer.json()["errors"]] == ["per_page"]


def test_a_name_and_an_address_are_taken_once(api: httpx.Client, person: Person) -> None:
    for changes in (
        {"username": person.name},
        {"username": person.name.upper()},
        {"email": f"{person.name}@EXAMPLE.com"},
    ):
        name = new_name()
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD} | changes
        answer = api.post("/users/register", json=body)
        assert refusal(answer) == (409, "CONFLICT")
        assert [fault["field"] for fault in answer.json()["errors"]] == list(changes)


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Prefix", "Via", "CF-Connecting-IP", "X-Original-URL"]
)
@of_one_server("registration is open there")
def test_registration_is_not_open_to_what_came_through_a_proxy(api: httpx.Client, header: str) -> None:
    body = {"username": new_name(), "email": "a@example.com", "password": PASSWORD}
    answer = api.post("/users/register", json=body, headers={header: "192.0.2.1"})
    assert refusal(answer) == (403, "REGISTRATION_CLOSED")


def test_a_login_is_by_name_or_address_and_as_json_or_a_form(api: httpx.Client, person: Person) -> None:
    for name in (person.name, f"{person.name}@Example.com"):
        assert login(api, name).status_code == 200
        assert api.post("/users/login", data={"username": name, "password": PASSWORD}).status_code == 200
    assert refusal(api.post("/users/login", data={"username": person.name})) == (422, "VALIDATION_ERROR")


def test_a_refresh_token_is_good_once_and_an_old_one_ends_the_session(api: httpx.Client, person: Person) -> None:
    old = {"refresh_token": person.tokens["refresh_token"]}
    renewed = api.post("/users/refresh", json=old).json()
    bearer = {"Authorization": f"Bearer {renewed['access_token']}"}
    assert api.get("/users/me", headers=bearer).status_code == 200
    assert refusal(api.post("/users/refresh", json=old)) == (401, "AUTHENTICATION_FAILED")
    assert refusal(api.get("/users/me", headers=bearer)) == (401, "AUTHENTICATION_FAILED")
    assert refusal(api.post("/users/refresh", json={"refresh_token": renewed["refresh_token"]}))[0] == 401


def test_logging_out_ends_the_access_tokens_too(api: httpx.Client, person: Person) -> None:
    assert api.post("/users/logout", json={"refresh_token": person.tokens["refresh_token"]}).status_code == 204
    assert refusal(person.http.get("/users/me")) == (401, "AUTHENTICATION_FAILED")


def test_a_changed_password_ends_the_other_sessions(api: httpx.Client, person: Person) -> None:
    other = Person(api, person.name)
    path = f"/users/{person.id}/change-password"
    wrong = {"current_password": "wrong", "new_password": "another good one"}
    assert refusal(person.http.post(path, json=wrong)) == (422, "VALIDATION_ERROR")
    right = {"current_password": PASSWORD, "new_password": "another good one"}
    assert person.http.post(path, json=right).status_code == 204
    assert person.http.get("/users/me").status_code == 200
    assert other.http.get("/users/me").status_code == 401
    assert login(api, person.name).status_code == 401
    assert login(api, person.name, "another good one").status_code == 200


def test_the_eleventh_wrong_password_within_a_minute_is_refused_whether_there_is_such_a_name_or_not(
    api: httpx.Client, admin: Person
) -> None:
    made = {"username": new_name(), "email": f"{new_name()}@example.com", "password": PASSWORD}
    assert admin.http.post("/users", json=made).status_code == 201
    for name in (made["username"], new_name()):
        answers = [login(api, name, "wrong") for _ in range(11)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429]
        assert 1 <= int(answers[10].headers["Retry-After"]) <= 60
        assert refusal(login(api, name)) == (429, "RATE_LIMITED")


def test_what_is_given_as_it_was_is_no_change(person: Person, admin: Person) -> None:
    path, log = f"/users/{person.id}", {"resource": person.name, "action": "user.update"}
    before = person.http.get(path)
    same = person.http.put(path, json={name: before.json()[name] for name in ("username", "email")})
    assert (same.json(), same.headers["ETag"]) == (before.json(), before.headers["ETag"])
    assert admin.http.get("/audit", params=log).json()["total"] == 0


@pytest.mark.parametrize("email", [{}, {"email": None}])
def test_nobody_is_made_by_the_api_without_an_address(admin: Person, email: dict[str, None]) -> None:
    made = admin.http.post("/users", json={"username": new_name(), "password": PASSWORD, **email})
    assert (refusal(made), made.json()["errors"][0]["field"]) == ((422, "VALIDATION_ERROR"), "email")


def test_sessions_are_listed_and_can_be_ended(api: httpx.Client, person: Person) -> None:
    other = Person(api, person.name)
    path = f"/users/{person.id}/sessions"
    first, second = (person.http.get(path, params={"per_page": 1, "page": page}).json() for page in (1, 2))
    assert (first["total"], second["next_cursor"]) == (2, None)
    listed = person.http.get(path).json()["items"]
    assert first["items"] + second["items"] == listed
    assert [session["is_current"] for session in listed].count(True) == 1
    (theirs,) = [session for session in listed if not session["is_current"]]
    assert person.http.delete(f"{path}/{theirs['id']}").status_code == 204
    assert other.http.get("/users/me").status_code == 401
    assert refusal(person.http.delete(f"{path}/{theirs['id']}")) == (404, "NOT_FOUND")
    assert refusal(register(api).http.delete(f"{path}/{listed[0]['id']}")) == (404, "NOT_FOUND")


def test_a_change_that_is_based_on_an_old_state_is_refused(person: Person) -> None:
    path = f"/users/{person.id}"
    old = person.http.get(path).headers["ETag"]
    renamed = person.http.put(path, json={"username": f"{person.name}-2"}, headers={"If-Match": old})
    assert (renamed.status_code, renamed.json()["username"]) == (200, f"{person.name}-2")
    again = person.http.put(path, json={"username": f"{person.name}-3"}, headers={"If-Match": old})
    assert refusal(again) == (412, "PRECONDITION_FAILED")
    assert person.http.get(path).headers["ETag"] == renamed.headers["ETag"]


def test_roles_and_activity_are_an_admins_to_change(person: Person, admin: Person) -> None:
    path = f"/users/{person.id}"
    for field, value in (("role", "admin"), ("is_active", False)):
        assert refusal(person.http.put(path, json={field: value})) == (422, "VALIDATION_ERROR")
    assert admin.http.put(path, json={"role": "auditor"}).json()["role"] == "auditor"
    assert person.http.get("/users").status_code == 200
    assert admin.http.put(path, json={"is_active": False}).json()["is_active"] is False
    assert person.http.get("/users/me").status_code == 401


def test_users_are_listed_in_pages_found_and_counted(person: Person, admin: Person) -> None:
    page = admin.http.get("/users", params={"per_page": 2}).json()
    assert (page["page"], page["per_page"], len(page["items"])) == (1, 2, 2)
    second = admin.http.get("/users", params={"per_page": 2, "page": 2}).json()
    following = admin.http.get("/users", params={"per_page": 2, "cursor": page["next_cursor"]}).json()
    assert following["items"] == second["items"] != page["items"]
    found = admin.http.get("/users", params={"search": person.name.upper()}).json()
    assert person.name in [user["username"] for user in found["items"]]
    assert admin.http.get("/users", params={"search": "no%body"}).json()["items"] == []
    assert refusal(admin.http.get("/users", params={"cursor": "?"})) == (422, "VALIDATION_ERROR")
    assert refusal(admin.http.get("/users", params={"per_page": 1001})) == (422, "VALIDATION_ERROR")


def test_who_is_deleted_is_out_at_once_and_can_be_restored(
    api: httpx.Client, person: Person, admin: Person, server: RunningServer
) -> None:
    path = f"/users/{person.id}"
    assert refusal(person.http.delete(path)) == (422, "VALIDATION_ERROR")
    gone = person.http.request("DELETE", path, json={"password": PASSWORD})
    assert gone.status_code == 204
    assert person.http.get("/users/me").status_code == 401
    assert login(api, person.name).status_code == 401
    assert person.id in [user["id"] for user in admin.http.get("/users", params={"deleted": True}).json()["items"]]
    taken = {"username": person.name, "email": "other@example.com", "password": PASSWORD}
    assert refusal(api.post("/users/register", json=taken)) == (409, "CONFLICT")
    for change in ({"username": new_name()}, {"email": taken["email"]}, {"role": "admin"}, {"is_active": False}):
        assert refusal(admin.http.put(path, json=change)) == (409, "CONFLICT")
    assert admin.http.post(f"{path}/restore").json()["is_active"] is True
    assert Person(api, person.name).id == person.id
    assert refusal(admin.http.post(f"{path}/restore")) == (409, "CONFLICT")


def test_the_last_admin_stays(server: RunningServer, api: httpx.Client) -> None:
    """All admins but one are taken away, and given back."""
    server.command("user", "create", new := new_name(), "--role", "admin", "--password", PASSWORD)
    last = Person(api, new)
    admins = last.http.get("/users", params={"role": "admin", "is_active": True}).json()["items"]
    others = [user for user in admins if user["id"] != last.id]
    try:
        for user in others:
            assert last.http.put(f"/users/{user['id']}", json={"role": "user"}).status_code == 200
        for change in ({"role": "user"}, {"is_active": False}):
            assert refusal(last.http.put(f"/users/{last.id}", json=change)) == (409, "CONFLICT")
        itself = last.http.request("DELETE", f"/users/{last.id}", json={"password": PASSWORD})
        assert refusal(itself) == (409, "CONFLICT")
    finally:
        for user in others:
            assert last.http.put(f"/users/{user['id']}", json={"role": "admin"}).status_code == 200
