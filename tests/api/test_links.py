"""Links that work once, as they are found in the messages; by a real mail server and in the folder."""

from __future__ import annotations

import email
import socket
import time
from collections.abc import Iterator
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller

from s3gw.accounts import mail
from s3gw.config import load_settings
from tests.api.documented import HELD
from tests.api.mail_folder import message_to, token_of
from tests.api.people import PASSWORD, Person, new_name, refusal, register
from tests.servers import RunningServer, running_server


def test_a_forgotten_password_is_set_by_a_link_that_works_once(
    server: RunningServer, api: httpx.Client, person: Person
) -> None:
    address = f"{person.name}@example.com"
    assert api.post("/users/forgot-password", json={"email": address}).status_code == 202
    token = token_of(message_to(server, address, "Set a new password"))
    for weak in ("short", address):
        assert refusal(api.post("/users/reset-password", json={"token": token, "new_password": weak}))[0] == 422
    new = {"token": token, "new_password": "another good one"}
    assert api.post("/users/reset-password", json=new).status_code == 204
    assert person.http.get("/users/me").status_code == 401
    assert refusal(api.post("/users/reset-password", json=new)) == (422, "VALIDATION_ERROR")
    Person(api, person.name, "another good one")


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["ada", "ad\u00e4"])
async def test_a_long_link_can_be_copied_out_of_the_folder_s_message(name: str, tmp_path: Path) -> None:
    link = f"https://{'files.' * 12}example.com/verify?token={'x' * 43}"
    assert await mail.send(load_settings(data=str(tmp_path)), "ada@example.com", "Confirm", f"Hello {name}\n\n{link}\n")
    (path,) = (tmp_path / "mail").iterdir()
    message = email.message_from_bytes(path.read_bytes(), policy=default)
    assert link in message.get_content()
    assert (link in path.read_text().splitlines()) == name.isascii()


def test_asking_for_a_link_says_nothing_of_who_there_is_and_is_bounded(api: httpx.Client) -> None:
    nobody = {"email": f"{new_name()}@example.com"}
    answers = [api.post("/users/forgot-password", json=nobody) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [202] * 10 + [429]


def test_an_address_is_confirmed_by_the_newest_link_alone(
    server: RunningServer, api: httpx.Client, person: Person
) -> None:
    address = f"{person.name}@example.com"
    first = token_of(message_to(server, address, "Confirm your address"))
    assert person.http.post("/users/me/verification").status_code == 202
    deadline = time.monotonic() + 20
    while (second := token_of(message_to(server, address, "Confirm your address"))) == first:
        assert time.monotonic() < deadline
    assert refusal(api.post("/users/verify-email", json={"token": first})) == (422, "VALIDATION_ERROR")
    assert refusal(api.post("/users/reset-password", json={"token": second, "new_password": PASSWORD}))[0] == 422
    assert api.post("/users/verify-email", json={"token": second}).status_code == 204
    assert refusal(api.post("/users/verify-email", json={"token": second})) == (422, "VALIDATION_ERROR")


def test_three_links_an_hour_confirm_an_address(server: RunningServer, person: Person) -> None:
    message_to(server, f"{person.name}@example.com", "Confirm your address")  # since the person registered
    answers = [person.http.post("/users/me/verification").status_code for _ in range(3)]
    assert answers == [202, 202, 429]


def test_three_links_an_hour_set_a_password_and_the_last_one_stays_good(
    server: RunningServer, api: httpx.Client, person: Person
) -> None:
    address, other = f"{person.name}@example.com", f"{register(api).name}@example.com"
    links = set()
    for count in range(1, 4):
        assert api.post("/users/forgot-password", json={"email": address}).status_code == 202
        deadline = time.monotonic() + 20
        while len(links) < count:
            links.add(token := token_of(message_to(server, address, "Set a new password")))
            assert time.monotonic() < deadline
    for asked in (address, address, other):
        assert api.post("/users/forgot-password", json={"email": asked}).status_code == 202
    message_to(server, other, "Set a new password")
    assert token_of(message_to(server, address, "Set a new password")) == token
    new = {"token": token, "new_password": "another good one"}
    assert api.post("/users/reset-password", json=new).status_code == 204


def test_invitations_are_listed_in_pages(admin: Person) -> None:
    for _ in range(2):
        assert admin.http.post("/invitations", json={}).status_code == 201
    listed = admin.http.get("/invitations").json()
    pages = [admin.http.get("/invitations", params={"per_page": 1, "page": page}).json() for page in (1, 2)]
    assert [page["items"] for page in pages] == [[item] for item in listed["items"][:2]]
    assert {page["total"] for page in pages} == {listed["total"]}
    assert admin.http.get("/invitations", params={"per_page": 1, "cursor": pages[0]["next_cursor"]}).json() == pages[1]


def test_an_address_is_counted_however_it_is_written(api: httpx.Client) -> None:
    name = new_name()
    written = [f"{name}@example.com", f"{name}@EXAMPLE.com", f"{name.upper()}@example\u3002com"]
    answers = [api.post("/users/forgot-password", json={"email": written[n % 3]}) for n in range(11)]
    assert [answer.status_code for answer in answers] == [202] * 10 + [429]


class Inbox:
    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content, policy=default)
        self.messages.append((envelope.rcpt_tos[0], str(message.get_content())))
        return "250 OK"

    def last_to(self, address: str) -> str:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for recipient, text in reversed(self.messages):
                if recipient == address:
                    return text
            time.sleep(0.02)
        raise AssertionError(f"no message to {address}")


