"""Sharing by the JSON API: each route for each role, and what a share and a policy decide at the other door."""

from __future__ import annotations

import itertools
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx
import pytest
from botocore.exceptions import ClientError

from s3gw.api.access import MOST_ALSO
from tests.access.policies import document, statement
from tests.api.askers import Person, new_person
from tests.api.files import new_bucket
from tests.cli.commands import Ask
from tests.gateways import client_of
from tests.servers import RunningServer

_numbers = itertools.count()
OK, CREATED, GONE = (200, ""), (201, ""), (204, "")
UNKNOWN, HIDDEN, FORBIDDEN = (401, "AUTHENTICATION_FAILED"), (404, "NOT_FOUND"), (403, "PERMISSION_DENIED")
INVALID, CONFLICT = (422, "VALIDATION_ERROR"), (409, "CONFLICT")


class Shared(NamedTuple):
    """A bucket with everybody who may have to do with it."""

    id: str
    name: str
    ask: Ask
    api: httpx.Client
    people: dict[str, Person]

    @property
    def owner(self) -> Person:
        return self.people["owner"]

    def path(self, rest: str) -> str:
        return f"/buckets/{self.id}/{rest}"

    def share(self, by: str, to: Person, permission: str = "read", **more: Any) -> httpx.Response:
        body = {"user_id": to.id, "permission": permission, **more}
        return self.people[by].ask("POST", self.path("share"), json=body)


@pytest.fixture(scope="module")
def people(api: httpx.Client, ask: Ask) -> dict[str, Person]:
    kinds = ("stranger", "reader", "writer", "manager", "owner", "friend", "prefix-manager")
    found = {kind: new_person(api, ask, kind) for kind in kinds}
    return found | {role: new_person(api, ask, role, role=role) for role in ("auditor", "admin")}


@pytest.fixture
def shared(ask: Ask, api: httpx.Client, people: dict[str, Person], s3: Any) -> Shared:
    name = f"shared-{next(_numbers)}-{people['owner'].id[:8]}"
    shared = Shared(new_bucket(people["owner"], name, s3), name, ask, api, people)
    for kind, permission in (("reader", "read"), ("writer", "write"), ("manager", "admin")):
        assert shared.share("owner", people[kind], permission).status_code == 201
    assert shared.share("owner", people["prefix-manager"], "admin", prefix="a/").status_code == 201
    return shared


SEE_ONLY = ("reader", "writer")
OUTCOMES: dict[str, dict[str, tuple[int, str]]] = {
    "share": {"none": UNKNOWN, "stranger": HIDDEN, "auditor": FORBIDDEN}
    | dict.fromkeys((*SEE_ONLY, "prefix-manager"), FORBIDDEN)
    | dict.fromkeys(("manager", "owner", "admin"), CREATED),
    "list": {"none": UNKNOWN, "stranger": HIDDEN, "auditor": OK}
    | dict.fromkeys(SEE_ONLY, FORBIDDEN)
    | dict.fromkeys(("manager", "prefix-manager", "owner", "admin"), OK),
    "get": {"none": UNKNOWN, "stranger": HIDDEN, "auditor": OK, "prefix-manager": HIDDEN}
    | dict.fromkeys(SEE_ONLY, FORBIDDEN)
    | dict.fromkeys(("manager", "owner", "admin"), OK),
    "change": {"none": UNKNOWN, "stranger": HIDDEN, "auditor": FORBIDDEN}
    | dict.fromkeys((*SEE_ONLY, "prefix-manager"), FORBIDDEN)
    | dict.fromkeys(("manager", "owner", "admin"), OK),
    "revoke": {"none": UNKNOWN, "stranger": HIDDEN, "auditor": FORBIDDEN}
    | dict.fromkeys((*SEE_ONLY, "prefix-manager"), FORBIDDEN)
    | dict.fromkeys(("manager", "owner", "admin"), GONE),
    "explain": {"none": UNKNOWN, "stranger": HIDDEN, "auditor": FORBIDDEN}
    | dict.fromkeys((*SEE_ONLY, "prefix-manager", "manager"), FORBIDDEN)
    | dict.fromkeys(("owner", "admin"), OK),
}


