"""The second factor: enrolled, asked for, good once, limited, and taken away."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from pyotp import TOTP

from tests.api.documented import HELD
from tests.api.people import PASSWORD, Person, refusal
from tests.cli.commands import Ask
from tests.servers import RunningServer

PATH = "/users/me/totp"
_addresses = itertools.count(120)


class Enrolled:
    """Somebody whose logins need a code. Each code of the app is given once."""

    def __init__(self, person: Person) -> None:
        self.person = person
        answer = person.http.post(PATH, json={"password": PASSWORD})
        assert answer.status_code == 201, answer.text
        self.secret, self.uri = answer.json()["secret"], answer.json()["uri"]
        self._step = int(time.time()) // 30 - 1
        answer = person.http.post(f"{PATH}/confirm", json={"totp": self.code()})
        assert answer.status_code == 200, answer.text
        self.recovery_codes: list[str] = answer.json()["recovery_codes"]

    def code(self) -> str:
        """Of the steps that are good just now, the oldest that wasn't given yet."""
        self._step = max(self._step + 1, int(time.time()) // 30 - 1)
        while self._step > int(time.time()) // 30 + 1:
            time.sleep(0.2)
        return TOTP(self.secret).at(self._step * 30)

    def login(self, api: httpx.Client, code: str | None = None, password: str = PASSWORD) -> httpx.Response:
        body = {"username": self.person.name, "password": password}
        return api.post("/users/login", json=body if code is None else body | {"totp": code})


@pytest.fixture
def enrolled(person: Person) -> Enrolled:
    return Enrolled(person)


@pytest.fixture
def elsewhere(server: RunningServer) -> Iterator[httpx.Client]:
    """From an address that no other test is wrong from."""
    transport = httpx.HTTPTransport(local_address=f"127.0.0.{next(_addresses)}")
    with httpx.Client(base_url=f"{server.admin}/api/v1", transport=transport, timeout=60, event_hooks=HELD) as client:
        yield client


def test_a_login_with_the_right_password_needs_a_code_and_each_is_good_once(
    api: httpx.Client, enrolled: Enrolled
) -> None:
    assert refusal(missing := enrolled.login(api)) == (401, "TOTP_REQUIRED")
    assert missing.headers["WWW-Authenticate"] == "Bearer"
    assert refusal(enrolled.login(api, password="wrong")) == (401, "AUTHENTICATION_FAILED")
    code = enrolled.code()
    assert enrolled.login(api, code).status_code == 200
    assert refusal(enrolled.login(api, code)) == (401, "AUTHENTICATION_FAILED")


def test_of_one_code_that_is_given_many_times_at_once_one_is_good(api: httpx.Client, enrolled: Enrolled) -> None:
    """On both workers: the step is used in the transaction that begins the session."""
    code = enrolled.recovery_codes[0]
    with ThreadPoolExecutor(6) as threads:
        statuses = list(threads.map(lambda _: enrolled.login(api, code).status_code, range(6)))
    assert sorted(statuses) == [200, 401, 401, 401, 401, 401]


def test_ten_recovery_codes_are_good_once_each(api: httpx.Client, enrolled: Enrolled) -> None:
    assert len(set(enrolled.recovery_codes)) == 10
    first = enrolled.recovery_codes[0]
    assert enrolled.login(api, first.lower()).status_code == 200
    assert refusal(enrolled.login(api, first)) == (401, "AUTHENTICATION_FAILED")
    state = enrolled.person.http.get(PATH).json()
    assert (state["enabled"], state["recovery_codes"]) == (True, 9)
    renewed = enrolled.person.http.post(
        f"{PATH}/recovery-codes", json={"password": PASSWORD, "totp": enrolled.recovery_codes[1]}
    ).json()["recovery_codes"]
    assert len(renewed) == 10 and not set(renewed) & set(enrolled.recovery_codes)
    assert enrolled.login(api, enrolled.recovery_codes[2]).status_code == 401
    assert enrolled.login(api, renewed[0]).status_code == 200


@pytest.mark.parametrize("where", ["totp", "client_secret", "header"])
def test_the_form_of_oauth2_takes_the_code_where_its_clients_can_put_it(
    api: httpx.Client, enrolled: Enrolled, where: str
) -> None:
    form = {"grant_type": "password", "username": enrolled.person.name, "password": PASSWORD}
    assert refusal(api.post("/users/login", data=form)) == (401, "TOTP_REQUIRED")
    code, options = enrolled.recovery_codes[0], dict[str, Any]()
    if where == "header":
        options["auth"] = ("", code)
    else:
        form[where] = code
    assert api.post("/users/login", data=form, **options).status_code == 200


def test_wrong_codes_count_as_wrong_passwords(elsewhere: httpx.Client, person: Person) -> None:
    """Of a name, from an address that it hasn't logged in from: ten a minute, on both workers together."""
    enrolled = Enrolled(person)
    statuses = [enrolled.login(elsewhere, "000000").status_code for _ in range(6)]
    statuses += [enrolled.login(elsewhere, password="wrong").status_code for _ in range(4)]
    assert statuses == [401] * 10
    assert refusal(enrolled.login(elsewhere, enrolled.code())) == (429, "RATE_LIMITED")
    assert refusal(enrolled.login(elsewhere)) == (429, "RATE_LIMITED")


def test_a_missing_code_is_no_failure(elsewhere: httpx.Client, person: Person) -> None:
    enrolled = Enrolled(person)
    assert [enrolled.login(elsewhere).status_code for _ in range(11)] == [401] * 11
    assert enrolled.login(elsewhere, enrolled.code()).status_code == 200


def test_it_is_asked_for_only_when_it_was_confirmed(api: httpx.Client, person: Person) -> None:
    assert refusal(person.http.post(PATH, json={"password": "wrong"})) == (422, "VALIDATION_ERROR")
    assert refusal(person.http.post(f"{PATH}/confirm", json={"totp": "000000"})) == (409, "CONFLICT")
    first = person.http.post(PATH, json={"password": PASSWORD}).json()["secret"]
    second = person.http.post(PATH, json={"password": PASSWORD}).json()["secret"]
    assert first != second
    assert Person(api, person.name).http.get(PATH).json() == {
        "enabled": False, "confirmed_at": None, "recovery_codes": 0,
    }  # fmt: skip
    assert refusal(person.http.post(f"{PATH}/confirm", json={"totp": TOTP(first).now()}))[0] == 422
    assert person.http.post(f"{PATH}/confirm", json={"totp": TOTP(second).now()}).status_code == 200
    assert refusal(person.http.post(PATH, json={"password": PASSWORD})) == (409, "CONFLICT")


def test_disabling_needs_the_password_and_a_code(api: httpx.Client, enrolled: Enrolled) -> None:
    http, code = enrolled.person.http, enrolled.recovery_codes[0]
    for body, field in (
        ({"password": PASSWORD}, "totp"),
        ({"password": PASSWORD, "totp": "000000"}, "totp"),
        ({"password": "wrong", "totp": code}, "password"),
    ):
        answer = http.delete(PATH, json=body)
        assert refusal(answer) == (422, "VALIDATION_ERROR")
        assert field in answer.json()["errors"][0]["field"]
    assert enrolled.login(api).status_code == 401
    assert http.delete(PATH, json={"password": PASSWORD, "totp": code}).status_code == 204
    assert enrolled.login(api).status_code == 200
    assert http.get(PATH).json()["recovery_codes"] == 0


def test_the_audit_log_tells_of_wrong_codes_of_who_is_logged_in(enrolled: Enrolled, admin: Person) -> None:
    wrong, name = {"password": PASSWORD, "totp": "000000"}, enrolled.person.name
    assert enrolled.person.http.delete(PATH, json=wrong).status_code == 422
    assert enrolled.person.http.post(f"{PATH}/recovery-codes", json=wrong).status_code == 422
    lines = admin.http.get("/audit", params={"resource_type": "user", "resource": name, "outcome": "failed"}).json()
    assert [line["action"] for line in lines["items"]] == ["login", "login"]


def test_an_admin_resets_that_of_others_and_not_its_own(api: httpx.Client, enrolled: Enrolled, admin: Person) -> None:
    assert refusal(admin.http.delete(f"/users/{admin.id}/totp")) == (403, "PERMISSION_DENIED")
    assert admin.http.delete(f"/users/{enrolled.person.id}/totp").status_code == 204
    assert enrolled.login(api).status_code == 200


def test_the_command_line_tells_of_it_and_resets_it(api: httpx.Client, enrolled: Enrolled, ask: Ask) -> None:
    shown = ask("user", "totp", "show", enrolled.person.name)
    assert (shown["enabled"], shown["recovery_codes"]) == (True, 10)
    assert ask("user", "totp", "reset", enrolled.person.name)["enabled"] is False
    assert enrolled.login(api).status_code == 200
