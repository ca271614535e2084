"""Every change at the JSON API, and every login that fails, is told by the audit log; admins and auditors read it."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from pyotp import TOTP

from s3gw.api.app import ROUTERS
from s3gw.api.examples import OF_MODELS
from tests.api.documented import HELD
from tests.api.people import PASSWORD, Person, new_name, refusal, register
from tests.api.test_links import message_to, token_of
from tests.api.test_roles import body_for
from tests.cli.commands import beside
from tests.servers import RunningServer

_addresses = itertools.count(20)
# What a route records; None: nothing when it succeeds, because it changes nothing but the caller's own session.
RECORDED: dict[tuple[str, str], str | None] = {
    ("POST", "/users/register"): "user.register",
    ("POST", "/users/login"): None,
    ("POST", "/users/refresh"): None,
    ("POST", "/users/logout"): "session.end",
    ("POST", "/users"): "user.create",
    ("PUT", "/users/{user_id}"): "user.update",
    ("PUT", "/users/{user_id}/quota"): "user.quota.put",
    ("DELETE", "/users/{user_id}"): "user.delete",
    ("POST", "/users/{user_id}/restore"): "user.restore",
    ("DELETE", "/users/{user_id}/sessions/{session_id}"): "session.end",
    ("POST", "/users/{user_id}/change-password"): "user.password",
    ("POST", "/users/forgot-password"): None,
    ("POST", "/users/me/verification"): None,
    ("POST", "/invitations"): "invitation.create",
    ("POST", "/users/me/totp"): "user.totp.enrol",
    ("DELETE", "/users/{user_id}/totp"): "user.totp.reset",
    ("DELETE", "/invitations/{invitation_id}"): "invitation.revoke",
}
_ASKING = ("GET", "HEAD", "OPTIONS")
# What changes files, which S3's door doesn't tell the audit log of either: the outbox has it.
_OF_FILES = {
    ("POST", "/buckets/{bucket_id}/files"),
    ("PUT", "/buckets/{bucket_id}/files/{file_id}"),
    ("DELETE", "/buckets/{bucket_id}/files/{file_id}"),
    ("POST", "/buckets/{bucket_id}/files/{file_id}/copy"),
    ("PUT", "/buckets/{bucket_id}/files/{file_id}/acl"),  # object.acl.put: test_file_acls.py
    ("POST", "/buckets/{bucket_id}/presign"),  # object.presign: test_presign.py
    ("POST", "/buckets/{bucket_id}/uploads"),
    ("POST", "/buckets/{bucket_id}/uploads/{upload_id}"),
    ("PATCH", "/buckets/{bucket_id}/uploads/{upload_id}"),
    ("DELETE", "/buckets/{bucket_id}/uploads/{upload_id}"),
    ("POST", "/buckets/{bucket_id}/files/{file_id}/versions/{version_id}/restore"),
    ("DELETE", "/buckets/{bucket_id}/files/{file_id}/versions/{version_id}"),
    ("POST", "/buckets/{bucket_id}/files/{file_id}/restore"),
    ("DELETE", "/buckets/{bucket_id}/trash"),
    ("POST", "/buckets/{bucket_id}/unpack"),
    ("POST", "/buckets/{bucket_id}/archive"),  # changes nothing
    ("POST", "/buckets/{bucket_id}/files/{file_id}/preview-url"),  # nor does this
    ("POST", "/buckets/{bucket_id}/policy/check"),  # nor this
    ("POST", "/buckets/{bucket_id}/files/{file_id}/view-url"),
    ("POST", "/buckets/{bucket_id}/storage/measure"),  # job.create: test_storage_details.py
    ("POST", "/buckets/{bucket_id}/files/{file_id}/share"),  # grant.create: test_files.py
}
# job.cancel, job.retry and job.create: test_jobs.py, test_batch.py; schedule.put and schedule.run: test_schedules.py
# event_target.retry and event_target.drop: test_event_targets.py; scan.release, scan.delete: test_scans.py
_ELSEWHERE = {
    ("POST", "/scans/{digest}/release"),
    ("DELETE", "/scans/{digest}"),
    ("PUT", "/users/{user_id}/policies/{policy_name}"),  # user.policy.put and so on: test_identity_policies.py
    ("DELETE", "/users/{user_id}/policies/{policy_name}"),
    ("PUT", "/groups/{group_id}/policies/{policy_name}"),
    ("DELETE", "/groups/{group_id}/policies/{policy_name}"),
    ("POST", "/policies/check"),  # changes nothing
    ("POST", "/event-targets/{target_id}/retry"),
    ("POST", "/event-targets/{target_id}/dead/{event_id}/retry"),
    ("DELETE", "/event-targets/{target_id}/dead/{event_id}"),
    ("POST", "/event-targets/{target_id}/test"),
    ("POST", "/audit/verification"),  # job.create
    ("POST", "/jobs/{job_id}/cancel"),
    ("POST", "/jobs/{job_id}/retry"),
    ("PUT", "/schedules/{kind}"),
    ("POST", "/schedules/{kind}/run"),
    ("POST", "/buckets/{bucket_id}/batch"),
    ("POST", "/reports"),  # test_reports.py, of saved ones too
    ("POST", "/reports/saved"),
    ("PUT", "/reports/saved/{report_id}"),
    ("DELETE", "/reports/saved/{report_id}"),
    ("POST", "/reports/saved/{report_id}/run"),
    ("POST", "/buckets/{bucket_id}/files/{file_id}/unpack"),  # test_unpack_job.py
}
# What needs more to succeed, and what it records: tested below.
_ONE_AFTER_THE_OTHER = {
    ("POST", "/groups"): "group.create",
    ("PUT", "/groups/{group_id}"): "group.update",
    ("PUT", "/groups/{group_id}/members/{user_id}"): "group.add",
    ("DELETE", "/groups/{group_id}/members/{user_id}"): "group.remove",
    ("DELETE", "/groups/{group_id}"): "group.delete",
    ("POST", "/service-accounts"): "user.create",
    ("PUT", "/service-accounts/{user_id}"): "user.update",
    ("DELETE", "/service-accounts/{user_id}"): "user.delete",
    ("POST", "/keys"): "key.create",
    ("PUT", "/keys/{access_key_id}"): "key.update",
    ("DELETE", "/keys/{access_key_id}"): "key.delete",
    ("POST", "/buckets"): "bucket.create",
    ("PUT", "/buckets/{bucket_id}"): "bucket.quota.put",
    ("POST", "/buckets/{bucket_id}/share"): "grant.create",
    ("PUT", "/buckets/{bucket_id}/access/{user_id}"): "grant.update",
    ("DELETE", "/buckets/{bucket_id}/access/{user_id}"): "grant.delete",
    ("POST", "/buckets/{bucket_id}/links"): "link.create",
    ("PUT", "/links/{link_id}"): "link.update",
    ("DELETE", "/links/{link_id}"): "link.revoke",
    ("POST", "/event-targets"): "event_target.create",
    ("PUT", "/event-targets/{target_id}"): "event_target.update",
    ("PUT", "/buckets/{bucket_id}/policy"): "bucket.policy.put",
    ("DELETE", "/buckets/{bucket_id}/policy"): "bucket.policy.delete",
    ("PUT", "/buckets/{bucket_id}/cors"): "bucket.cors_configuration.put",
    ("PUT", "/buckets/{bucket_id}/public-access-block"): "bucket.public_access_block.put",
    ("PUT", "/buckets/{bucket_id}/ownership"): "bucket.ownership_controls.put",
    ("PUT", "/buckets/{bucket_id}/acl"): "bucket.acl.put",
    ("PUT", "/buckets/{bucket_id}/notifications"): "bucket.notification_configuration.put",
    ("DELETE", "/event-targets/{target_id}"): "event_target.delete",
    ("DELETE", "/buckets/{bucket_id}"): "bucket.delete",
    ("POST", "/buckets/{bucket_id}/restore"): "bucket.restore",
    ("POST", "/users/me/totp/confirm"): "user.totp.enable",
    ("POST", "/users/me/totp/recovery-codes"): "user.totp.recovery_codes",
    ("DELETE", "/users/me/totp"): "user.totp.disable",
    ("POST", "/users/verify-email"): "user.verify",
    ("POST", "/users/reset-password"): "user.password",
}


def lines_of(admin: Person, answer: httpx.Response) -> list[dict[str, Any]]:
    """What the log tells of the request."""
    newest = admin.http.get("/audit", params={"per_page": 100}).json()["items"]
    return [line for line in newest if line["request_id"] == answer.headers["X-Request-Id"]]


def test_every_route_that_changes_something_has_its_row() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    changing = {(method, route.path) for route in routes for method in route.methods if method not in _ASKING}
    assert changing == RECORDED.keys() | _ONE_AFTER_THE_OTHER.keys() | _OF_FILES | _ELSEWHERE, (
        "a new route: say what it records"
    )


def prepared(api: httpx.Client, admin: Person, method: str, path: str) -> tuple[Person, Person, str, Any]:
    """Who asks, about whom, at which path, with which body, so that it succeeds."""
    person = register(api)
    asker = person if path.endswith("/change-password") else admin
    body, session_id, invitation_id = body_for(method, path, person), "", ""
    if path in ("/users/logout", "/users/refresh"):
        body = {"refresh_token": person.tokens["refresh_token"]}
    if path.endswith("/restore"):
        assert admin.http.delete(f"/users/{person.id}").status_code == 204
    elif "{session_id}" in path:
        session_id = admin.http.get(f"/users/{person.id}/sessions").json()["items"][0]["id"]
    elif "{invitation_id}" in path:
        invitation_id = admin.http.post("/invitations", json={}).json()["id"]
    return asker, person, path.format(user_id=person.id, session_id=session_id, invitation_id=invitation_id), body


@pytest.mark.parametrize(("method", "path"), RECORDED)
def test_every_change_tells_who_what_and_from_where(api: httpx.Client, admin: Person, method: str, path: str) -> None:
    asker, person, target, body = prepared(api, admin, method, path)
    answer = asker.http.request(method, target, json=body)
    assert answer.status_code < 300, answer.text
    lines = lines_of(admin, answer)
    action = RECORDED[method, path]
    assert [line["action"] for line in lines] == ([] if action is None else [action])
    for line in lines:
        assert (line["door"], line["address"], line["outcome"]) == ("api", "127.0.0.1", "done")
        own = path in ("/users/logout", "/users/register")
        assert line["actor"] == (line["resource"] if path == "/users/register" else (person if own else asker).name)
        assert PASSWORD not in json.dumps(line) and "argon2" not in json.dumps(line)


def groups_of(server: RunningServer, person: Person) -> list[httpx.Response]:
    """What is done with a group and a user of the person's account."""
    made = person.http.post("/groups", json={"name": f"audited-{person.name}"})
    path = f"/groups/{made.json()['id']}"
    member = server.command("user", "create", f"{person.name}-member", "--account", person.name)
    answers = [made, person.http.put(path, json={"name": f"audited-{person.name}-2"})]
    answers += [person.http.request(method, f"{path}/members/{member['id']}") for method in ("PUT", "DELETE")]
    return [*answers, person.http.delete(path)]