def request_of(route: str, shared: Shared) -> tuple[str, str, dict[str, Any]]:
    friend, reader = shared.people["friend"].id, shared.people["reader"].id
    return {
        "share": ("POST", shared.path("share"), {"json": {"user_id": friend, "permission": "read"}}),
        "list": ("GET", shared.path("access"), {}),
        "get": ("GET", shared.path(f"access/{reader}"), {}),
        "change": ("PUT", shared.path(f"access/{reader}"), {"json": {"permission": "write"}}),
        "revoke": ("DELETE", shared.path(f"access/{reader}"), {}),
        "explain": (
            "GET",
            "/access/explain",
            {"params": {"bucket": shared.id, "action": "s3:ListBucket", "user": shared.people["friend"].name}},
        ),
    }[route]


@pytest.mark.parametrize("role", OUTCOMES["share"])
@pytest.mark.parametrize("route", OUTCOMES)
def test_each_role_may_what_is_written_down(route: str, role: str, shared: Shared, api: httpx.Client) -> None:
    method, path, options = request_of(route, shared)
    person = shared.people[role] if role != "none" else Person("", "", api, {})
    assert person.status(method, path, **options) == OUTCOMES[route][role]


def test_a_grant_is_shown_with_the_etag_that_a_change_of_it_takes(shared: Shared) -> None:
    reader, path = shared.people["reader"], shared.path(f"access/{shared.people['reader'].id}")
    shown = shared.owner.ask("GET", path)
    assert shown.json() in shared.owner.ask("GET", shared.path("access")).json()["items"]
    below = shared.share("owner", reader, "write", prefix="a/1/").json()
    assert shared.owner.status("GET", path) == CONFLICT
    named = {"grant_id": shown.json()["id"]}
    assert shared.owner.ask("GET", path, params=named).headers["ETag"] == shown.headers["ETag"]
    assert shared.people["prefix-manager"].ask("GET", path).json() == below
    changes = [{"permission": "write"}, {"permission": "admin"}]
    matches = {"If-Match": shown.headers["ETag"]}
    changed = [shared.owner.ask("PUT", path, params=named, json=to, headers=matches) for to in changes]
    assert [answer.status_code for answer in changed] == [200, 412]


def test_a_bucket_is_meant_by_its_id_alone(shared: Shared) -> None:
    friend = shared.people["friend"]
    body = {"user_id": friend.id, "permission": "read"}
    assert shared.owner.status("POST", f"/buckets/{shared.name}/share", json=body) == HIDDEN
    assert shared.owner.status("GET", f"/buckets/{shared.name}/access") == HIDDEN
    assert shared.owner.status("DELETE", f"/buckets/{shared.name}/access/{friend.id}") == HIDDEN
    assert shared.owner.status("GET", f"/buckets/{shared.id.upper()}/access") == OK


def test_a_bucket_that_is_called_like_another_s_id_is_not_taken_for_it(shared: Shared) -> None:
    stranger = shared.people["stranger"]
    shared.ask("bucket", "create", shared.id, "--owner", stranger.name)
    body = {"user_id": shared.people["friend"].id, "permission": "read"}
    assert shared.owner.status("POST", shared.path("share"), json=body) == CREATED
    assert stranger.status("GET", shared.path("access")) == HIDDEN
    assert stranger.ask("GET", f"/buckets/by-name/{shared.id}").json()["owner_id"] == stranger.id


def test_a_bucket_that_isn_t_there_is_as_one_that_may_not_be_seen(shared: Shared) -> None:
    for bucket_id in ("00000000-0000-4000-8000-000000000000", shared.name, "x", "%00", f"{shared.name}%00"):
        assert shared.owner.status("GET", f"/buckets/{bucket_id}/access") == HIDDEN
    explained = {"params": {"bucket": "none", "action": "s3:ListBucket"}}
    assert shared.owner.status("GET", "/access/explain", **explained) == HIDDEN


@pytest.mark.parametrize(
    ("asked", "needed"),
    [({"action": "s3:GetObject"}, "bucket and key"), ({"action": "s3:ListBucket", "key": "a"}, "key")],
)
def test_what_is_missing_to_explain_is_told_in_words_of_the_api(
    asked: dict[str, str], needed: str, shared: Shared
) -> None:
    answer = shared.owner.ask(
        "GET", "/access/explain", params={"bucket": shared.name, "user": shared.owner.name, **asked}
    )
    assert answer.status_code == 422
    assert needed in answer.json()["detail"]
    assert "--" not in answer.text


