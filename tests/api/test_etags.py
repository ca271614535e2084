"""Updates with If-Match: of two who change the same, the second is told that it isn't any more what he saw."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx
import pytest
from fastapi.routing import APIRoute

from s3gw.accounts.etags import etag_of, require_match
from s3gw.api.app import ROUTERS
from s3gw.api.examples import OF_MODELS
from s3gw.problems import PreconditionFailed
from tests.api.documented import HELD
from tests.api.people import Person, refusal, register
from tests.cli.commands import Ask

# Without those that add somebody to a group: again they change nothing, whatever else was changed. Uploads that resume
# are compared by their offset. Schedules and quotas of users are an admin's: test_schedules.py, test_user_quotas.py.
UPDATES = {
    route.path
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    and route.methods & {"PUT", "PATCH"}
    and not re.search("/members/|/uploads/|/schedules/|/quota$", route.path)
}


_DENY = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*/x"}
_RULE = {"allowed_origins": ["https://a.example"], "allowed_methods": ["GET"]}
_ALL = dict.fromkeys(OF_MODELS["Switches"], False)
SETTINGS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "policy": ({"policy": {"Statement": _DENY}}, {"policy": {"Statement": [_DENY, _DENY]}}),
    "cors": ({"rules": [_RULE]}, {"rules": []}),
    "acl": ({"canned": "log-delivery-write"}, {"canned": "private"}),
    "ownership": ({"object_ownership": "ObjectWriter"}, {"object_ownership": "BucketOwnerPreferred"}),
    "public-access-block": (_ALL, _ALL | {"block_public_acls": True}),
}


class Changed(NamedTuple):
    """What is made by `made`'s answer is changed at `path` by either body."""

    made: httpx.Response
    path: str
    bodies: tuple[dict[str, object], dict[str, object]]


def acl_of_file(person: Person) -> Changed:
    bucket = f"/buckets/{person.http.post('/buckets', json={'name': f'etag-acl-{person.id[:12]}'}).json()['id']}"
    person.http.put(f"{bucket}/ownership", json={"object_ownership": "ObjectWriter"})
    file = person.http.post(f"{bucket}/files", params={"path": "a"}, content=b"x").json()["id"]
    path = f"{bucket}/files/{file}/acl"
    return Changed(person.http.get(path), path, ({"canned": "log-delivery-write"}, {"canned": "private"}))


