"""Groups by the JSON API: each route for each role, changes that don't get lost, and what a grant to a group gives."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import httpx
import pytest

from tests.api.askers import PASSWORD, Person, new_person
from tests.cli.commands import Ask
from tests.gateways import client_of
from tests.gateways import refusal as refused
from tests.servers import RunningServer

OK, CREATED, GONE = (200, ""), (201, ""), (204, "")
UNKNOWN, HIDDEN, FORBIDDEN = (401, "AUTHENTICATION_FAILED"), (404, "NOT_FOUND"), (403, "PERMISSION_DENIED")
_numbers = itertools.count()


def member_of(api: httpx.Client, ask: Ask, root: Person) -> Person:
    """A user in its account, who has logged in."""
    name = f"{root.name}-user-{next(_numbers)}"
    made = ask("user", "create", name, "--account", root.name, "--password", PASSWORD)
    tokens = api.post("/users/login", json={"username": name, "password": PASSWORD}).json()
    return Person(name, made["id"], api, {"Authorization": f"Bearer {tokens['access_token']}"})


@pytest.fixture(scope="module")
def people(api: httpx.Client, ask: Ask) -> dict[str, Person]:
    found = {kind: new_person(api, ask, kind) for kind in ("root", "stranger")}
    found |= {role: new_person(api, ask, role, role=role) for role in ("auditor", "admin")}
    return found | {"member": member_of(api, ask, found["root"]), "none": Person("", "", api, {})}


def new_group(root: Person) -> dict[str, Any]:
    answer = root.ask("POST", "/groups", json={"name": f"group-{next(_numbers)}"})
    assert answer.status_code == 201, answer.text
    group: dict[str, Any] = answer.json()
    return group


ROLES = ("none", "root", "member", "stranger", "auditor", "admin")
# Who may what with a group of the root's account; "member" is a user of that account.
OUTCOMES: dict[str, tuple[tuple[int, str], ...]] = {
    "POST /groups": (UNKNOWN, CREATED, FORBIDDEN, CREATED, CREATED, CREATED),
    "GET /groups": (UNKNOWN, OK, OK, OK, OK, OK),
    "GET /groups/{group_id}": (UNKNOWN, OK, OK, HIDDEN, OK, OK),
    "PUT /groups/{group_id}": (UNKNOWN, OK, FORBIDDEN, HIDDEN, FORBIDDEN, OK),
    "PUT /groups/{group_id}/members/{user_id}": (UNKNOWN, OK, FORBIDDEN, HIDDEN, FORBIDDEN, OK),
    "DELETE /groups/{group_id}/members/{user_id}": (UNKNOWN, GONE, FORBIDDEN, HIDDEN, FORBIDDEN, GONE),
    "DELETE /groups/{group_id}": (UNKNOWN, GONE, FORBIDDEN, HIDDEN, FORBIDDEN, GONE),
}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_what_is_written_down(role: str, people: dict[str, Person]) -> None:
    for route, outcomes in OUTCOMES.items():
        method, path = route.split()
        group, member = new_group(people["root"]), people["member"]
        target = path.format(group_id=group["id"], user_id=member.id)
        if method == "DELETE" and "members" in path:
            assert people["root"].ask("PUT", target).status_code == 200
        body = {"json": {"name": f"group-{next(_numbers)}"}} if path.count("/") < 3 and method != "GET" else {}
        answer = people[role].status(method, target, **body if method in ("POST", "PUT") else {})
        assert answer == outcomes[ROLES.index(role)], route
        assert people["admin"].ask("DELETE", f"/groups/{group['id']}").status_code in (204, 404)


def test_a_group_has_the_users_of_its_account_alone(people: dict[str, Person]) -> None:
    root, member = people["root"], people["member"]
    group = new_group(root)
    members = f"/groups/{group['id']}/members"
    added = root.ask("PUT", f"{members}/{member.id}").json()
    assert added["members"] == [{"user_id": member.id, "username": member.name}]
    assert (added["owner_id"], added["name"]) == (root.id, group["name"])
    assert root.ask("PUT", f"{members}/{member.id}").json() == added  # again
    for other in (people["stranger"].id, uuid.uuid4()):
        answer = root.ask("PUT", f"{members}/{other}")
        assert (answer.status_code, answer.json()["detail"]) == (404, "there is no such user in the group's account")
    assert root.status("PUT", f"{members}/{root.id}") == (422, "VALIDATION_ERROR")
    assert people["admin"].status("PUT", f"{members}/{people['stranger'].id}") == (422, "VALIDATION_ERROR")
    assert root.status("DELETE", f"{members}/{root.id}") == HIDDEN
    assert root.status("DELETE", f"{members}/{member.id}") == GONE
    assert root.ask("GET", f"/groups/{group['id']}").json()["members"] == []


def test_a_deleted_member_can_be_taken_out_and_none_be_added(
    api: httpx.Client, ask: Ask, people: dict[str, Person]
) -> None:
    root, group, member = people["root"], new_group(people["root"]), member_of(api, ask, people["root"])
    path = f"/groups/{group['id']}/members/{member.id}"
    assert root.ask("PUT", path).status_code == 200
    assert people["admin"].status("DELETE", f"/users/{member.id}") == GONE
    assert root.status("DELETE", path) == GONE
    assert root.status("DELETE", path) == HIDDEN and root.status("PUT", path) == HIDDEN
    assert people["admin"].ask("POST", f"/users/{member.id}/restore").status_code == 200
    assert root.ask("GET", f"/groups/{group['id']}").json()["members"] == []


def test_a_rename_that_is_based_on_an_old_state_is_refused(people: dict[str, Person]) -> None:
    root, group = people["root"], new_group(people["root"])
    path = f"/groups/{group['id']}"
    old = root.ask("GET", path).headers["ETag"]
    added = root.ask("PUT", f"{path}/members/{people['member'].id}")
    new = {"name": f"{group['name']}-2"}
    stale = {"headers": {**root.headers, "If-Match": old}, "json": new}
    assert root.api.put(path, **stale).status_code == 412
    fresh = {"headers": {**root.headers, "If-Match": added.headers["ETag"]}, "json": new}
    renamed = root.api.put(path, **fresh)
    assert (renamed.status_code, renamed.json()["name"]) == (200, new["name"])
    assert renamed.headers["ETag"] not in (old, added.headers["ETag"])
    other = new_group(root)
    assert root.status("PUT", path, json={"name": other["name"]}) == (409, "CONFLICT")
    assert root.status("POST", "/groups", json={"name": other["name"]}) == (409, "CONFLICT")


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "a\0"])
def test_what_a_group_can_not_be_called_is_refused(people: dict[str, Person], name: str) -> None:
    assert people["root"].status("POST", "/groups", json={"name": name}) == (422, "VALIDATION_ERROR")
    group = new_group(people["root"])
    assert people["root"].status("PUT", f"/groups/{group['id']}", json={"name": name}) == (422, "VALIDATION_ERROR")
    wrong = {"name": "good", "owner_id": people["root"].id}
    assert people["root"].status("POST", "/groups", json=wrong) == (422, "VALIDATION_ERROR")


def test_groups_are_listed_in_pages(api: httpx.Client, ask: Ask, people: dict[str, Person]) -> None:
    root = new_person(api, ask, "lister")
    made = [new_group(root) for _ in range(3)]
    first = root.ask("GET", "/groups", params={"per_page": 2}).json()
    assert (first["total"], first["page"], first["per_page"]) == (3, 1, 2)
    second = root.ask("GET", "/groups", params={"per_page": 2, "cursor": first["next_cursor"]}).json()
    assert first["items"] + second["items"] == sorted(made, key=lambda group: str(group["name"]))
    assert root.ask("GET", "/groups", params={"per_page": 2, "page": 2}).json()["items"] == second["items"]
    everybodys = people["auditor"].ask("GET", "/groups", params={"per_page": 1000}).json()["items"]
    assert {group["id"] for group in made} <= {group["id"] for group in everybodys}


def test_what_is_shared_with_a_group_its_members_have_at_once(
    server: RunningServer, api: httpx.Client, ask: Ask, people: dict[str, Person]
) -> None:
    root, group = people["root"], new_group(people["root"])
    member = member_of(api, ask, root)
    key = ask("key", "create", member.name)
    s3 = client_of(server, (key["access_key_id"], key["secret_access_key"]))
    bucket = ask("bucket", "create", f"shared-{member.name}", "--owner", root.name)["name"]
    path = f"/buckets/{ask('bucket', 'show', bucket)['id']}"
    shared = root.ask("POST", f"{path}/share", json={"group_id": group["id"], "permission": "read"})
    assert (shared.status_code, shared.json()["group_id"], shared.json()["user_id"]) == (201, group["id"], None)
    assert refused(s3.list_objects_v2, Bucket=bucket) == (403, "AccessDenied")
    members = f"/groups/{group['id']}/members/{member.id}"
    assert root.ask("PUT", members).status_code == 200
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert root.ask("PUT", f"/groups/{group['id']}", json={"name": f"{group['name']}-2"}).status_code == 200
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert root.status("DELETE", members) == GONE
    assert refused(s3.list_objects_v2, Bucket=bucket) == (403, "AccessDenied")
    stranger = people["stranger"]
    theirs = ask("bucket", "create", f"theirs-{member.name}", "--owner", stranger.name)["name"]
    path = f"/buckets/{ask('bucket', 'show', theirs)['id']}/share"
    assert stranger.status("POST", path, json={"group_id": group["id"], "permission": "read"}) == HIDDEN


def test_an_admin_makes_a_user_in_an_account_for_its_groups(people: dict[str, Person], api: httpx.Client) -> None:
    root, admin, group = people["root"], people["admin"], new_group(people["root"])
    name = f"in-account-{next(_numbers)}"
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD, "owner_id": root.id}
    made = admin.ask("POST", "/users", json=body)
    assert (made.status_code, made.json()["owner_id"]) == (201, root.id)
    assert root.status("PUT", f"/groups/{group['id']}/members/{made.json()['id']}") == OK
    tokens = api.post("/users/login", json={"username": name, "password": PASSWORD}).json()
    member = Person(name, made.json()["id"], api, {"Authorization": f"Bearer {tokens['access_token']}"})
    assert member.ask("GET", f"/groups/{group['id']}").json()["members"][0]["user_id"] == member.id
    other = {**body, "username": f"{name}-2", "email": f"{name}-2@example.com"}
    for owner_id, role in ((member.id, "user"), (str(uuid.uuid4()), "user"), (root.id, "admin")):
        asked = {**other, "owner_id": owner_id, "role": role}
        assert admin.status("POST", "/users", json=asked) == (422, "VALIDATION_ERROR")
    assert root.status("POST", "/users", json=other) == FORBIDDEN


def test_a_name_is_an_account_s_and_another_account_may_have_it_too(people: dict[str, Person], ask: Ask) -> None:
    root, stranger, name = people["root"], people["stranger"], f"group-{next(_numbers)}"
    mine, theirs = (person.ask("POST", "/groups", json={"name": name}).json() for person in (root, stranger))
    assert (mine["name"], mine["owner_id"], theirs["owner_id"]) == (name, root.id, stranger.id)
    assert root.status("POST", "/groups", json={"name": name}) == (409, "CONFLICT")
    member = ask("user", "create", f"{root.name}-twin", "--account", root.name)["id"]
    assert root.status("PUT", f"/groups/{mine['id']}/members/{member}") == OK
    other = f"group-{next(_numbers)}"
    assert root.ask("PUT", f"/groups/{mine['id']}", json={"name": other}).json()["name"] == other
    assert root.status("PUT", f"/groups/{mine['id']}", json={"name": name}) == OK
    assert stranger.ask("GET", f"/groups/{theirs['id']}").json() == theirs
    assert stranger.status("DELETE", f"/groups/{theirs['id']}") == GONE
    assert root.ask("GET", f"/groups/{mine['id']}").json()["members"] == [
        {"user_id": member, "username": f"{root.name}-twin"}
    ]