def test_what_was_shared_is_told_and_listed_in_pages(shared: Shared) -> None:
    friend = shared.people["friend"]
    until = "2099-01-01T00:00:00Z"
    made = shared.share("owner", friend, "write", prefix="pictures/", expires_at=until).json()
    assert {name: made[name] for name in made if name not in ("id", "created_at")} == {
        "resource_type": "prefix",
        "resource_id": "pictures/",
        "user_id": friend.id,
        "group_id": None,
        "grantee": friend.name,
        "permission": "write",
        "expires_at": until,
    }
    assert shared.share("owner", friend, key="pictures/1").json()["resource_type"] == "file"
    assert shared.share("owner", friend).json()["resource_id"] == shared.id
    first = shared.owner.ask("GET", shared.path("access"), params={"per_page": 4}).json()
    assert (first["total"], first["page"], len(first["items"])) == (7, 1, 4)
    query = {"per_page": 4, "cursor": first["next_cursor"]}
    second = shared.owner.ask("GET", shared.path("access"), params=query).json()
    assert [one["resource_type"] for one in second["items"]] == ["prefix", "file", "bucket"]
    assert (second["page"], second["next_cursor"]) == (2, None)
    assert (
        second["items"]
        == shared.owner.ask("GET", shared.path("access"), params={"per_page": 4, "page": 2}).json()["items"]
    )
    for query in ({"per_page": 1001}, {"per_page": 0}, {"page": 0}, {"cursor": "x"}, {"cursor": "LTE="}):
        assert shared.owner.status("GET", shared.path("access"), params=query) == INVALID


def test_an_admin_of_a_prefix_gives_what_lies_in_it_and_sees_no_more(shared: Shared) -> None:
    friend = shared.people["friend"]
    assert shared.share("owner", friend).status_code == 201
    assert shared.share("prefix-manager", friend, "admin", prefix="a/b").status_code == 201
    assert shared.share("prefix-manager", friend, "write", key="a/1").status_code == 201
    assert shared.share("prefix-manager", friend, prefix="b/").status_code == 403
    manager = shared.people["prefix-manager"]
    listed = manager.ask("GET", shared.path("access")).json()
    assert [one["resource_id"] for one in listed["items"]] == ["a/", "a/b", "a/1"]
    assert manager.status("DELETE", shared.path(f"access/{friend.id}")) == FORBIDDEN  # one lies beyond
    for one in listed["items"][1:]:
        revoked = manager.status("DELETE", shared.path(f"access/{friend.id}"), params={"grant_id": one["id"]})
        assert revoked == GONE


def test_nobody_shares_for_longer_than_he_has_it(shared: Shared) -> None:
    manager, friend = shared.people["manager"], shared.people["friend"]
    until = datetime.now(UTC) + timedelta(hours=1)
    limited = {"expires_at": until.isoformat()}
    assert shared.owner.status("PUT", shared.path(f"access/{manager.id}"), json=limited) == OK
    assert shared.share("manager", friend).status_code == 403
    assert shared.share("manager", friend, expires_at=(until + timedelta(seconds=1)).isoformat()).status_code == 403
    assert shared.share("manager", friend, expires_at=until.isoformat()).status_code == 201
    for whose in (friend, manager):
        assert manager.status("PUT", shared.path(f"access/{whose.id}"), json={"expires_at": None}) == FORBIDDEN


def test_of_several_grants_one_is_named_or_all_are_taken_back(shared: Shared) -> None:
    friend = shared.people["friend"]
    ids = [shared.share("owner", friend, key=key).json()["id"] for key in "abc"]
    path = shared.path(f"access/{friend.id}")
    assert shared.owner.status("PUT", path, json={"permission": "write"}) == CONFLICT
    changed = shared.owner.ask("PUT", path, json={"permission": "write"}, params={"grant_id": ids[1]}).json()
    assert (changed["id"], changed["permission"], changed["resource_id"]) == (ids[1], "write", "b")
    assert shared.owner.status("DELETE", path, params={"grant_id": ids[0]}) == GONE
    assert shared.owner.status("DELETE", path, params={"grant_id": ids[0]}) == HIDDEN
    assert shared.owner.status("DELETE", path) == GONE
    assert shared.owner.status("DELETE", path) == HIDDEN


