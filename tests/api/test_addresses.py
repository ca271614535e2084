"""An e-mail address that is changed: who may, and what it ends."""

from __future__ import annotations

import httpx

from tests.api.mail_folder import message_to, token_of
from tests.api.people import PASSWORD, Person, new_name, refusal
from tests.servers import RunningServer


def test_another_address_is_sent_a_link_that_confirms_it(
    server: RunningServer, api: httpx.Client, person: Person, admin: Person
) -> None:
    old = token_of(message_to(server, f"{person.name}@example.com", "Confirm your address"))
    new = f"{person.name}-new@example.com"
    assert admin.http.put(f"/users/{person.id}", json={"email": new}).json()["email"] == new
    token = token_of(message_to(server, new, "Confirm your address"))
    assert refusal(api.post("/users/verify-email", json={"token": old})) == (422, "VALIDATION_ERROR")
    assert api.post("/users/verify-email", json={"token": token}).status_code == 204


def reset_link(server: RunningServer, api: httpx.Client, address: str) -> str:
    assert api.post("/users/forgot-password", json={"email": address}).status_code == 202
    return token_of(message_to(server, address, "Set a new password"))


def reset(api: httpx.Client, token: str) -> httpx.Response:
    return api.post("/users/reset-password", json={"token": token, "new_password": "another good one"})


def test_a_password_beside_an_address_of_ones_own_is_checked_and_counted(person: Person, admin: Person) -> None:
    path, body = f"/users/{person.id}", {"email": f"{new_name()}@example.com"}
    answers = [person.http.put(path, json={**body, "current_password": "wrong"}) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    assert person.http.get(path).json()["email"] == f"{person.name}@example.com"
    same = {"email": f"{person.name}@Example.com", "username": f"{person.name}-2"}
    assert person.http.put(path, json=same).status_code == 200
    assert admin.http.put(path, json=body).json()["email"] == body["email"]


def test_a_link_that_sets_a_password_ends_with_the_address_that_it_was_sent_to(
    server: RunningServer, api: httpx.Client, person: Person
) -> None:
    token = reset_link(server, api, f"{person.name}@example.com")
    body = {"email": f"{new_name()}@example.com", "current_password": PASSWORD}
    assert person.http.put(f"/users/{person.id}", json=body).status_code == 200
    back = {**body, "email": f"{person.name}@example.com"}
    assert person.http.put(f"/users/{person.id}", json=back).status_code == 200
    assert refusal(reset(api, token)) == (422, "VALIDATION_ERROR")
    Person(api, person.name)


def test_a_link_that_sets_a_password_ends_with_the_password(
    server: RunningServer, api: httpx.Client, person: Person
) -> None:
    token = reset_link(server, api, f"{person.name}@example.com")
    body = {"current_password": PASSWORD, "new_password": "better horse battery"}
    assert person.http.post(f"/users/{person.id}/change-password", json=body).status_code == 204
    assert refusal(reset(api, token)) == (422, "VALIDATION_ERROR")
    token = reset_link(server, api, f"{person.name}@example.com")
    server.command("user", "password", person.name, "--password", PASSWORD)
    assert refusal(reset(api, token)) == (422, "VALIDATION_ERROR")
    Person(api, person.name)


def test_a_link_of_a_disabled_user_changes_nothing(
    server: RunningServer, api: httpx.Client, person: Person, admin: Person
) -> None:
    token = reset_link(server, api, f"{person.name}@example.com")
    assert admin.http.put(f"/users/{person.id}", json={"is_active": False}).status_code == 200
    assert refusal(reset(api, token)) == (422, "VALIDATION_ERROR")
    assert admin.http.put(f"/users/{person.id}", json={"is_active": True}).status_code == 200
    Person(api, person.name)
    assert reset(api, token).status_code == 204