def policy_of(holder: str, person: Person, ask: Ask) -> Changed:
    """Of a user in the person's account, or of a group there."""
    if holder == "users":
        holder_id = ask("user", "create", f"etag-of-{person.name}", "--account", person.name)["id"]
    else:
        holder_id = person.http.post("/groups", json={"name": f"etag-of-{person.name}"}).json()["id"]
    path = f"/{holder}/{holder_id}/policies/reads"
    first, second, third = (
        {"policy": {"Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}}}
        for action in ("s3:GetObject", "s3:PutObject", "s3:ListBucket")
    )
    return Changed(person.http.put(path, json=first), path, (second, third))


def _change_of(route: str, api: httpx.Client, ask: Ask, person: Person) -> Changed:
    """A new update needs its row here."""
    if route == "/users/{user_id}":
        path = f"/users/{person.id}"
        return Changed(person.http.get(path), path, ({"email": f"{person.name}@one.net"}, {"email": "two@two.net"}))
    if route == "/keys/{access_key_id}":
        made = person.http.post("/keys", json={})
        path = f"/keys/{made.json()['access_key_id']}"
        assert person.http.get(path).headers["ETag"] == made.headers["ETag"]
        return Changed(made, path, ({"is_active": False}, {"description": "laptop"}))
    if route == "/groups/{group_id}":
        made = person.http.post("/groups", json={"name": f"etag-{person.name}"})
        names = ({"name": f"etag-{person.name}-2"}, {"name": f"etag-{person.name}-3"})
        return Changed(made, f"/groups/{made.json()['id']}", names)
    if route == "/service-accounts/{user_id}":
        made = person.http.post("/service-accounts", json={"username": f"{person.name}-etag"})
        return Changed(made, f"/service-accounts/{made.json()['id']}", ({"is_active": False}, {"is_active": True}))
    if route == "/buckets/{bucket_id}":
        made = person.http.post("/buckets", json={"name": f"etag-{person.id[:12]}"})
        path = f"/buckets/{made.json()['id']}"
        assert person.http.get(path).headers["ETag"] == made.headers["ETag"]
        return Changed(made, path, ({"storage_quota": 5}, {"is_public": True, "versioning": "enabled"}))
    if route == "/links/{link_id}":
        bucket = person.http.post("/buckets", json={"name": f"etag-links-{person.id[:12]}"}).json()["id"]
        made = person.http.post(f"/buckets/{bucket}/links", json={"kind": "folder", "prefix": ""})
        return Changed(made, f"/links/{made.json()['id']}", ({"password": "open"}, {"max_downloads": 5}))
    if route == "/event-targets/{target_id}":
        made = person.http.post("/event-targets", json={"name": "etag", "url": "https://example.com/"})
        return Changed(made, f"/event-targets/{made.json()['id']}", ({"is_enabled": False}, {"new_secret": True}))
    if route == "/buckets/{bucket_id}/notifications":
        person.http.post("/event-targets", json={"name": "etag", "url": "https://example.com/"})
        bucket = person.http.post("/buckets", json={"name": f"etag-events-{person.id[:12]}"}).json()["id"]
        path, rule = f"/buckets/{bucket}/notifications", {"target": "etag", "events": ["s3:ObjectCreated:*"]}
        bodies = ({"rules": [rule]}, {"rules": [rule | {"prefix": "a/"}]})
        return Changed(person.http.get(path), path, bodies)
    if (setting := route.removeprefix("/buckets/{bucket_id}/")) in SETTINGS:
        bucket = person.http.post("/buckets", json={"name": f"etag-{setting}-{person.id[:12]}"}).json()["id"]
        path = f"/buckets/{bucket}/{setting}"
        if setting == "acl":
            person.http.put(f"/buckets/{bucket}/ownership", json={"object_ownership": "ObjectWriter"})
        return Changed(person.http.get(path), path, SETTINGS[setting])
    if route == "/reports/saved/{report_id}":
        bucket = person.http.post("/buckets", json={"name": f"etag-reports-{person.id[:12]}"}).json()["id"]
        report = {"name": "usage", "destination": {"bucket_id": bucket}}
        made = person.http.post("/reports/saved", json=report)
        path = f"/reports/saved/{made.json()['id']}"
        return Changed(made, path, (report | {"by": ["age"]}, report | {"cron": "0 0 * * *"}))
    if route == "/buckets/{bucket_id}/files/{file_id}":
        name = f"etag-files-{person.id[:12]}"
        ask("bucket", "create", name, "--owner", person.name)
        files = f"/buckets/{ask('bucket', 'show', name)['id']}/files"
        made = person.http.post(files, params={"path": "a"}, content=b"x")
        return Changed(made, f"{files}/{made.json()['id']}", ({"tags": {"a": "b"}}, {"mime_type": "text/html"}))
    assert route == "/buckets/{bucket_id}/access/{user_id}"
    name, friend = f"etag-{person.id[:12]}", register(api)
    ask("bucket", "create", name, "--owner", person.name)
    bucket = ask("bucket", "show", name)["id"]
    made = person.http.post(f"/buckets/{bucket}/share", json={"user_id": friend.id, "permission": "read"})
    return Changed(made, f"/buckets/{bucket}/access/{friend.id}", ({"permission": "write"}, {"permission": "admin"}))


def change_of(route: str, api: httpx.Client, ask: Ask, person: Person) -> Changed:
    if route.endswith("/policies/{policy_name}"):
        return policy_of(route.split("/")[1], person, ask)
    return acl_of_file(person) if route.endswith("{file_id}/acl") else _change_of(route, api, ask, person)


@pytest.mark.parametrize("route", sorted(UPDATES))
def test_of_two_changes_of_the_same_the_second_is_refused(
    route: str, api: httpx.Client, ask: Ask, person: Person
) -> None:
    changed = change_of(route, api, ask, person)
    seen = {"If-Match": changed.made.headers["ETag"]}
    first = person.http.put(changed.path, json=changed.bodies[0], headers=seen)
    assert first.status_code == 200, first.text
    assert first.headers["ETag"] != seen["If-Match"]
    second = person.http.put(changed.path, json=changed.bodies[1], headers=seen)
    assert refusal(second) == (412, "PRECONDITION_FAILED")
    for tag in (f'"x", {first.headers["ETag"]}', "*"):
        assert person.http.put(changed.path, json=changed.bodies[0], headers={"If-Match": tag}).status_code == 200


@pytest.mark.parametrize("route", sorted(UPDATES))
def test_of_changes_at_once_one_is_done(route: str, api: httpx.Client, ask: Ask, person: Person) -> None:
    changed = change_of(route, api, ask, person)
    headers = {**person.bearer, "If-Match": changed.made.headers["ETag"]}

    def change(_: int) -> int:
        with httpx.Client(base_url=api.base_url, timeout=60, event_hooks=HELD) as connection:  # of whichever worker
            return connection.put(changed.path, json=changed.bodies[0], headers=headers).status_code

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(change, range(6))) == [200, *[412] * 5]


@pytest.mark.parametrize("given", ['W/"1"', "1", '"2"', "", '"1'])
def test_what_is_no_tag_of_it_does_not_match(given: str) -> None:
    require_match(None, '"1"')
    require_match('"2","1"', '"1"')
    with pytest.raises(PreconditionFailed):
        require_match(given, '"1"')


def test_a_tag_is_of_all_that_is_told() -> None:
    assert etag_of(["a", None]) == etag_of(("a", None)) != etag_of(["a", 1])