def test_of_those_who_take_a_grant_back_at_once_one_has_done_it(shared: Shared) -> None:
    reader = shared.people["reader"]

    def revoke(_: int) -> int:
        with httpx.Client(base_url=shared.api.base_url, timeout=60) as connection:  # of whichever worker
            path = shared.path(f"access/{reader.id}")
            return connection.delete(path, headers=shared.owner.headers).status_code

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(revoke, range(6))) == [204, *[404] * 5]


def test_a_share_that_means_nothing_is_refused(shared: Shared) -> None:
    friend = shared.people["friend"]
    to, path = {"user_id": friend.id, "permission": "read"}, shared.path("share")
    for body in (
        {"permission": "read"},
        to | {"username": friend.name},
        to | {"permission": "own"},
        to | {"prefix": "a", "key": "a"},
        to | {"key": ""},
        to | {"prefix": "a\0"},
        to | {"prefix": "ü" * 1024},
        to | {"expires_at": "2001-01-01T00:00:00Z"},
        to | {"expires_at": "2099-01-01T00:00:00"},
        to | {"expires_at": 4_070_908_800},
        to | {"expires_at": "4070908800"},
        to | {"granted_by": friend.id},
        {"username": shared.owner.name, "permission": "read"},
    ):
        assert shared.owner.status("POST", path, json=body) == INVALID, body
    assert shared.share("owner", friend).status_code == 201
    assert shared.owner.status("POST", path, json=to | {"permission": "write"}) == CONFLICT
    for nobody in ({"username": "nobody-at-all"}, {"user_id": shared.id}, {"group_id": shared.id}):
        assert shared.owner.status("POST", path, json={"permission": "read", **nobody}) == HIDDEN


def test_a_group_is_its_account_s_to_share_with(shared: Shared, ask: Ask) -> None:
    """And an admin's."""
    own, others = f"own-{next(_numbers)}", f"others-{next(_numbers)}"
    ask("group", "create", own, "--account", shared.owner.name)
    ask("group", "create", others, "--account", shared.people["friend"].name)
    ids = {}
    for name in (own, others):
        granted = ask("grant", "create", shared.name, "--group", name, "--permission", "read")
        ids[name] = granted["group_id"]
        assert shared.owner.status("DELETE", shared.path(f"access/{ids[name]}")) == GONE
    body = {"permission": "read"}
    assert shared.owner.status("POST", shared.path("share"), json=body | {"group_id": ids[own]}) == CREATED
    assert shared.owner.status("POST", shared.path("share"), json=body | {"group_id": ids[others]}) == HIDDEN
    admin = shared.people["admin"]
    assert admin.status("POST", shared.path("share"), json=body | {"group_id": ids[others]}) == CREATED


def clients_of(server: RunningServer, ask: Ask, person: Person) -> list[Any]:
    made = ask("key", "create", person.name)
    return [client_of(server, (made["access_key_id"], made["secret_access_key"])) for _ in range(6)]


def outcome(clients: list[Any], bucket: str) -> str:
    """What PutObject ends in, which must be the same on each connection."""

    def put(client: Any) -> str:
        try:
            client.put_object(Bucket=bucket, Key="key", Body=b"x")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "done"

    (found,) = {put(client) for client in clients}
    return found


def test_a_share_decides_boto3_s_next_request_on_every_worker(server: RunningServer, shared: Shared, ask: Ask) -> None:
    friend = shared.people["friend"]
    clients = clients_of(server, ask, friend)
    path = shared.path(f"access/{friend.id}")
    assert outcome(clients, shared.name) == "AccessDenied"
    assert shared.share("owner", friend, "write").status_code == 201
    assert outcome(clients, shared.name) == "done"
    assert shared.owner.status("PUT", path, json={"permission": "read"}) == OK
    assert outcome(clients, shared.name) == "AccessDenied"
    assert shared.owner.status("PUT", path, json={"permission": "write"}) == OK
    assert outcome(clients, shared.name) == "done"
    assert shared.owner.status("DELETE", path) == GONE
    assert outcome(clients, shared.name) == "AccessDenied"