def settings_of(person: Person, bucket: str) -> list[httpx.Response]:
    """What is set for a bucket of the person's about access."""
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*/x"}
    policy = {"Version": "2012-10-17", "Statement": statement}
    answers = [person.http.put(f"{bucket}/policy", json={"policy": policy}), person.http.delete(f"{bucket}/policy")]
    for name, model in (("cors", "BucketCors"), ("public-access-block", "Switches")):
        answers.append(person.http.put(f"{bucket}/{name}", json=OF_MODELS[model]))
    answers.append(person.http.put(f"{bucket}/ownership", json={"object_ownership": "ObjectWriter"}))
    return [*answers, person.http.put(f"{bucket}/acl", json={"canned": "private"})]


def test_groups_keys_grants_and_links_tell_what_they_change(
    server: RunningServer, api: httpx.Client, admin: Person, person: Person
) -> None:
    friend, address = register(api), f"{person.name}@example.com"
    answers = groups_of(server, person)
    service = person.http.post("/service-accounts", json={"username": f"{person.name}-service"})
    path = f"/service-accounts/{service.json()['id']}"
    answers += [service, person.http.put(path, json={"is_active": False}), person.http.delete(path)]
    key = person.http.post("/keys", json={})
    path = f"/keys/{key.json()['access_key_id']}"
    answers += [key, person.http.put(path, json={"is_active": False}), person.http.delete(path)]
    answers.append(person.http.post("/buckets", json={"name": f"audited-{person.name}"}))
    share = f"/buckets/{answers[-1].json()['id']}"
    answers.append(person.http.put(share, json={"storage_quota": 5}))
    answers.append(person.http.post(f"{share}/share", json={"user_id": friend.id, "permission": "read"}))
    answers.append(person.http.put(f"{share}/access/{friend.id}", json={"permission": "write"}))
    answers.append(person.http.delete(f"{share}/access/{friend.id}"))
    linked = person.http.post(f"{share}/links", json={"kind": "folder", "prefix": ""})
    link = f"/links/{linked.json()['id']}"
    answers += [linked, person.http.put(link, json={"max_downloads": 5}), person.http.delete(link)]
    target = person.http.post("/event-targets", json={"name": "audited", "url": "https://example.com/?token=told"})
    path, rules = f"/event-targets/{target.json()['id']}", [{"target": "audited", "events": ["s3:ObjectCreated:*"]}]
    answers += [target, person.http.put(path, json={"is_enabled": False})]
    answers += settings_of(person, share)
    answers += [person.http.put(f"{share}/notifications", json={"rules": rules}), person.http.delete(path)]
    answers += [person.http.delete(share), person.http.post(f"{share}/restore", json={})]
    secret = person.http.post("/users/me/totp", json={"password": PASSWORD}).json()["secret"]
    answers.append(person.http.post("/users/me/totp/confirm", json={"totp": TOTP(secret).now()}))
    codes = answers[-1].json()["recovery_codes"]
    both = {"password": PASSWORD, "totp": codes[0]}
    answers.append(person.http.post("/users/me/totp/recovery-codes", json=both))
    both["totp"] = answers[-1].json()["recovery_codes"][0]
    answers.append(person.http.delete("/users/me/totp", json=both))
    token = token_of(message_to(server, address, "Confirm your address"))
    answers.append(api.post("/users/verify-email", json={"token": token}))
    assert api.post("/users/forgot-password", json={"email": address}).status_code == 202
    token = token_of(message_to(server, address, "Set a new password"))
    answers.append(api.post("/users/reset-password", json={"token": token, "new_password": PASSWORD}))
    told = [lines_of(admin, answer) for answer in answers]
    used = "user.totp.recover"  # by the two that show a recovery code
    actions = [[line["action"] for line in lines if line["action"] != used] for lines in told]
    assert actions == [[one] for one in _ONE_AFTER_THE_OTHER.values()]
    assert sum(line["action"] == used for lines in told for line in lines) == 2
    assert {line["actor"] for lines in told for line in lines} == {person.name}
    secrets = (key.json()["secret_access_key"], target.json()["secret"], "token=told")
    for told_once in (*secrets, PASSWORD, token, "argon2", secret, *codes):
        assert told_once not in json.dumps(told)


