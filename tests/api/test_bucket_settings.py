"""What is set for a bucket about access, by the JSON API: for whom, as S3 has it, and in words."""

from __future__ import annotations

import itertools
import json
from typing import Any

import httpx
import pytest

from s3gw.access.in_words import in_words
from s3gw.api.examples import OF_MODELS
from tests.api.people import Person, refusal, register

ROUTES: dict[tuple[str, str], Any] = {
    ("GET", "policy"): None,
    ("PUT", "policy"): "POLICY",
    ("DELETE", "policy"): None,
    ("POST", "policy/check"): "POLICY",
    ("GET", "cors"): None,
    ("PUT", "cors"): OF_MODELS["BucketCors"],
    ("GET", "acl"): None,
    ("GET", "ownership"): None,
    ("PUT", "ownership"): {"object_ownership": "ObjectWriter"},
    ("PUT", "acl"): {"canned": "private"},
    ("GET", "public-access-block"): None,
    ("PUT", "public-access-block"): OF_MODELS["Switches"],
}
ALL_OPEN = dict.fromkeys(OF_MODELS["Switches"], False)
HOSTILE = '"><img src=x onerror=alert(1)>\u202e'


_numbers = itertools.count()


class Place:
    """A bucket of the person's."""

    def __init__(self, person: Person) -> None:
        self.person, self.name = person, f"settings-{next(_numbers)}-{person.id[:18]}"
        self.id: str = person.http.post("/buckets", json={"name": self.name}).json()["id"]
        # As a new bucket is on AWS.
        self.put("public-access-block", OF_MODELS["Switches"])
        self.put("ownership", {"object_ownership": "BucketOwnerEnforced"})

    def path(self, rest: str) -> str:
        return f"/buckets/{self.id}/{rest}"

    def put(self, rest: str, body: Any, **headers: str) -> httpx.Response:
        return self.person.http.put(self.path(rest), json=body, headers=headers)

    def get(self, rest: str) -> Any:
        return self.person.http.get(self.path(rest)).json()

    def policy(self, **more: Any) -> dict[str, Any]:
        statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": self.arn("/*")}
        return {"Version": "2012-10-17", "Statement": [statement | more]}

    def arn(self, rest: str) -> str:
        return f"arn:aws:s3:::{self.name}{rest}"


@pytest.fixture(scope="module")
def person(api: httpx.Client) -> Person:
    return register(api)


@pytest.fixture(scope="module")
def friend(api: httpx.Client) -> Person:
    return register(api)


@pytest.fixture
def place(person: Person) -> Place:
    return Place(person)


def test_who_may_see_and_set_what_is_who_may_by_s3(
    api: httpx.Client, place: Place, admin: Person, auditor: Person
) -> None:
    """Grants give neither policy nor ACL nor ownership, whatever the permission (docs/AUTHENTICATION.md)."""
    stranger, manager = register(api), register(api)
    body = {"user_id": manager.id, "permission": "admin"}
    assert place.person.http.post(place.path("share"), json=body).status_code == 201
    narrow = place.policy(Condition={"IpAddress": {"aws:SourceIp": "10.1.0.0/16"}})
    of_others = ("policy", "policy/check", "acl", "ownership", "public-access-block")
    for (method, rest), given in ROUTES.items():
        sent = {"policy": narrow} if given == "POLICY" else given
        path, done = place.path(rest), 204 if method == "DELETE" else 200
        assert api.request(method, path, json=sent).status_code == 401
        assert refusal(stranger.http.request(method, path, json=sent)) == (404, "NOT_FOUND")
        assert auditor.http.request(method, path, json=sent).status_code in (200, 403)
        assert method == "GET" or refusal(auditor.http.request(method, path, json=sent)) == (403, "PERMISSION_DENIED")
        by_manager = manager.http.request(method, path, json=sent).status_code
        assert by_manager == (403 if rest in of_others else done) or (method, by_manager) == ("GET", 200), (
            method,
            rest,
        )
        assert place.person.http.request(method, path, json=sent).status_code == done, (method, rest)
        assert admin.http.request(method, path, json=sent).status_code == done, (method, rest)


def test_a_policy_is_kept_as_it_was_written_and_told_in_words(place: Place) -> None:
    assert place.get("policy")["policy"] is None
    policy = place.policy(Sid="app", Principal={"AWS": f"arn:aws:iam:::user/{place.person.name}"}, Action="s3:*Object")
    text = json.dumps(policy, indent=4)
    answer = place.put("policy", {"policy": text})
    told = answer.json()
    assert answer.status_code == 200 and told == place.get("policy")
    assert (told["text"], told["policy"], told["is_public"]) == (text, policy, False)
    (statement,) = told["statements"]
    assert statement["text"] == f"The user {place.person.name} may read files, write files and delete files: all files"
    assert statement["who"] == [{"kind": "user", "name": place.person.name}]
    assert place.person.http.delete(place.path("policy"), headers={"If-Match": '"x"'}).status_code == 412
    assert place.person.http.delete(place.path("policy")).status_code == 204
    assert place.get("policy")["text"] is None


def test_what_is_wrong_with_a_policy_is_told_for_its_statements(place: Place) -> None:
    wrong = place.policy(Sid="odd", Action="s3:GetObjects")
    answer = place.put("policy", {"policy": wrong})
    assert refusal(answer) == (422, "VALIDATION_ERROR")
    (fault,) = answer.json()["errors"]
    assert fault["field"] == "policy" and "statement odd" in fault["message"] and "s3:GetObject" in fault["message"]
    for text in ("{", "[]", '{"Statement": [', "x" * 30_000, json.dumps({"Statement": HOSTILE})):
        assert refusal(place.put("policy", {"policy": text})) == (422, "VALIDATION_ERROR")
        checked = place.person.http.post(place.path("policy/check"), json={"policy": text})
        assert checked.status_code == 200 and checked.json()["is_valid"] is False, text
    assert refusal(place.put("policy", {"policy": "x" * 70_000}))[0] == 422
    assert place.get("policy")["policy"] is None


def test_what_would_be_public_is_told_before_it_is_put_and_refused_where_that_is_blocked(place: Place) -> None:
    policy = {"policy": place.policy()}
    checked = place.person.http.post(place.path("policy/check"), json=policy).json()
    assert (checked["is_valid"], checked["is_public"], checked["statements"][0]["is_public"]) == (True, True, True)
    assert "warning" in {one["severity"] for one in checked["findings"]}
    assert refusal(place.put("policy", policy)) == (409, "PUBLIC_ACCESS_BLOCKED")
    blocked = place.get("public-access-block")
    assert blocked["block_public_policy"] is True and blocked["of_account"] == ALL_OPEN
    assert place.put("public-access-block", ALL_OPEN).json() == {**ALL_OPEN, "of_account": ALL_OPEN}
    assert place.put("policy", policy).json()["is_public"] is True
    assert place.person.http.get(f"/buckets/{place.id}").json()["is_public"] is True


def test_an_acl_is_told_with_names_and_given_to_names(friend: Person, place: Place) -> None:
    told = place.get("acl")
    assert told["is_disabled"] is True and [grant["name"] for grant in told["grants"]] == [told["owner_name"]]
    grants = [
        {"canonical_id": told["owner"], "permission": "FULL_CONTROL"},
        {"username": friend.name, "permission": "READ"},
        {"group": "authenticated", "permission": "READ"},
    ]
    assert refusal(place.put("acl", {"grants": grants[:2]})) == (422, "VALIDATION_ERROR")  # ACLs are disabled
    assert place.put("ownership", {"object_ownership": "BucketOwnerPreferred"}).status_code == 200
    assert refusal(place.put("acl", {"grants": grants})) == (409, "PUBLIC_ACCESS_BLOCKED")  # public ones are blocked
    place.put("public-access-block", ALL_OPEN)
    put = place.put("acl", {"grants": grants}).json()
    assert [(grant["name"], grant["group"], grant["is_public"]) for grant in put["grants"]] == [
        (told["owner_name"], None, False), (friend.name, None, False), (None, "authenticated", True)]  # fmt: skip
    assert put["is_public"] is True and place.get("acl") == put
    assert refusal(place.put("ownership", {"object_ownership": "BucketOwnerEnforced"}))[0] == 422
    for wrong in ({"username": HOSTILE}, {"canonical_id": "0" * 64}, {"canonical_id": "x"}, {"group": "all"}, {}):
        body = {"grants": [{**wrong, "permission": "READ"}]}
        assert refusal(place.put("acl", body)) == (422, "VALIDATION_ERROR")
    assert refusal(place.put("acl", {"canned": "private", "grants": []}))[0] == 422
    assert place.put("acl", {"canned": "private"}).json()["is_public"] is False


def test_cors_rules_are_those_of_s3_and_of_the_bucket(place: Place) -> None:
    rules = OF_MODELS["BucketCors"]
    assert place.get("cors") == {"rules": []}
    assert place.put("cors", rules).json() == rules == place.get("cors")
    assert place.person.http.get(f"/buckets/{place.id}").json()["cors"] == rules["rules"]
    wrong = {"rules": [rules["rules"][0] | {"allowed_origins": ["https://*.*"]}]}
    assert refusal(place.put("cors", wrong)) == (422, "VALIDATION_ERROR")
    assert refusal(place.put("cors", {"rules": rules["rules"] * 101})) == (422, "VALIDATION_ERROR")
    assert place.put("cors", {"rules": []}).json() == {"rules": []} == place.get("cors")


def test_a_grant_is_told_with_the_name_of_whom_it_is_for(friend: Person, place: Place) -> None:
    body = {"username": friend.name, "permission": "read"}
    assert place.person.http.post(place.path("share"), json=body).json()["grantee"] == friend.name
    assert [grant["grantee"] for grant in place.get("access")["items"]] == [friend.name]


def said(bucket: str | None = "b", **statement: Any) -> str:
    whole: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"} | statement
    (told,) = in_words(json.dumps({"Version": "2012-10-17", "Statement": whole}), bucket)
    return told.text


def test_statements_are_said_as_people_would() -> None:
    everybody = "Everybody, without a login too"
    assert said(Principal="*") == f"{everybody} may read files: all files"
    both = ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]
    owner = {"AWS": ["123456789012", "arn:aws:iam::123456789012:role/x"]}
    assert said(Principal=owner, Action="s3:*", Resource=both) == (
        "All users of the account 123456789012 and nobody who is here: arn:aws:iam::123456789012:role/x"
        " may do everything: the bucket and all files"
    )
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    denied = said(Effect="Deny", Principal="*", Resource="arn:aws:s3:::b/a/*", Condition=insecure)
    assert denied == (
        f"{everybody} may not read files: all files whose paths begin with a/,"
        ' when whether it comes over TLS is "false"'
    )
    addresses = {"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "::1"]}}
    assert said(Principal="*", Resource="arn:aws:s3:::b/x", Condition=addresses).endswith(
        ': the file x, when the address that it comes from isn\'t in "10.0.0.0/8" or "::1"'
    )
    assert said(None, Resource="arn:aws:s3:::b/x?") == (
        "Whoever has this policy may read files: what fits the pattern b/x?"
    )
    assert said(Principal="*", Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}}).endswith("known here)")
    assert in_words(HOSTILE, "b") == [] == in_words('{"Statement": [{"Effect": "Allow"}]}', "b")
