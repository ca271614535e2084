"""Buckets by the JSON API: each route for each role, what may be set, and that S3 knows the same buckets."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.access.policies import document, statement
from tests.api.askers import Person, new_person
from tests.cli.commands import Ask
from tests.gateways import client_of
from tests.servers import ROOT_KEY, RunningServer

_numbers = itertools.count()
OK, CREATED, ACCEPTED, GONE = (200, ""), (201, ""), (202, ""), (204, "")
UNKNOWN, HIDDEN, FORBIDDEN = (401, "AUTHENTICATION_FAILED"), (404, "NOT_FOUND"), (403, "PERMISSION_DENIED")
INVALID, CONFLICT, NOT_EMPTY = (422, "VALIDATION_ERROR"), (409, "CONFLICT"), (409, "BUCKET_NOT_EMPTY")


class Made(NamedTuple):
    """A bucket, and who has to do with it."""

    id: str
    name: str
    people: dict[str, Person]
    s3: Any  # of an admin

    @property
    def owner(self) -> Person:
        return self.people["owner"]

    @property
    def path(self) -> str:
        return f"/buckets/{self.id}"

    def put(self, by: str = "owner", **fields: Any) -> httpx.Response:
        return self.people[by].ask("PUT", self.path, json=fields)


def new_bucket_name() -> str:
    return f"of-api-{next(_numbers)}"


@pytest.fixture(scope="module")
def people(api: httpx.Client, ask: Ask) -> dict[str, Person]:
    kinds = ("stranger", "reader", "prefix-reader", "manager", "owner")
    found = {kind: new_person(api, ask, kind) for kind in kinds}
    return found | {role: new_person(api, ask, role, role=role) for role in ("auditor", "admin")}


@pytest.fixture
def made(people: dict[str, Person], s3: Any) -> Made:
    name, owner = f"{new_bucket_name()}-{people['owner'].id[:8]}", people["owner"]
    answer = owner.ask("POST", "/buckets", json={"name": name})
    assert answer.status_code == 201, answer.text
    bucket_id = answer.json()["id"]
    for kind, more in (("reader", {}), ("manager", {"permission": "admin"}), ("prefix-reader", {"prefix": "a/"})):
        body = {"user_id": people[kind].id, "permission": "read", **more}
        assert owner.status("POST", f"/buckets/{bucket_id}/share", json=body) == CREATED
    return Made(bucket_id, name, people, s3)


SEEN = dict.fromkeys(("reader", "prefix-reader", "manager", "owner", "auditor", "admin"), OK)
UNSEEN = {"none": UNKNOWN, "stranger": HIDDEN}
OUTCOMES: dict[str, dict[str, tuple[int, str]]] = {
    "create": {"none": UNKNOWN} | dict.fromkeys(("stranger", *SEEN), CREATED),
    "list": {"none": UNKNOWN, "stranger": OK} | SEEN,
    "by name": UNSEEN | SEEN,
    "get": UNSEEN | SEEN,
    "update": UNSEEN | dict.fromkeys(SEEN, FORBIDDEN) | {"owner": OK, "admin": OK},
    "set versioning": UNSEEN | dict.fromkeys(SEEN, FORBIDDEN) | dict.fromkeys(("manager", "owner", "admin"), OK),
    "keep trash": UNSEEN | dict.fromkeys(SEEN, FORBIDDEN) | dict.fromkeys(("manager", "owner", "admin"), OK),
    "take types": UNSEEN | dict.fromkeys(SEEN, FORBIDDEN) | dict.fromkeys(("manager", "owner", "admin"), OK),
    "publish": UNSEEN | dict.fromkeys(SEEN, FORBIDDEN) | {"owner": OK, "admin": OK},
    "change nothing": UNSEEN | dict.fromkeys(SEEN, FORBIDDEN) | {"owner": OK, "admin": OK},
    "delete": UNSEEN | dict.fromkeys(SEEN, FORBIDDEN) | {"owner": GONE, "admin": GONE},
    "storage": UNSEEN | SEEN | {"prefix-reader": FORBIDDEN},
    "measure": UNSEEN | dict.fromkeys(SEEN, ACCEPTED) | {"prefix-reader": FORBIDDEN},
}


def request_of(route: str, made: Made) -> tuple[str, str, Any]:
    return {
        "create": ("POST", "/buckets", {"name": f"{made.name}-2"}),
        "list": ("GET", "/buckets", None),
        "by name": ("GET", f"/buckets/by-name/{made.name}", None),
        "get": ("GET", made.path, None),
        "update": ("PUT", made.path, {"storage_quota": 5}),
        "set versioning": ("PUT", made.path, {"versioning": "enabled"}),
        "keep trash": ("PUT", made.path, {"trash_seconds": 60}),
        "take types": ("PUT", made.path, {"allowed_types": ["image/*"]}),
        "publish": ("PUT", made.path, {"is_public": True}),
        "change nothing": ("PUT", made.path, {}),
        "delete": ("DELETE", made.path, None),
        "storage": ("GET", f"{made.path}/storage", None),
        "measure": ("POST", f"{made.path}/storage/measure", None),
    }[route]


@pytest.mark.parametrize("role", OUTCOMES["get"])
@pytest.mark.parametrize("route", OUTCOMES)
def test_each_role_may_what_is_written_down(route: str, role: str, made: Made, api: httpx.Client) -> None:
    method, path, body = request_of(route, made)
    person = made.people[role] if role != "none" else Person("", "", api, {})
    assert person.status(method, path, json=body) == OUTCOMES[route][role]


def test_what_was_made_by_one_door_is_there_at_the_other(made: Made, people: dict[str, Person]) -> None:
    assert made.s3.head_bucket(Bucket=made.name)["ResponseMetadata"]["HTTPStatusCode"] == 200
    by_s3 = new_bucket_name()
    made.s3.create_bucket(Bucket=by_s3)
    found = people["admin"].ask("GET", f"/buckets/by-name/{by_s3}").json()
    assert (found["name"], found["versioning"], found["storage_quota"]) == (by_s3, "off", None)
    assert people["admin"].ask("GET", f"/buckets/{found['id']}").json() == found
    assert people["admin"].status("DELETE", f"/buckets/{found['id']}") == GONE
    with pytest.raises(ClientError):
        made.s3.head_bucket(Bucket=by_s3)


@pytest.mark.parametrize("name", ["ab", "Pictures", "a..b", "192.168.0.1", "xn--a", "a" * 64, "a_b", ""])
def test_a_name_that_aws_does_not_take_is_none(people: dict[str, Person], name: str) -> None:
    answer = people["owner"].ask("POST", "/buckets", json={"name": name})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "name")


def test_a_name_that_is_taken_is_a_conflict_also_of_one_s_own(made: Made) -> None:
    for who in ("owner", "stranger"):
        assert made.people[who].status("POST", "/buckets", json={"name": made.name}) == CONFLICT


def test_a_new_bucket_has_what_was_asked_for_at_once(people: dict[str, Person], server: RunningServer) -> None:
    body = {"name": new_bucket_name(), "is_public": True, "storage_quota": 3, "object_quota": 2}
    made = people["owner"].ask("POST", "/buckets", json=body).json()
    assert {field: made[field] for field in body} == body
    key = people["owner"].ask("POST", "/keys", json={}).json()
    s3 = client_of(server, (key["access_key_id"], key["secret_access_key"]))
    s3.put_object(Bucket=body["name"], Key="a", Body=b"abc")
    assert httpx.get(f"{server.s3}/{body['name']}/a").text == "abc"
    with pytest.raises(ClientError, match="QuotaExceeded"):
        s3.put_object(Bucket=body["name"], Key="b", Body=b"d")


def test_a_change_is_whole_and_what_is_left_out_stays(made: Made) -> None:
    rule = {"allowed_origins": ["https://a.example"], "allowed_methods": ["GET"], "max_age_seconds": 5}
    full = {**rule, "id": None, "allowed_headers": [], "expose_headers": []}
    before = made.owner.ask("GET", made.path).json()
    changed = made.put(storage_quota=10, object_quota=4, versioning="enabled", cors=[rule], is_public=True).json()
    expected = {"storage_quota": 10, "object_quota": 4, "versioning": "enabled", "cors": [full], "is_public": True}
    assert changed == before | expected | {"updated_at": changed["updated_at"]}
    assert changed["updated_at"] > before["updated_at"]
    assert made.s3.get_bucket_versioning(Bucket=made.name)["Status"] == "Enabled"
    (stored,) = made.s3.get_bucket_cors(Bucket=made.name)["CORSRules"]
    assert stored == {"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"], "MaxAgeSeconds": 5}
    made.put(storage_quota=None, cors=[], is_public=False, versioning="suspended")
    after = made.owner.ask("GET", made.path).json()
    assert [after[field] for field in expected] == [None, 4, "suspended", [], False]


def test_what_is_wrong_with_one_field_leaves_all_as_it_is(made: Made) -> None:
    made.s3.put_public_access_block(
        Bucket=made.name, PublicAccessBlockConfiguration={"BlockPublicPolicy": False, "RestrictPublicBuckets": False}
    )
    other = document(statement(Resource=f"arn:aws:s3:::{made.name}/*", Principal="*", Action="s3:GetObject"))
    made.s3.put_bucket_policy(Bucket=made.name, Policy=other)
    before = made.owner.ask("GET", made.path)
    assert before.json()["is_public"]
    refused = made.put(is_public=False, storage_quota=9, versioning="enabled")
    assert (refused.status_code, refused.json()["error_code"]) == CONFLICT
    assert made.owner.ask("GET", made.path).json() == before.json()


@pytest.mark.parametrize(
    "fields",
    [
        {"storage_quota": -1},
        {"storage_quota": 2**63},
        {"versioning": "off"},
        {"name": "another"},
        {"owner_id": "x"},
        {"cors": [{"allowed_origins": ["*"], "allowed_methods": ["PATCH"]}]},
        {"cors": [{"allowed_origins": ["*.*"], "allowed_methods": ["GET"]}]},
        {"cors": [{"allowed_origins": ["*"], "allowed_methods": ["GET"]}] * 101},
    ],
)
def test_what_cannot_be_set_is_refused(made: Made, fields: dict[str, Any]) -> None:
    assert made.owner.status("PUT", made.path, json=fields) == INVALID


def test_no_quota_is_more_than_the_owner_may_have(server: RunningServer, api: httpx.Client, ask: Ask) -> None:
    owner = new_person(api, ask, "small")
    ask("quota", "set", "--user", owner.name, "--bytes", "100", "--objects", "10")
    name = new_bucket_name()
    assert owner.status("POST", "/buckets", json={"name": name, "storage_quota": 101}) == INVALID
    assert owner.status("GET", f"/buckets/by-name/{name}") == HIDDEN
    made = owner.ask("POST", "/buckets", json={"name": name, "storage_quota": 100}).json()
    answer = owner.ask("PUT", f"/buckets/{made['id']}", json={"storage_quota": 5, "object_quota": 11})
    assert [fault["field"] for fault in answer.json()["errors"]] == ["object_quota"]
    assert owner.ask("GET", f"/buckets/{made['id']}").json() == made


def test_a_bucket_with_a_version_in_it_is_not_deleted(made: Made) -> None:
    made.put(versioning="enabled")
    made.s3.put_object(Bucket=made.name, Key="a", Body=b"x")
    assert made.owner.status("DELETE", made.path) == NOT_EMPTY
    marker = made.s3.delete_object(Bucket=made.name, Key="a")
    assert made.owner.status("DELETE", made.path) == NOT_EMPTY
    for version in made.s3.list_object_versions(Bucket=made.name)["Versions"]:
        made.s3.delete_object(Bucket=made.name, Key="a", VersionId=version["VersionId"])
    made.s3.delete_object(Bucket=made.name, Key="a", VersionId=marker["VersionId"])
    assert made.owner.status("DELETE", made.path) == GONE
    assert made.owner.status("GET", made.path) == HIDDEN


def test_storage_tells_what_is_in_it_and_what_is_left(made: Made, ask: Ask) -> None:
    made.put(storage_quota=100, object_quota=5, versioning="enabled")
    ask("quota", "set", "--bucket", made.name, "--prefix", "a/", "--objects", "3")
    made.s3.put_object(Bucket=made.name, Key="a/1", Body=b"12345")
    made.s3.put_object(Bucket=made.name, Key="a/1", Body=b"123")
    made.s3.put_object(Bucket=made.name, Key="b", Body=b"1")
    made.s3.delete_object(Bucket=made.name, Key="b")
    upload = made.s3.create_multipart_upload(Bucket=made.name, Key="c")["UploadId"]
    made.s3.upload_part(Bucket=made.name, Key="c", UploadId=upload, PartNumber=1, Body=b"1234567")
    told = made.owner.ask("GET", f"{made.path}/storage").json()
    of_prefix = {"prefix": "a/", "storage_quota": None, "object_quota": 3, "bytes": 8, "objects": 2}
    assert told == {
        "objects": 1,
        "versions": 3,
        "delete_markers": 1,
        "bytes": 9,
        "parts": 1,
        "part_bytes": 7,
        "trash_files": 0,
        "trash_bytes": 0,
        "storage_quota": 100,
        "object_quota": 5,
        "bytes_left": 84,
        "objects_left": 2,
        "prefixes": [of_prefix],
        "details": None,
    }


def test_a_list_tells_of_each_what_storage_tells_where_that_is_asked_and_allowed(made: Made, ask: Ask) -> None:
    made.put(storage_quota=100, versioning="enabled")
    ask("quota", "set", "--bucket", made.name, "--prefix", "a/", "--objects", "3")
    other = made.owner.ask("POST", "/buckets", json={"name": f"{made.name}-other"}).json()
    for body in (b"12345", b"1"):
        made.s3.put_object(Bucket=made.name, Key="a/1", Body=body)
    upload = made.s3.create_multipart_upload(Bucket=other["name"], Key="c")["UploadId"]
    made.s3.upload_part(Bucket=other["name"], Key="c", UploadId=upload, PartNumber=1, Body=b"1234567")
    told = {id: made.owner.ask("GET", f"/buckets/{id}/storage").json() for id in (made.id, other["id"])}
    assert (told[made.id]["bytes"], told[other["id"]]["part_bytes"]) == (6, 7)

    def listed(role: str, **params: Any) -> dict[str, Any]:
        found = made.people[role].ask("GET", "/buckets", params={"name": made.name, **params}).json()["items"]
        return {bucket["id"]: bucket["storage"] for bucket in found}

    assert listed("owner") == dict.fromkeys(told)
    assert listed("owner", storage="true") == listed("auditor", storage="true") == told
    assert listed("owner", storage="true", per_page="1") == {made.id: told[made.id]}
    assert listed("reader", storage="true") == {made.id: told[made.id]}
    assert listed("prefix-reader", storage="true") == {made.id: None}
    made.put(trash_seconds=60)
    for version in made.s3.list_object_versions(Bucket=made.name)["Versions"]:
        made.s3.delete_object(Bucket=made.name, Key="a/1", VersionId=version["VersionId"])
    assert made.owner.status("DELETE", made.path) == GONE
    assert listed("owner", storage="true", deleted="true") == {made.id: None}


class Listing(NamedTuple):
    """Buckets of one owner, from the oldest to the youngest."""

    owner: Person
    friend: Person
    names: list[str]

    def names_of(self, person: Person | None = None, **params: Any) -> list[str]:
        answer = (person or self.owner).ask("GET", "/buckets", params=params)
        assert answer.status_code == 200, answer.text
        return [bucket["name"] for bucket in answer.json()["items"]]


@pytest.fixture(scope="module")
def listing(server: RunningServer, api: httpx.Client, ask: Ask) -> Listing:
    """In the order of their ages c, a, b; in that of their sizes a, c, b; b is public, c shared."""
    owner, friend = new_person(api, ask, "lister"), new_person(api, ask, "friend")
    s3, mark = client_of(server, ROOT_KEY), owner.id[:8]
    names = [f"list-{mark}-{letter}" for letter in "cab"]
    for name, size in zip(names, (20, 10, 30), strict=True):
        made = owner.ask("POST", "/buckets", json={"name": name, "is_public": name.endswith("b")}).json()
        s3.put_object(Bucket=name, Key="x", Body=b"x" * size)
        if name == names[0]:
            body = {"user_id": friend.id, "permission": "read"}
            assert owner.status("POST", f"/buckets/{made['id']}/share", json=body) == CREATED
    return Listing(owner, friend, names)


ORDERS = {
    ("name", "asc"): "abc",
    ("name", "desc"): "cba",
    ("size", "asc"): "acb",
    ("size", "desc"): "bca",
    ("age", "asc"): "bac",
    ("age", "desc"): "cab",
}


@pytest.mark.parametrize("sort", ORDERS, ids=lambda sort: "-".join(sort))
def test_a_list_is_in_its_order_by_number_and_by_cursor(listing: Listing, sort: tuple[str, str]) -> None:
    order: dict[str, Any] = {"sort": sort[0], "order": sort[1]}
    assert "".join(name[-1] for name in listing.names_of(**order)) == ORDERS[sort]
    by_number = [listing.names_of(**order, page=page, per_page=1)[0][-1] for page in (1, 2, 3)]
    assert "".join(by_number) == ORDERS[sort]
    assert listing.names_of(**order, page=4, per_page=1) == []
    first = listing.owner.ask("GET", "/buckets", params={**order, "per_page": 2}).json()
    assert (first["total"], len(first["items"])) == (3, 2)
    then = listing.owner.ask("GET", "/buckets", params={**order, "per_page": 2, "cursor": first["next_cursor"]}).json()
    assert [bucket["name"][-1] for bucket in then["items"]] == [ORDERS[sort][-1]]
    assert then["next_cursor"] is None


def test_a_list_is_filtered(listing: Listing, admin: Any) -> None:
    mark = listing.names[0][:-2]
    assert listing.names_of(name=f"{mark[5:]}-A".upper()) == [f"{mark}-a"]
    assert listing.names_of(name="%") == listing.names_of(name="_") == []
    assert listing.names_of(public=True) == [f"{mark}-b"]
    assert listing.names_of(public=False) == [f"{mark}-a", f"{mark}-c"]
    assert listing.names_of(owner_id=listing.friend.id) == []
    assert listing.names_of(owner_id=listing.owner.id) == sorted(listing.names)
    for params in ({"sort": "owner"}, {"public": "maybe"}, {"owner_id": "x"}, {"name": "n" * 64}, {"name": "\0"}):
        assert listing.owner.status("GET", "/buckets", params=params) == INVALID


def test_everybody_lists_what_he_may_see(listing: Listing, people: dict[str, Person]) -> None:
    assert listing.names_of(listing.friend) == [listing.names[0]]
    assert listing.names_of(people["stranger"], owner_id=listing.owner.id) == []
    for role in ("admin", "auditor"):
        assert listing.names_of(people[role], owner_id=listing.owner.id) == sorted(listing.names)
        assert listing.names_of(people[role], owner_id=listing.owner.id, public=True) == [listing.names[2]]