def test_what_a_key_is_narrowed_to_is_told(admin: Person, person: Person) -> None:
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}
    made = person.http.post("/keys", json={"policy": policy})
    put, created = lines_of(admin, made)
    assert (created["action"], put["action"], put["actor"]) == ("key.create", "key.policy.put", person.name)
    assert json.loads(put["after"]["document"]) == policy
    assert put["after"]["holder_id"] == made.json()["access_key_id"]


def test_a_change_that_is_refused_tells_nothing(person: Person, admin: Person) -> None:
    answer = person.http.put(f"/users/{person.id}", json={"role": "admin"})
    assert answer.status_code == 422
    assert lines_of(admin, answer) == []


@pytest.fixture
def elsewhere(server: RunningServer) -> Iterator[httpx.Client]:
    """From an address that no other test is wrong from."""
    transport = httpx.HTTPTransport(local_address=f"127.0.0.{next(_addresses)}")
    with httpx.Client(base_url=f"{server.admin}/api/v1", transport=transport, timeout=60, event_hooks=HELD) as client:
        yield client


def test_a_wrong_password_is_told_with_the_name_and_the_address(elsewhere: httpx.Client, admin: Person) -> None:
    answer = elsewhere.post("/users/login", json={"username": "no-such-user", "password": "guessed-secret"})
    (line,) = lines_of(admin, answer)
    assert (line["action"], line["outcome"], line["resource"]) == ("login", "failed", "no-such-user")
    assert (line["actor"], line["actor_id"], line["count"]) == ("", "", 1)
    assert line["address"].startswith("127.0.0.") and line["address"] != "127.0.0.1"
    assert "guessed" not in json.dumps(line)