@pytest.fixture(scope="module")
def inbox() -> Iterator[tuple[Inbox, int]]:
    """A real mail server, and its port."""
    received = Inbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(received, hostname="127.0.0.1", port=port)
    controller.start()
    yield received, port
    controller.stop()


@pytest.fixture(scope="module")
def strict(inbox: tuple[Inbox, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Where one registers by invitation, and logs in with a confirmed address."""
    settings = {
        "S3GW_REGISTRATION": "invite",
        "S3GW_REQUIRE_VERIFIED_EMAIL": "true",
        "S3GW_SMTP_HOST": "127.0.0.1",
        "S3GW_SMTP_PORT": str(inbox[1]),
        "S3GW_SMTP_SECURITY": "none",
        "S3GW_PUBLIC_URL": "https://files.example.com",
    }
    with running_server(Path(tmp_path_factory.mktemp("strict")) / "data", "--workers", "1", **settings) as server:
        server.command("user", "create", "boss", "--role", "admin", "--password", PASSWORD)
        yield server


def test_who_is_invited_registers_once_and_logs_in_when_the_address_is_confirmed(
    strict: RunningServer, inbox: tuple[Inbox, int]
) -> None:
    with httpx.Client(base_url=f"{strict.admin}/api/v1", timeout=60, event_hooks=HELD) as api:
        boss = Person(api, "boss")  # made by the command line, which knows whom it makes
        body = {"username": "newcomer", "email": "new@example.com", "password": PASSWORD}
        assert refusal(api.post("/users/register", json=body)) == (403, "REGISTRATION_CLOSED")
        made = boss.http.post("/invitations", json={}).json()
        assert api.post("/users/register", json={**body, "invitation": made["invitation"]}).status_code == 201
        again = {**body, "username": "other", "email": "other@example.com", "invitation": made["invitation"]}
        assert refusal(api.post("/users/register", json=again)) == (403, "REGISTRATION_CLOSED")
        login = {"username": "newcomer", "password": PASSWORD}
        assert refusal(api.post("/users/login", json=login)) == (403, "EMAIL_NOT_VERIFIED")
        text = inbox[0].last_to("new@example.com")
        assert "https://files.example.com/console/verify?token=" in text
        assert api.post("/users/verify-email", json={"token": token_of(text)}).status_code == 204
        assert api.post("/users/login", json=login).status_code == 200


def test_no_address_is_taken_away_where_one_logs_in_with_a_confirmed_one(strict: RunningServer) -> None:
    with httpx.Client(base_url=f"{strict.admin}/api/v1", timeout=60, event_hooks=HELD) as api:
        boss = Person(api, "boss")
        body = {"username": "unproven", "email": "unproven@example.com", "password": PASSWORD}
        path = f"/users/{boss.http.post('/users', json=body).json()['id']}"
        assert refusal(boss.http.put(path, json={"email": ""})) == (422, "VALIDATION_ERROR")
        assert boss.http.get(path).json()["email"] == "unproven@example.com"


def test_an_invitation_that_was_sent_is_for_that_address_and_confirms_it(
    strict: RunningServer, inbox: tuple[Inbox, int]
) -> None:
    with httpx.Client(base_url=f"{strict.admin}/api/v1", timeout=60, event_hooks=HELD) as api:
        boss = Person(api, "boss")
        assert boss.http.post("/invitations", json={"email": "guest@example.com"}).status_code == 201
        invitation = token_of(inbox[0].last_to("guest@example.com"))
        body = {"username": "guest", "email": "else@example.com", "password": PASSWORD, "invitation": invitation}
        assert refusal(api.post("/users/register", json=body)) == (403, "REGISTRATION_CLOSED")
        made = api.post("/users/register", json={**body, "email": "guest@example.com"})
        assert (made.status_code, made.json()["email_verified"]) == (201, True)
        shown = Person(api, "guest").http.get("/users/me")
        assert (shown.json(), shown.headers["ETag"]) == (made.json(), made.headers["ETag"])