def test_a_policy_by_boto3_decides_the_api(server: RunningServer, shared: Shared, ask: Ask) -> None:
    """What it denies is explained so; and who may share by a grant, may no more where he is denied all."""
    asked = {"bucket": shared.name, "key": "a", "action": "s3:GetObject", "user": shared.people["reader"].id}

    def explained() -> tuple[bool, str]:
        told = shared.owner.ask("GET", "/access/explain", params=asked).json()
        return told["allowed"], told["reason"]

    assert explained() == (True, f"granted read on the bucket by {shared.owner.name}")
    owner_s3 = clients_of(server, ask, shared.owner)[0]
    denies = statement("Deny", Sid="Closed", Resource=f"arn:aws:s3:::{shared.name}/*")
    owner_s3.put_bucket_policy(Bucket=shared.name, Policy=document(denies))
    assert explained() == (False, "denied by statement 'Closed' of the bucket policy")
    friend = shared.people["friend"]
    assert shared.share("manager", friend, key="before").status_code == 201
    manager = ask("user", "show", shared.people["manager"].name)
    no_shares = {"Principal": {"AWS": manager["account_id"]}, "Action": "s3:*"}
    resources = [f"arn:aws:s3:::{shared.name}", f"arn:aws:s3:::{shared.name}/*"]
    owner_s3.put_bucket_policy(Bucket=shared.name, Policy=document(statement("Deny", Resource=resources, **no_shares)))
    assert shared.share("manager", friend, key="after").status_code == 403
    assert shared.share("owner", friend, key="after").status_code == 201


def test_of_another_account_s_policies_an_owner_hears_only_that_they_decide(shared: Shared, ask: Ask) -> None:
    name = f"guest-{next(_numbers)}"
    ask("user", "create", name, "--account", shared.people["friend"].name)
    ask("grant", "create", shared.name, "--user", name, "--permission", "read")
    secret = document(statement("Deny", Principal=None, Sid="Secret", Action="s3:*", Resource="*"))
    ask("policy", "put", "--user", name, "-", "--name", "hidden", input=secret)
    asked = {"bucket": shared.id, "key": "a", "action": "s3:GetObject", "user": name}
    told = shared.owner.ask("GET", "/access/explain", params=asked).json()
    assert (told["allowed"], told["reason"]) == (False, "denied by a policy of the user's own account")
    whole = shared.people["admin"].ask("GET", "/access/explain", params=asked).json()
    assert whole["reason"] == "denied by statement 'Secret' of policy 'hidden' of user '" + name + "'"


def test_an_owner_learns_nothing_of_users_who_have_nothing_to_do_with_the_bucket(shared: Shared, ask: Ask) -> None:
    """Whether there is such a user is told by no answer, however he is called, and disabled or not."""
    friend, disabled = shared.people["friend"], f"disabled-{next(_numbers)}"
    ask("user", "create", disabled)
    ask("user", "disable", disabled)
    names = ["nobody-at-all", str(uuid.uuid4()), friend.name, friend.id, disabled, shared.people["admin"].id]
    names += [f"{shared.people[role].name}@example.com" for role in ("friend", "reader", "owner")]
    asked = {"bucket": shared.id, "key": "a", "action": "s3:GetObject"}
    answers = []
    for name in names:
        answer = shared.owner.ask("GET", "/access/explain", params={**asked, "user": name})
        assert answer.status_code == 200
        told = answer.json()
        assert told.pop("principal") == name
        answers.append(told)
    assert answers == [answers[0]] * len(names)
    assert (answers[0]["allowed"], answers[0]["facts"]) == (False, {})
    assert "names such a user" in answers[0]["notes"][-1]


@pytest.mark.parametrize("by", ["grant", "group", "policy", "account", "acl", "object"])
def test_an_owner_debugs_why_somebody_can_t_get_in_whom_the_bucket_names(
    server: RunningServer, shared: Shared, ask: Ask, by: str
) -> None:
    name, member, group = (f"{kind}-{next(_numbers)}" for kind in ("guest", "member", "circle"))
    made = ask("user", "create", name)
    ask("user", "create", member, "--account", name)
    s3 = clients_of(server, ask, shared.owner)[0]
    s3.put_bucket_ownership_controls(
        Bucket=shared.name, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )
    asked = {"bucket": shared.id, "key": "a", "action": "s3:PutObject", "user": name}

    def told(user: str) -> str:
        ask("user", "disable", user)
        params = {**asked, "user": user}
        return str(shared.owner.ask("GET", "/access/explain", params=params).json()["reason"])

    assert "is disabled" not in told(name)
    who = name
    if by == "grant":
        ask("grant", "create", shared.name, "--user", name, "--permission", "read", "--prefix", "b/")
    elif by == "group":
        who = member
        ask("group", "create", group, "--account", name)
        ask("group", "add", group, member)
        ask("grant", "create", shared.name, "--group", group, "--permission", "read", "--prefix", "b/")
    elif by in ("policy", "account"):
        named = made["arn"] if by == "policy" else made["account_id"]
        allows = statement(Principal={"AWS": named}, Action="s3:GetObject", Resource=f"arn:aws:s3:::{shared.name}/*")
        s3.put_bucket_policy(Bucket=shared.name, Policy=document(allows))
    elif by == "acl":
        s3.put_bucket_acl(Bucket=shared.name, GrantRead=f"id={made['canonical_id']}")
    else:
        s3.put_object(Bucket=shared.name, Key="a", GrantRead=f"id={made['canonical_id']}")
    assert told(who) == f"the user {who} is disabled"


