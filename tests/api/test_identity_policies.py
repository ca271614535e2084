"""Policies of users and groups by the JSON API: each route for each role, what one gives by the next request, what is
refused, and that of two who make the same one it is the second who is told.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from s3gw.access.parse import LARGEST_OF_IDENTITY
from s3gw.metadata.identity_policies import MOST_POLICIES
from tests.api.askers import Person, new_person
from tests.api.test_groups import FORBIDDEN, GONE, HIDDEN, OK, UNKNOWN, member_of
from tests.cli.commands import Ask
from tests.gateways import client_of
from tests.servers import RunningServer

INVALID, TAKEN, STALE = (422, "VALIDATION_ERROR"), (409, "CONFLICT"), (412, "PRECONDITION_FAILED")
ROLES = ("none", "root", "member", "stranger", "auditor", "admin")
SEEN = (UNKNOWN, OK, OK, HIDDEN, OK, OK)
PUT = (UNKNOWN, OK, FORBIDDEN, HIDDEN, FORBIDDEN, OK)
REMOVED = (UNKNOWN, GONE, FORBIDDEN, HIDDEN, FORBIDDEN, GONE)
# Who may what with a policy of `member`, a user of root's account, or of a group there.
OUTCOMES: dict[str, tuple[tuple[int, str], ...]] = {
    f"{method} {holder}{rest}": outcomes
    for holder in ("/users/{user_id}/policies", "/groups/{group_id}/policies")
    for method, rest, outcomes in (
        ("GET", "", SEEN),
        ("GET", "/{policy_name}", SEEN),
        ("PUT", "/{policy_name}", PUT),
        ("DELETE", "/{policy_name}", REMOVED),
    )
} | {"POST /policies/check": (UNKNOWN, OK, OK, OK, OK, OK)}
_numbers = itertools.count()


def reads(resource: str = "*", **more: Any) -> dict[str, Any]:
    statement = {"Sid": "read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource, **more}
    return {"policy": {"Version": "2012-10-17", "Statement": [statement]}}


@pytest.fixture(scope="module")
def people(api: httpx.Client, ask: Ask) -> dict[str, Person]:
    found = {kind: new_person(api, ask, kind) for kind in ("root", "stranger")}
    found |= {role: new_person(api, ask, role, role=role) for role in ("auditor", "admin")}
    return found | {"member": member_of(api, ask, found["root"]), "none": Person("", "", api, {})}


@pytest.fixture(params=["user", "group"])
def holder(request: pytest.FixtureRequest, people: dict[str, Person], ask: Ask) -> str:
    """The path of its policies; of the group `member` is one."""
    root, name = people["root"], f"held-{next(_numbers)}"
    if request.param == "user":
        return f"/users/{ask('user', 'create', name, '--account', root.name)['id']}/policies"
    group = root.ask("POST", "/groups", json={"name": name}).json()["id"]
    return f"/groups/{group}/policies"


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_what_is_written_down(role: str, people: dict[str, Person]) -> None:
    root, member = people["root"], people["member"]
    group = root.ask("POST", "/groups", json={"name": f"held-{next(_numbers)}"}).json()["id"]
    for route, outcomes in OUTCOMES.items():
        method, path = route.split()
        target = path.format(user_id=member.id, group_id=group, policy_name="reads")
        if "policy_name" in path:
            assert root.ask("PUT", target, json=reads()).status_code == 200
        body = {"json": reads()} if method in ("PUT", "POST") else {}
        assert people[role].status(method, target, **body) == outcomes[ROLES.index(role)], route


def test_what_a_policy_gives_counts_from_the_next_request_on(
    server: RunningServer, people: dict[str, Person], api: httpx.Client, ask: Ask
) -> None:
    root, user = people["root"], member_of(api, ask, people["root"])
    bucket = root.ask("POST", "/buckets", json={"name": f"held-{next(_numbers)}-{root.id[:13]}"}).json()
    root.ask("POST", f"/buckets/{bucket['id']}/files", params={"path": "a"}, content=b"x")
    key = user.ask("POST", "/keys", json={}).json()
    client = client_of(server, (key["access_key_id"], key["secret_access_key"]))
    group = root.ask("POST", "/groups", json={"name": f"held-{next(_numbers)}"}).json()["id"]
    root.ask("PUT", f"/groups/{group}/members/{user.id}")

    def may_read() -> bool:
        try:
            client.get_object(Bucket=bucket["name"], Key="a")
        except ClientError as error:
            return bool(error.response["Error"]["Code"] != "AccessDenied")
        return True

    policy = reads(f"arn:aws:s3:::{bucket['name']}/*")
    assert not may_read()
    for held in (f"/users/{user.id}/policies/reads", f"/groups/{group}/policies/reads"):
        assert root.status("PUT", held, json=policy) == OK
        assert may_read()
        assert root.status("PUT", held, json=reads("arn:aws:s3:::another/*")) == OK
        assert not may_read()
        assert root.status("PUT", held, json=policy) == OK
        assert root.status("DELETE", held) == GONE
        assert not may_read()


def test_a_policy_is_told_as_it_was_put_and_in_words(people: dict[str, Person], holder: str) -> None:
    root, text = people["root"], json.dumps(reads()["policy"], indent=3)
    put = root.ask("PUT", f"{holder}/of.text", json={"policy": text})
    assert put.status_code == 200, put.text
    told = put.json()
    assert (told["name"], told["text"], told["policy"]) == ("of.text", text, reads()["policy"])
    assert [one["who"] for one in told["statements"]] == [[{"kind": "holder", "name": ""}]]
    assert told["is_valid"] and not told["is_public"] and told["findings"] == []
    again = root.ask("GET", f"{holder}/of.text")
    assert (again.json(), again.headers["ETag"]) == (told, put.headers["ETag"])
    root.ask("PUT", f"{holder}/another", json=reads())
    listed = root.ask("GET", holder).json()
    assert ([one["name"] for one in listed["items"]], listed["total"]) == (["another", "of.text"], 2)
    first = root.ask("GET", holder, params={"per_page": 1}).json()
    assert [one["name"] for one in first["items"]] == ["another"] and first["next_cursor"]


def test_what_is_no_policy_is_refused_with_all_that_is_wrong_with_it(people: dict[str, Person], holder: str) -> None:
    root = people["root"]
    for wrong in ("{", '{"Statement": []}', reads(Principal="*")["policy"], reads(Action="x")["policy"]):
        checked = root.ask("POST", "/policies/check", json={"policy": wrong}).json()
        assert checked["is_valid"] is False and any(one["severity"] == "error" for one in checked["findings"])
        answer = root.ask("PUT", f"{holder}/wrong", json={"policy": wrong})
        assert (answer.status_code, answer.json()["error_code"]) == INVALID
        assert [one["field"] for one in answer.json()["errors"]] == ["policy"]
    assert root.ask("GET", holder).json()["total"] == 0
    half = json.dumps(reads(Sid="x"))[:-1] + ', "more": "\\ud800"}'
    for body in ('{"policy": {"Statement": "\\ud800"}}', '{"policy": {"Statement": "\\u0000"}}', half):
        headers = {"Content-Type": "application/json"}
        assert root.status("PUT", f"{holder}/wrong", content=body, headers=headers) == INVALID


@pytest.mark.parametrize("name", ["a b", "ä", "x" * 129, "a%2Fb", "a%0A", "%2e%2e", "%00"])
def test_what_is_no_name_is_refused(people: dict[str, Person], holder: str, name: str) -> None:
    answer = people["root"].status("PUT", f"{holder}/{name}", json=reads())
    assert answer in (INVALID, HIDDEN, (405, "METHOD_NOT_ALLOWED"))
    assert people["root"].ask("GET", holder).json()["total"] == 0


def test_a_policy_has_so_many_characters_and_a_holder_so_many_policies(people: dict[str, Person], holder: str) -> None:
    root = people["root"]
    empty = len(json.dumps(reads("arn:aws:s3:::")["policy"], separators=(",", ":")))
    for more, expected in ((0, OK), (1, INVALID)):
        longest = reads("arn:aws:s3:::" + "x" * (LARGEST_OF_IDENTITY - empty + more))
        assert root.status("PUT", f"{holder}/p0", json=longest) == expected
    for number in range(MOST_POLICIES):
        assert root.status("PUT", f"{holder}/p{number}", json=reads()) == OK
    assert root.status("PUT", f"{holder}/more", json=reads()) == TAKEN
    assert root.status("PUT", f"{holder}/p0", json=reads()) == OK


def test_a_change_is_refused_of_what_is_not_as_it_was_seen(people: dict[str, Person], holder: str) -> None:
    root, path = people["root"], f"{holder}/shared"
    new, any_tag = {"If-None-Match": "*"}, {"If-Match": "*"}
    assert root.status("PUT", path, json=reads(), headers=any_tag) == STALE
    made = root.ask("PUT", path, json=reads(), headers=new)
    assert made.status_code == 200
    assert root.status("PUT", path, json=reads(), headers=new) == STALE
    seen = {"If-Match": made.headers["ETag"]}
    assert root.status("PUT", path, json=reads("arn:aws:s3:::x"), headers=seen) == OK
    for method, body in (("PUT", {"json": reads()}), ("DELETE", {})):
        assert root.status(method, path, headers=seen, **body) == STALE
    assert root.ask("GET", path).json()["policy"] == reads("arn:aws:s3:::x")["policy"]
    assert root.status("DELETE", path, headers=any_tag) == GONE
    for method in ("GET", "DELETE"):
        assert root.status(method, path) == HIDDEN


def test_who_has_an_account_of_his_own_has_no_policies(people: dict[str, Person]) -> None:
    root, admin = people["root"], people["admin"]
    path = f"/users/{root.id}/policies"
    for asker in (root, admin):
        assert asker.ask("GET", path).json()["items"] == []
        assert asker.status("PUT", f"{path}/reads", json=reads()) == TAKEN
        assert asker.status("DELETE", f"{path}/reads") == HIDDEN


def test_of_a_deleted_user_nothing_is_told(people: dict[str, Person], api: httpx.Client, ask: Ask) -> None:
    gone = member_of(api, ask, people["root"])
    path = f"/users/{gone.id}/policies"
    assert people["root"].status("PUT", f"{path}/reads", json=reads()) == OK
    assert people["admin"].status("DELETE", f"/users/{gone.id}") == GONE
    assert people["admin"].status("GET", path) == HIDDEN
    assert people["root"].status("PUT", f"{path}/reads", json=reads()) == HIDDEN


def test_each_change_has_its_line_in_the_audit_log(people: dict[str, Person], holder: str) -> None:
    root, admin = people["root"], people["admin"]
    name, kind = f"audited-{next(_numbers)}", holder.split("/")[1].removesuffix("s")
    root.ask("PUT", f"{holder}/{name}", json=reads())
    root.ask("PUT", f"{holder}/{name}", json=reads("arn:aws:s3:::x"))
    root.ask("PUT", f"{holder}/{name}", json={"policy": "{"})
    admin.ask("DELETE", f"{holder}/{name}")
    lines = admin.ask("GET", "/audit", params={"resource_type": "policy", "per_page": 100}).json()["items"]
    ours = [line for line in lines if line["resource"].endswith(f"/{name}")]
    told = [(line["action"], line["actor"], bool(line["before"]), bool(line["after"])) for line in reversed(ours)]
    assert told == [
        (f"{kind}.policy.put", root.name, False, True),
        (f"{kind}.policy.put", root.name, True, True),
        (f"{kind}.policy.delete", admin.name, True, False),
    ]
