"""An e-mail address that is changed: who may, and what it ends."""

from __future__ import annotations

import httpx

from tests.api.mail_folder import message_to, token_of
from tests.api.people import Person, refusal
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