def test_who_sees_a_bucket_hears_of_himself_whether_he_may_and_not_why(shared: Shared) -> None:
    reader, stranger = shared.people["reader"], shared.people["stranger"]
    asked = {"bucket": shared.id, "key": "a"}
    for user in (reader.id, reader.name):
        for action, is_allowed in (("s3:GetObject", True), ("s3:PutObject", False), ("s3:DeleteObject", False)):
            told = reader.ask("GET", "/access/explain", params=asked | {"user": user, "action": action}).json()
            assert told["allowed"] is is_allowed, action
            assert told["reason"] in ("allowed", "not allowed")
            assert (told["found"], told["facts"], told["notes"]) == (None, {}, [])
    of_three = asked | {"user": reader.id, "action": "s3:PutObject", "also": ["s3:GetObject", "s3:DeleteObject"]}
    told = reader.ask("GET", "/access/explain", params=of_three).json()
    assert (told["allowed"], told["also"]) == (False, {"s3:GetObject": True, "s3:DeleteObject": False})
    of_nobody = asked | {"action": "s3:GetObject"}
    assert reader.status("GET", "/access/explain", params=of_nobody) == FORBIDDEN
    assert stranger.status("GET", "/access/explain", params=of_nobody | {"user": stranger.id}) == HIDDEN
    wrong = asked | {"user": reader.id, "action": "s3:Nothing"}
    assert reader.status("GET", "/access/explain", params=wrong) == INVALID


def test_what_one_may_from_an_address_is_asked_from_there(shared: Shared) -> None:
    """Of the policy that is put here nothing stays."""
    reader = shared.people["reader"]
    asked = {"bucket": shared.id, "key": "from/a", "user": reader.id, "action": "s3:PutObject"}
    arn = f"arn:aws:s3:::{shared.name}/from/*"
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": arn}
    for network, is_allowed in (("127.0.0.0/8", True), ("192.0.2.0/24", False)):
        policy = {"Statement": {**statement, "Condition": {"IpAddress": {"aws:SourceIp": network}}}}
        assert shared.owner.status("PUT", shared.path("policy"), json={"policy": policy}) == OK
        assert reader.ask("GET", "/access/explain", params=asked).json()["allowed"] is is_allowed
    assert shared.owner.status("DELETE", shared.path("policy")) == GONE


def test_explain_says_what_can_t_be_asked(shared: Shared) -> None:
    of_bucket: dict[str, Any] = {"bucket": shared.id, "action": "s3:ListBucket"}
    for role, params, expected in (
        ("owner", {"bucket": shared.id, "action": "s3:Nothing"}, INVALID),
        ("owner", {"bucket": shared.id, "action": "s3:GetObject"}, INVALID),
        ("owner", {"bucket": shared.id, "action": "s3:ListBucket", "user": "nobody-at-all"}, OK),
        ("admin", {"bucket": shared.id, "action": "s3:ListBucket", "user": "nobody-at-all"}, HIDDEN),
        ("owner", {"action": "s3:ListAllMyBuckets"}, FORBIDDEN),
        ("admin", {"action": "s3:ListAllMyBuckets"}, OK),
        ("owner", {"bucket": shared.id, "action": "s3:ListBucket\0"}, INVALID),
        ("owner", of_bucket | {"also": ["s3:Nothing"]}, INVALID),
        ("owner", of_bucket | {"also": ["s3:ListBucket"] * MOST_ALSO}, OK),
        ("owner", of_bucket | {"also": ["s3:ListBucket"] * (MOST_ALSO + 1)}, INVALID),
    ):
        assert shared.people[role].status("GET", "/access/explain", params=params) == expected, params
