"""An e-mail address that is changed: who may, and what it ends."""

from __future__ import annotations

import time

import httpx

from tests.api.mail_folder import message_to, messages, token_of
from tests.api.people import PASSWORD, Person, new_name, refusal, register
from tests.servers import RunningServer


def test_another_address_is_sent_a_link_that_confirms_it(
    server: RunningServer, api: httpx.Client, person: Person, admin: Person
) -> None:
    old = token_of(message_to(server, f"{person.name}@example.com", "Confirm your address"))
    new = f"{person.name}-new@example.com"
    assert admin.http.put(f"/users/{person.id}", json={"email": new}).json()["email"] == new
    token = token_of(message_to(server, new, "Confirm your address"))
    assert refusal(api.post("/users/verify-email", json={"token": old})) == (422, "VALIDATION_ERROR")
    me = person.http.get("/users/me")
    assert me.json()["email_verified"] is False
    assert api.post("/users/verify-email", json={"token": token}).status_code == 204
    confirmed = person.http.get("/users/me")
    assert confirmed.json()["email_verified"] is True
    assert confirmed.headers["ETag"] != me.headers["ETag"]


def test_the_old_address_is_told_that_it_was_changed_and_not_to_what(
    server: RunningServer, person: Person, admin: Person
) -> None:
    addresses = [f"{person.name}@example.com", *(f"{new_name()}@example.com" for _ in range(2))]
    for by, old, new in ((person, *addresses[:2]), (admin, *addresses[1:])):
        assert by.http.put(f"/users/{person.id}", json={"email": new}).status_code == 200
        text = message_to(server, old, "Your address was changed")
        assert person.name in text and new not in text
    assert person.http.put(f"/users/{person.id}", json={"username": new_name()}).status_code == 200
    assert told_moves(server, addresses[2]) == 0


def test_an_address_is_taken_away_by_an_admin_only(
    server: RunningServer, api: httpx.Client, person: Person, admin: Person
) -> None:
    old, path = f"{person.name}@example.com", f"/users/{person.id}"
    refused = person.http.put(path, json={"email": "", "current_password": PASSWORD})
    assert refusal(refused) == (422, "VALIDATION_ERROR") and refused.json()["errors"][0]["field"] == "email"
    assert person.http.get(path).json()["email"] == old
    sent = sum(found["To"] is None or "@" not in found["To"] for found in messages(server))
    taken = admin.http.put(path, json={"email": ""})
    assert (taken.status_code, taken.json()["email"], taken.json()["email_verified"]) == (200, None, False)
    assert "it was taken away" in message_to(server, old, "Your address was changed")
    assert sum(found["To"] is None or "@" not in found["To"] for found in messages(server)) == sent
    again = admin.http.put(path, json={"email": ""})
    assert (again.status_code, again.headers["ETag"]) == (200, taken.headers["ETag"])
    login = {"username": person.name, "password": PASSWORD}
    assert api.post("/users/login", json=login).status_code == 200
    assert api.post("/users/login", json=login | {"username": old}).status_code == 401


def told_moves(server: RunningServer, address: str, subject: str = "Your address was changed") -> int:
    return sum((found["To"], found["Subject"]) == (address, subject) for found in messages(server))


def test_three_messages_an_hour_say_that_an_address_was_changed(server: RunningServer, person: Person) -> None:
    addresses = [f"{person.name}@example.com", *(f"{new_name()}@example.com" for _ in range(4))]
    for address in addresses[1:]:
        body = {"email": address, "current_password": PASSWORD}
        assert person.http.put(f"/users/{person.id}", json=body).status_code == 200
        time.sleep(0.1)  # the messages are sent after the answers, in any order
    for address in addresses[:3]:
        message_to(server, address, "Your address was changed")
    time.sleep(0.3)
    assert [told_moves(server, address) for address in addresses] == [1, 1, 1, 0, 0]


def test_who_has_only_a_session_gets_no_link_that_sets_a_password_at_an_address_of_his_own(
    server: RunningServer, api: httpx.Client, person: Person, admin: Person
) -> None:
    path, thief = f"/users/{person.id}", f"{new_name()}@example.com"
    assert person.http.put(path, json={"email": thief}).status_code == 200
    confirm = token_of(message_to(server, thief, "Confirm your address"))
    assert api.post("/users/verify-email", json={"token": confirm}).status_code == 204  # which changes nothing
    assert api.post("/users/forgot-password", json={"email": thief}).status_code == 202
    reset_link(server, api, f"{register(api).name}@example.com")  # which was asked for later, and is there
    assert told_moves(server, thief, "Set a new password") == 0
    proven = f"{new_name()}@example.com"
    assert person.http.put(path, json={"email": proven, "current_password": PASSWORD}).status_code == 200
    reset_link(server, api, proven)
    assert person.http.put(path, json={"email": thief}).status_code == 200
    given = f"{new_name()}@example.com"
    assert admin.http.put(path, json={"email": given}).status_code == 200
    reset_link(server, api, given)


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
