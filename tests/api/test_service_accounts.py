"""Service accounts by the JSON API: each route for each role, and what a program with a key of one may do."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from s3gw.accounts import service_accounts
from s3gw.accounts.keys import Scope
from s3gw.accounts.login import Caller
from s3gw.accounts.origin import Origin
from s3gw.auth.principal import Principal
from s3gw.metadata import identities
from s3gw.metadata.database import Connection, Database
from s3gw.problems import Conflict
from tests.api.askers import PASSWORD, Person, new_person
from tests.api.test_groups import CREATED, FORBIDDEN, GONE, HIDDEN, OK, UNKNOWN, member_of
from tests.cli.commands import Ask
from tests.gateways import client_of
from tests.servers import RunningServer

INVALID, TAKEN = (422, "VALIDATION_ERROR"), (409, "CONFLICT")
EVERYTHING = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
READS = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}
_numbers = itertools.count()


@pytest.fixture(scope="module")
def people(api: httpx.Client, ask: Ask) -> dict[str, Person]:
    found = {kind: new_person(api, ask, kind) for kind in ("root", "stranger")}
    found |= {role: new_person(api, ask, role, role=role) for role in ("auditor", "admin")}
    return found | {"member": member_of(api, ask, found["root"]), "none": Person("", "", api, {})}


def new_name() -> str:
    return f"service-{next(_numbers)}"


def made(root: Person, **body: Any) -> dict[str, Any]:
    answer = root.ask("POST", "/service-accounts", json={"username": new_name(), **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


ROLES = ("none", "root", "member", "stranger", "auditor", "admin")
# Who may what with a service account of root; "member" is a user of that account. Who has an account makes his own.
OUTCOMES: dict[str, tuple[tuple[int, str], ...]] = {
    "POST /service-accounts": (UNKNOWN, CREATED, FORBIDDEN, CREATED, CREATED, CREATED),
    "GET /service-accounts": (UNKNOWN, OK, OK, OK, OK, OK),
    "GET /service-accounts/{user_id}": (UNKNOWN, OK, OK, HIDDEN, OK, OK),
    "PUT /service-accounts/{user_id}": (UNKNOWN, OK, FORBIDDEN, HIDDEN, FORBIDDEN, OK),
    "DELETE /service-accounts/{user_id}": (UNKNOWN, GONE, FORBIDDEN, HIDDEN, FORBIDDEN, GONE),
}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_what_is_written_down(role: str, people: dict[str, Person]) -> None:
    for route, outcomes in OUTCOMES.items():
        method, path = route.split()
        account = made(people["root"])
        body = {"POST": {"json": {"username": new_name()}}, "PUT": {"json": {"is_active": False}}}.get(method, {})
        answer = people[role].status(method, path.format(user_id=account["id"]), **body)
        assert answer == outcomes[ROLES.index(role)], route


def writes(server: RunningServer, key: dict[str, Any], bucket: str) -> str:
    try:
        s3 = client_of(server, (key["access_key_id"], key["secret_access_key"]))
        s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "written"


def test_a_program_may_what_its_account_s_policy_says_until_that_ends(
    server: RunningServer, people: dict[str, Person], ask: Ask
) -> None:
    root, bucket = people["root"], f"of-services-{people['root'].id[:8]}"
    ask("bucket", "create", bucket, "--owner", root.name)
    account = made(root)
    path = f"/service-accounts/{account['id']}"
    assert (account["owner_id"], account["is_active"], account["policies"]) == (root.id, True, [])
    key = root.ask("POST", "/keys", json={"user_id": account["id"]}).json()
    outcomes = []
    for change in (
        {},
        {"policy": EVERYTHING},
        {"policy": READS},
        {"policy": EVERYTHING, "is_active": False},
        {"is_active": True},
        {"policy": None},
    ):
        assert root.status("PUT", path, json=change) == OK
        outcomes.append(writes(server, key, bucket))
    denied = "AccessDenied"
    assert outcomes == [denied, "written", denied, "AccountProblem", "written", denied]
    assert root.status("PUT", path, json={"policy": EVERYTHING}) == OK
    strangers = f"of-stranger-{people['stranger'].id[:8]}"
    ask("bucket", "create", strangers, "--owner", people["stranger"].name)
    assert writes(server, key, strangers) == denied  # what its user may not, it may not either
    assert root.status("DELETE", path) == GONE
    assert writes(server, key, bucket) == "InvalidAccessKeyId"
    assert root.status("GET", path) == HIDDEN and root.status("DELETE", path) == HIDDEN
    assert root.status("POST", "/keys", json={"user_id": account["id"]}) == HIDDEN


def test_who_is_disabled_has_no_service_account_and_no_user_of_his_account_left(
    server: RunningServer, api: httpx.Client, people: dict[str, Person], ask: Ask
) -> None:
    root, admin = new_person(api, ask, "disabled"), people["admin"]
    bucket, member = f"of-disabled-{root.id[:8]}", member_of(api, ask, root)
    ask("bucket", "create", bucket, "--owner", root.name)
    account = made(root, policy=EVERYTHING)
    key = root.ask("POST", "/keys", json={"user_id": account["id"]}).json()
    assert writes(server, key, bucket) == "written" and member.status("GET", "/users/me") == OK
    login = {"username": member.name, "password": PASSWORD}
    assert admin.status("PUT", f"/users/{root.id}", json={"is_active": False}) == OK
    assert writes(server, key, bucket) == "AccountProblem"
    assert member.status("GET", "/users/me") == UNKNOWN
    assert api.post("/users/login", json=login).status_code == 401
    asked = {"user": account["username"], "bucket": bucket, "key": "key", "action": "s3:PutObject"}
    told = admin.ask("GET", "/access/explain", params=asked).json()
    assert (told["allowed"], told["reason"].endswith("is in, is disabled")) == (False, True)
    assert admin.status("PUT", f"/users/{root.id}", json={"is_active": True}) == OK
    assert writes(server, key, bucket) == "written" and api.post("/users/login", json=login).status_code == 200
    assert member.status("GET", "/users/me") == UNKNOWN  # the session has ended


def test_only_users_without_a_password_are_listed_and_only_those_of_the_account(
    api: httpx.Client, people: dict[str, Person], ask: Ask
) -> None:
    somebody = new_person(api, ask, "owner")
    by_command = f"{somebody.name}-backup"
    ask("user", "create", by_command, "--account", somebody.name)
    human = member_of(api, ask, somebody)
    mine = made(somebody, policy=READS)
    assert [(one["name"], one["document"]) for one in mine["policies"]] == [("service", READS)]
    listed = somebody.ask("GET", "/service-accounts").json()
    assert sorted(one["username"] for one in listed["items"]) == sorted([by_command, mine["username"]])
    assert listed["total"] == 2
    assert somebody.status("GET", f"/service-accounts/{human.id}") == HIDDEN
    assert somebody.status("DELETE", f"/service-accounts/{somebody.id}") == HIDDEN
    everybody = people["admin"].ask("GET", "/service-accounts", params={"per_page": 1000}).json()["items"]
    assert {mine["id"]} < {one["id"] for one in everybody}


def test_what_no_service_account_can_be_is_refused(people: dict[str, Person]) -> None:
    root = people["root"]
    account = made(root)
    for body, outcome in (
        ({"username": "x"}, INVALID),
        ({"username": account["username"]}, TAKEN),
        ({"username": new_name(), "role": "admin"}, INVALID),
        ({"username": new_name(), "owner_id": people["stranger"].id}, INVALID),
        ({"username": new_name(), "policy": {"Version": "2012-10-17"}}, INVALID),
    ):
        assert root.status("POST", "/service-accounts", json=body) == outcome, body
    path = f"/service-accounts/{account['id']}"
    for body in ({"username": new_name()}, {"owner_id": root.id}, {"policy": []}, {"policy": {"Version": "x"}}):
        assert root.status("PUT", path, json=body) == INVALID, body


def test_two_who_change_one_at_the_same_time_lose_nothing(people: dict[str, Person]) -> None:
    root = people["root"]
    path = f"/service-accounts/{made(root)['id']}"
    etag = {"If-Match": root.ask("GET", path).headers["ETag"]}
    assert root.ask("PUT", path, json={"policy": READS}, headers=etag).status_code == 200
    assert root.status("PUT", path, json={"is_active": False}, headers=etag) == (412, "PRECONDITION_FAILED")


@pytest.mark.anyio
async def test_a_user_has_100_service_accounts_at_most(database: Database) -> None:
    def steps(conn: Connection) -> None:
        user = identities.create_user(conn, name="many")
        principal = Principal(user.id, user.canonical_id, user.account_id, user.name, user.role, "", user.id)
        caller = Caller(principal, "session", Origin("api"))
        for number in range(service_accounts.MOST_SERVICE_ACCOUNTS):
            service_accounts._create(conn, caller, f"service-{number}", Scope(None))
        with pytest.raises(Conflict, match="100 service accounts at most"):
            service_accounts._create(conn, caller, "service-100", Scope(None))

    await database.write(steps)