def test_a_stolen_refresh_token_is_told_once(api: httpx.Client, person: Person, admin: Person) -> None:
    old = {"refresh_token": person.tokens["refresh_token"]}
    assert api.post("/users/refresh", json=old).status_code == 200
    again, third = (api.post("/users/refresh", json=old) for _ in range(2))
    assert (again.status_code, third.status_code) == (401, 401)
    (line,) = lines_of(admin, again)
    assert (line["action"], line["outcome"]) == ("session.refresh", "refused")
    assert line["after"]["user_id"] == person.id and line["after"]["ended_because"] == "reuse"
    assert lines_of(admin, third) == []


def test_pages_filters_and_cursors_find_the_same_lines(person: Person, admin: Person, auditor: Person) -> None:
    path = f"/users/{person.id}"
    for number in range(3):
        body = {"email": f"{person.name}-{number}@example.com", "current_password": PASSWORD}
        assert person.http.put(path, json=body).status_code == 200
    mine = {"actor": person.name, "action": "user.update"}
    page = auditor.http.get("/audit", params=mine).json()
    assert (page["total"], len(page["items"])) == (3, 3)
    assert auditor.http.get("/audit", params={**mine, "actor": person.id}).json()["total"] == 3
    ids = [line["id"] for line in page["items"]]
    assert ids == sorted(ids, reverse=True)
    first = auditor.http.get("/audit", params={**mine, "per_page": 2}).json()
    second = auditor.http.get("/audit", params={**mine, "per_page": 2, "page": 2}).json()
    after = auditor.http.get("/audit", params={**mine, "per_page": 2, "cursor": first["next_cursor"]}).json()
    assert [line["id"] for line in first["items"] + second["items"]] == ids
    assert [line["id"] for line in after["items"]] == ids[2:]
    for narrower in (
        {"since": page["items"][0]["at"]},
        {"resource": person.name, "resource_type": "user", "until": page["items"][1]["at"]},
    ):
        assert auditor.http.get("/audit", params={**mine, **narrower}).json()["total"] == 1
    for wider in ({"outcome": "failed"}, {"until": "2000-01-01T00:00:00"}, {"resource_type": "group"}):
        assert auditor.http.get("/audit", params={**mine, **wider}).json()["total"] == 0
    wrong = ({"cursor": "eA=="}, {"outcome": "x"}, {"since": "x"}, {"since": "0"}, {"actor": "\0"}, {"per_page": 1001})
    for parameters in wrong:
        assert refusal(auditor.http.get("/audit", params=parameters)) == (422, "VALIDATION_ERROR")
    exported = auditor.http.get("/audit/export", params=mine)
    assert exported.headers["content-type"] == "application/x-ndjson"
    told = [json.loads(line)["id"] for line in exported.text.splitlines()]
    assert told == ids[::-1]


