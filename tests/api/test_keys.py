"""Access keys by the JSON API: each route for each role, and what a key that was made, narrowed or disabled may do."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from s3gw import key_uses
from s3gw.accounts import keys
from s3gw.accounts.login import Caller
from s3gw.accounts.origin import Origin
from s3gw.auth.credentials import Credentials
from s3gw.auth.principal import Principal
from s3gw.key_uses import KeyUses
from s3gw.metadata import identities
from s3gw.metadata import key_uses as stored_uses
from s3gw.metadata.database import Connection, Database
from s3gw.problems import Conflict
from tests.api.askers import Person, new_person
from tests.cli.commands import Ask
from tests.gateways import client_of
from tests.postgresql import keep_in_threads
from tests.servers import RunningServer

OK, CREATED, GONE = (200, ""), (201, ""), (204, "")
UNKNOWN, HIDDEN, INVALID = (401, "AUTHENTICATION_FAILED"), (404, "NOT_FOUND"), (422, "VALIDATION_ERROR")
READS = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:List*", "Resource": "*"}}


@pytest.fixture(scope="module")
def people(api: httpx.Client, ask: Ask) -> dict[str, Person]:
    """`member` is in the account of `root`; nobody registers as one."""
    found = {kind: new_person(api, ask, kind) for kind in ("root", "stranger")}
    found |= {role: new_person(api, ask, role, role=role) for role in ("auditor", "admin")}
    name = f"member-of-{found['root'].name}"
    member = ask("user", "create", name, "--account", found["root"].name)
    return found | {"member": Person(name, member["id"], api, {}), "none": Person("", "", api, {})}


def made(person: Person, **body: Any) -> dict[str, Any]:
    answer = person.ask("POST", "/keys", json=body)
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


def client(server: RunningServer, key: dict[str, Any]) -> Any:
    return client_of(server, (key["access_key_id"], key["secret_access_key"]))


def lists(s3: Any) -> str:
    try:
        s3.list_buckets()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "listed"


ROLES = ("none", "root", "stranger", "auditor", "admin")
# Who may what with the keys of a user of the root's account.
OUTCOMES = {
    "create": (UNKNOWN, CREATED, HIDDEN, HIDDEN, CREATED),
    "list": (UNKNOWN, OK, HIDDEN, HIDDEN, OK),
    "show": (UNKNOWN, OK, HIDDEN, HIDDEN, OK),
    "change": (UNKNOWN, OK, HIDDEN, HIDDEN, OK),
    "delete": (UNKNOWN, GONE, HIDDEN, HIDDEN, GONE),
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("route", OUTCOMES)
def test_each_role_may_what_is_written_down(route: str, role: str, people: dict[str, Person]) -> None:
    member, root = people["member"], people["root"]
    key = made(root, user_id=member.id)
    path = f"/keys/{key['access_key_id']}"
    method, path, options = {
        "create": ("POST", "/keys", {"json": {"user_id": member.id}}),
        "list": ("GET", "/keys", {"params": {"user_id": member.id}}),
        "show": ("GET", path, {}),
        "change": ("PUT", path, {"json": {"is_active": False}}),
        "delete": ("DELETE", path, {}),
    }[route]
    try:
        assert people[role].status(method, path, **options) == OUTCOMES[route][ROLES.index(role)]
    finally:
        for left in root.ask("GET", "/keys", params={"user_id": member.id}).json()["items"]:
            root.ask("DELETE", f"/keys/{left['access_key_id']}")


def test_a_key_signs_at_once_until_it_is_disabled_or_deleted(server: RunningServer, people: dict[str, Person]) -> None:
    root = people["root"]
    key = made(root, description="laptop")
    assert (key["description"], key["is_active"], key["user_id"]) == ("laptop", True, root.id)
    path, s3 = f"/keys/{key['access_key_id']}", client(server, key)
    assert lists(s3) == "listed"
    for change, outcome in (
        ({"is_active": False}, "InvalidAccessKeyId"),
        ({"is_active": True}, "listed"),
        ({"expires_at": (datetime.now(UTC) + timedelta(seconds=0.6)).isoformat()}, "InvalidAccessKeyId"),
        ({"expires_at": None}, "listed"),
    ):
        assert root.status("PUT", path, json=change) == OK
        time.sleep(0.7 if change.get("expires_at") else 0)
        assert lists(s3) == outcome
    assert root.status("DELETE", path) == GONE
    assert lists(s3) == "InvalidAccessKeyId"
    assert root.status("DELETE", path) == HIDDEN


def test_a_secret_is_told_once(people: dict[str, Person]) -> None:
    root = people["root"]
    key = made(root)
    listed = root.ask("GET", "/keys", params={"per_page": 1000})
    assert key["secret_access_key"] not in listed.text
    assert key["access_key_id"] in [one["access_key_id"] for one in listed.json()["items"]]
    assert "secret_access_key" not in root.ask("PUT", f"/keys/{key['access_key_id']}", json={}).json()


def test_a_policy_narrows_a_key_and_can_give_it_nothing(server: RunningServer, people: dict[str, Person]) -> None:
    root, member = people["root"], people["member"]
    narrowed = made(root, policy=READS)
    (scope,) = narrowed["policies"]
    assert (scope["name"], scope["document"]) == ("scope", READS)
    assert scope["statements"][0]["does"] == ["list", "read_settings"]
    s3, name = client(server, narrowed), f"narrowed-{root.id[:8]}"
    assert lists(s3) == "listed"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.create_bucket(Bucket=name)
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    of_member = made(root, user_id=member.id, policy=everything)
    assert lists(client(server, of_member)) == "AccessDenied"  # the member may nothing


def test_a_scope_is_changed_and_taken_away_and_counts_at_once(
    server: RunningServer, people: dict[str, Person], ask: Ask
) -> None:
    """All policies of a key make room for it, so it is what it says; each is told by the audit log."""
    root = people["root"]
    key = made(root, policy=READS)
    path, s3, key_id = f"/keys/{key['access_key_id']}", client(server, key), key["access_key_id"]
    writes = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Put*", "Resource": "*"}}
    ask("policy", "put", "--key", key_id, "-", "--name", "other", input=json.dumps(READS))
    etag = root.ask("GET", path).headers["ETag"]
    changed = root.ask("PUT", path, json={"policy": writes}, headers={"If-Match": etag})
    assert changed.status_code == 200
    assert [(one["name"], one["document"]) for one in changed.json()["policies"]] == [("scope", writes)]
    assert changed.headers["ETag"] != etag
    assert root.status("PUT", path, json={"policy": None}, headers={"If-Match": etag})[0] == 412
    assert lists(s3) == "AccessDenied"
    assert root.ask("PUT", path, json={"is_active": True}).json()["policies"] == changed.json()["policies"]
    assert root.ask("PUT", path, json={"policy": None}).json()["policies"] == []
    assert lists(s3) == "listed"
    told = [line["action"] for line in ask("audit", "list", "--action", "key.policy") if key_id in line["resource"]]
    assert told == [f"key.policy.{verb}" for verb in ("delete", "put", "delete", "put", "put")]


def test_a_scope_never_widens_what_a_user_may(server: RunningServer, people: dict[str, Person]) -> None:
    root, member = people["root"], people["member"]
    key = made(root, user_id=member.id, policy=READS)
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    for scope in (everything, None):
        assert root.status("PUT", f"/keys/{key['access_key_id']}", json={"policy": scope}) == OK
        assert lists(client(server, key)) == "AccessDenied"  # the member may nothing
    for nonsense in ({"Version": "2012-10-17"}, [], "x"):
        assert root.status("PUT", f"/keys/{key['access_key_id']}", json={"policy": nonsense}) == INVALID


def test_what_no_key_can_be_is_refused(people: dict[str, Person]) -> None:
    root = people["root"]
    for body in (
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"expires_at": "2099-01-01T00:00:00"},
        {"policy": {"Version": "2012-10-17"}},
        {"policy": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*"}}},
        {"description": "x" * 257},
        {"description": "\0"},
        {"is_active": False},
        {"access_key_id": "AKIAMINE"},
    ):
        assert root.status("POST", "/keys", json=body) == INVALID, body
    key = made(root)
    for change in ({"expires_at": "2001-01-01T00:00:00Z"}, {"user_id": root.id}, {"policies": []}):
        assert root.status("PUT", f"/keys/{key['access_key_id']}", json=change) == INVALID, change
    for nobody in ("%00", "none", "x" * 200):
        assert root.status("DELETE", f"/keys/{nobody}") == HIDDEN
    assert root.status("POST", "/keys", json={"user_id": "none"}) == HIDDEN


def test_the_last_use_of_a_key_is_told(server: RunningServer, people: dict[str, Person]) -> None:
    root = people["root"]
    key = made(root)

    def last_used() -> str | None:
        items = root.ask("GET", "/keys", params={"per_page": 1000}).json()["items"]
        found: list[str | None] = [one["last_used_at"] for one in items if one["access_key_id"] == key["access_key_id"]]
        return found[0]

    before = datetime.now(UTC) - timedelta(seconds=1)
    assert lists(client_of(server, (key["access_key_id"], "not-its-secret"))) == "SignatureDoesNotMatch"
    assert lists(client(server, key)) == "listed"
    deadline = time.monotonic() + 20
    while last_used() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    told = last_used()
    assert told is not None and before <= datetime.fromisoformat(told) <= datetime.now(UTC)


def _user_with_key(conn: Connection) -> str:
    user = identities.create_user(conn, name="someone")
    return identities.create_key(conn, user=user.id, access_key_id="AKIASOME", sealed_secret=b"").access_key_id


@pytest.mark.anyio
async def test_a_last_use_is_written_once_a_minute_however_many_processes_see_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await database.write(_user_with_key)
    writes: list[dict[str, int]] = []
    note_uses = stored_uses.note_uses

    def noted(conn: Connection, uses: dict[str, int], within: int) -> None:
        writes.append(uses)
        note_uses(conn, uses, within)

    keep_in_threads(database)  # where it is begun once
    monkeypatch.setattr(stored_uses, "note_uses", noted)
    first, second, at = KeyUses(database), KeyUses(database), time.time()

    async def used(uses: KeyUses, after: float) -> float:
        uses.last[key] = at + after
        await uses.write()
        found = (await database.scan(identities.find_key, key)).last_used_at
        assert found is not None
        return round(found / 1_000_000 - at)

    assert [await used(first, 0), await used(first, 59), await used(second, 30)] == [0, 0, 0]
    assert len(writes) == 2
    assert await used(first, 61) == 61
    assert await used(second, 70) == 61
    assert not first.last and len(writes) == 3


@pytest.mark.anyio
async def test_what_is_left_is_written_at_the_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_uses, "_PAUSE", 3600)
    key = await database.write(_user_with_key)
    uses = KeyUses(database)
    async with uses.written():
        await asyncio.sleep(0)
        uses.last[key] = time.time()
    assert (await database.scan(identities.find_key, key)).last_used_at is not None


@pytest.mark.anyio
async def test_a_user_has_100_keys_at_most(database: Database) -> None:
    made_before: list[int] = []

    def make_one_more(conn: Connection) -> None:
        user = identities.create_user(conn, name="someone")
        principal = Principal(user.id, user.canonical_id, user.account_id, user.name, "user", "", user.id)
        caller = Caller(principal, "session", Origin("api"))
        for number in range(101):
            made_before.append(number)
            wanted = keys.Wanted(None, "", None, None)
            keys._create(conn, Credentials(bytes(32)), caller, wanted, f"AKIA{number}", "secret")

    with pytest.raises(Conflict, match="100 access keys at most"):
        await database.write(make_one_more)
    assert made_before[-1] == 100


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-23:59", "9999-01-01T00:00:00Z", "1969-12-31T23:59:59Z"])
def test_a_time_that_can_not_be_told_again_makes_no_key(people: dict[str, Person], time: str) -> None:
    root = people["root"]
    before = root.ask("GET", "/keys").json()["total"]
    assert root.status("POST", "/keys", json={"expires_at": time}) == INVALID
    last = made(root, expires_at="9998-12-31T23:59:59Z")
    listed = root.ask("GET", "/keys", params={"per_page": 1000}).json()
    assert (listed["total"], last["expires_at"]) == (before + 1, "9998-12-31T23:59:59Z")


@pytest.mark.parametrize("where", ["Id", "Resource"])
def test_half_a_character_in_a_policy_makes_no_key(people: dict[str, Person], where: str) -> None:
    policy = {**READS, "Statement": {**READS["Statement"]}}
    (policy if where == "Id" else policy["Statement"])[where] = "arn:aws:s3:::b/\ud800*"
    root = people["root"]
    before = root.ask("GET", "/keys").json()["total"]
    content = json.dumps({"policy": policy})  # escaped, as JSON may have it
    answer = root.api.post("/keys", content=content, headers={**root.headers, "Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error_code"]) == INVALID
    assert root.ask("GET", "/keys").json()["total"] == before