def test_a_line_is_sealed_and_the_log_is_whole(person: Person, admin: Person, server: RunningServer) -> None:
    body = {"email": f"{person.name}-2@example.com", "current_password": PASSWORD}
    answer = person.http.put(f"/users/{person.id}", json=body)
    deadline = time.monotonic() + 20  # of a machine that is busy
    while lines_of(admin, answer)[0]["position"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ask = beside(server)
    assert ask("audit", "verify", "--head", ask("audit", "head")["head"])["faults"] == []


def test_who_may_not_read_the_log_learns_nothing_of_it(person: Person) -> None:
    for path in ("/audit", "/audit/export"):
        assert refusal(person.http.get(path)) == (403, "PERMISSION_DENIED")
        assert refusal(person.http.get(path, params={"actor": str(uuid.uuid4())}))[0] == 403


def test_only_ten_wrong_logins_a_minute_of_a_name_have_lines_of_their_own(
    elsewhere: httpx.Client, admin: Person
) -> None:
    name = new_name()
    wrong = {"username": name, "password": "wrong"}
    answers = [elsewhere.post("/users/login", json=wrong) for _ in range(13)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 3
    lines = admin.http.get("/audit", params={"resource": name, "action": "login"}).json()["items"]
    assert [line["request_id"] for line in lines if line["outcome"] == "failed"] == [
        answer.headers["X-Request-Id"] for answer in answers[9::-1]
    ]
    assert {line["outcome"] for line in lines if line["count"] > 1} <= {"refused"}  # where the minute is over by now
