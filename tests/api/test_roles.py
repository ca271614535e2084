"""Every route × everybody who may ask: one table, in which a new route without a row fails."""

from __future__ import annotations

import re
import uuid
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from s3gw.api.app import ROUTERS
from s3gw.api.examples import OF_MODELS
from tests.api.documented import document
from tests.api.people import PASSWORD, Person, new_name, refusal, register

WHO = ("nobody", "stranger", "self", "auditor", "admin")
# What each gets, in the order of WHO, where a stranger asks about somebody else. Bodies are those that would do.
TABLE: dict[tuple[str, str], tuple[int, ...]] = {
    ("POST", "/users/register"): (201, 201, 201, 201, 201),
    ("POST", "/users/login"): (200, 200, 200, 200, 200),
    ("GET", "/users/login"): (200, 200, 200, 200, 200),
    ("POST", "/users/refresh"): (401, 401, 401, 401, 401),  # with a token of nobody's
    ("POST", "/users/logout"): (401, 401, 401, 401, 401),
    ("POST", "/users/verify-email"): (422, 422, 422, 422, 422),
    ("POST", "/users/me/verification"): (401, 202, 202, 202, 202),
    ("POST", "/users/forgot-password"): (202, 202, 202, 202, 202),
    ("POST", "/users/reset-password"): (422, 422, 422, 422, 422),
    ("POST", "/invitations"): (401, 403, 403, 403, 201),
    ("GET", "/invitations"): (401, 403, 403, 403, 200),
    ("DELETE", "/invitations/{invitation_id}"): (401, 403, 403, 403, 404),  # of nobody's
    ("GET", "/users/me"): (401, 200, 200, 200, 200),
    ("GET", "/users"): (401, 403, 403, 200, 200),
    ("POST", "/users"): (401, 403, 403, 403, 201),
    ("GET", "/users/{user_id}"): (401, 404, 200, 200, 200),
    ("PUT", "/users/{user_id}"): (401, 404, 200, 403, 200),
    ("GET", "/users/{user_id}/quota"): (401, 404, 200, 200, 200),
    ("PUT", "/users/{user_id}/quota"): (401, 403, 403, 403, 200),
    ("POST", "/users/{user_id}/change-password"): (401, 404, 204, 404, 404),
    ("GET", "/users/{user_id}/sessions"): (401, 404, 200, 200, 200),
    ("DELETE", "/users/{user_id}/sessions/{session_id}"): (401, 404, 404, 403, 404),  # of a session of nobody's
    ("POST", "/users/{user_id}/restore"): (401, 403, 403, 403, 409),  # who isn't deleted
    ("DELETE", "/users/{user_id}"): (401, 404, 204, 403, 204),
    ("GET", "/health"): (200, 200, 200, 200, 200),
    ("GET", "/users/oidc/login"): (404, 404, 404, 404, 404),  # no issuer is set
    ("GET", "/users/oidc/callback"): (404, 404, 404, 404, 404),
    ("GET", "/users/me/totp"): (401, 200, 200, 200, 200),
    ("POST", "/users/me/totp"): (401, 201, 201, 201, 201),  # of an asker who hasn't confirmed one
    ("POST", "/users/me/totp/confirm"): (401, 422, 409, 422, 422),  # with a wrong code; of who has just come
    ("POST", "/users/me/totp/recovery-codes"): (401, 409, 409, 409, 409),  # who has none
    ("DELETE", "/users/me/totp"): (401, 409, 409, 409, 409),
    ("DELETE", "/users/{user_id}/totp"): (401, 403, 403, 403, 204),
    ("GET", "/audit"): (401, 403, 403, 200, 200),
    ("GET", "/audit/export"): (401, 403, 403, 200, 200),
    ("GET", "/audit/verification"): (401, 403, 403, 200, 200),
    ("POST", "/audit/verification"): (401, 403, 403, 202, 202),
    ("GET", "/dashboard"): (401, 403, 403, 200, 200),
    ("GET", "/settings"): (401, 403, 403, 403, 200),
}


# What is asked for by grantees too, or about keys, has its table beside it.
_OF_ACCESS = {  # test_access.py
    ("POST", "/buckets/{bucket_id}/share"),
    ("GET", "/buckets/{bucket_id}/access"),
    ("GET", "/buckets/{bucket_id}/access/{user_id}"),
    ("PUT", "/buckets/{bucket_id}/access/{user_id}"),
    ("DELETE", "/buckets/{bucket_id}/access/{user_id}"),
    ("GET", "/access/explain"),
    ("GET", "/buckets/{bucket_id}/policy"),  # test_bucket_settings.py
    ("PUT", "/buckets/{bucket_id}/policy"),
    ("DELETE", "/buckets/{bucket_id}/policy"),
    ("POST", "/buckets/{bucket_id}/policy/check"),
    ("GET", "/buckets/{bucket_id}/cors"),
    ("PUT", "/buckets/{bucket_id}/cors"),
    ("GET", "/buckets/{bucket_id}/acl"),
    ("PUT", "/buckets/{bucket_id}/acl"),
    ("GET", "/buckets/{bucket_id}/files/{file_id}/acl"),  # test_file_acls.py
    ("PUT", "/buckets/{bucket_id}/files/{file_id}/acl"),
    ("GET", "/buckets/{bucket_id}/ownership"),
    ("PUT", "/buckets/{bucket_id}/ownership"),
    ("GET", "/buckets/{bucket_id}/public-access-block"),
    ("PUT", "/buckets/{bucket_id}/public-access-block"),
}
_OF_BUCKETS = {  # test_buckets.py
    ("POST", "/buckets"),
    ("GET", "/buckets"),
    ("GET", "/buckets/by-name/{name}"),
    ("GET", "/buckets/{bucket_id}"),
    ("PUT", "/buckets/{bucket_id}"),
    ("DELETE", "/buckets/{bucket_id}"),
    ("GET", "/buckets/{bucket_id}/storage"),
    ("POST", "/buckets/{bucket_id}/storage/measure"),
    ("POST", "/buckets/{bucket_id}/restore"),  # test_deleted_buckets.py
}
_OF_FILES = {  # test_files.py, test_upload.py
    ("GET", "/buckets/{bucket_id}/file"),
    ("GET", "/buckets/{bucket_id}/files"),
    ("POST", "/buckets/{bucket_id}/files"),
    ("GET", "/buckets/{bucket_id}/files/{file_id}"),
    ("PUT", "/buckets/{bucket_id}/files/{file_id}"),
    ("DELETE", "/buckets/{bucket_id}/files/{file_id}"),
    ("POST", "/buckets/{bucket_id}/files/{file_id}/copy"),  # test_copies.py
    ("GET", "/buckets/{bucket_id}/files/{file_id}/download"),
    ("GET", "/buckets/{bucket_id}/files/{file_id}/thumbnail"),  # test_previews.py
    ("GET", "/buckets/{bucket_id}/files/{file_id}/optimized"),
    ("POST", "/buckets/{bucket_id}/files/{file_id}/preview-url"),
    ("POST", "/buckets/{bucket_id}/files/{file_id}/view-url"),  # test_views.py
    ("GET", "/buckets/{bucket_id}/files/{file_id}/page"),
    ("GET", "/buckets/{bucket_id}/files/{file_id}/table"),
    ("GET", "/preview"),
    ("GET", "/buckets/{bucket_id}/files/{file_id}/entries"),  # test_zip_entries.py
    ("GET", "/buckets/{bucket_id}/files/{file_id}/entry"),
    ("POST", "/buckets/{bucket_id}/unpack"),  # test_unpack.py
    ("POST", "/buckets/{bucket_id}/files/{file_id}/unpack"),  # test_unpack_job.py
    ("GET", "/buckets/{bucket_id}/archive"),  # test_archives.py
    ("POST", "/buckets/{bucket_id}/archive"),
    ("POST", "/buckets/{bucket_id}/files/{file_id}/share"),
    ("GET", "/buckets/{bucket_id}/search"),  # test_found_files.py
    ("GET", "/buckets/{bucket_id}/files/{file_id}/versions"),  # test_versions.py
    ("POST", "/buckets/{bucket_id}/files/{file_id}/versions/{version_id}/restore"),
    ("DELETE", "/buckets/{bucket_id}/files/{file_id}/versions/{version_id}"),
    ("POST", "/buckets/{bucket_id}/files/{file_id}/restore"),  # test_trash.py
    ("DELETE", "/buckets/{bucket_id}/trash"),
}
_OF_UPLOADS = {  # test_resumable.py, test_presign.py
    ("POST", "/buckets/{bucket_id}/presign"),
    ("POST", "/buckets/{bucket_id}/uploads"),
    ("POST", "/buckets/{bucket_id}/uploads/{upload_id}"),
    ("PATCH", "/buckets/{bucket_id}/uploads/{upload_id}"),
    ("DELETE", "/buckets/{bucket_id}/uploads/{upload_id}"),
}
_OF_LINKS = {  # test_share_links.py
    ("POST", "/buckets/{bucket_id}/links"),
    ("GET", "/buckets/{bucket_id}/links"),
    ("GET", "/links/{link_id}"),
    ("PUT", "/links/{link_id}"),
    ("DELETE", "/links/{link_id}"),
}
_OF_EVENTS = {  # test_event_targets.py
    ("GET", "/events"),  # test_events.py
    ("POST", "/event-targets"),
    ("GET", "/event-targets"),
    ("GET", "/event-targets/{target_id}"),
    ("PUT", "/event-targets/{target_id}"),
    ("DELETE", "/event-targets/{target_id}"),
    ("GET", "/event-targets/{target_id}/dead"),
    ("POST", "/event-targets/{target_id}/retry"),
    ("POST", "/event-targets/{target_id}/dead/{event_id}/retry"),
    ("DELETE", "/event-targets/{target_id}/dead/{event_id}"),
    ("POST", "/event-targets/{target_id}/test"),
    ("GET", "/buckets/{bucket_id}/notifications"),
    ("PUT", "/buckets/{bucket_id}/notifications"),
}
_OF_SCANS = {  # test_scans.py
    ("GET", "/scans"),
    ("GET", "/scans/status"),
    ("POST", "/scans/{digest}/release"),
    ("DELETE", "/scans/{digest}"),
}
_OF_JOBS = {  # test_jobs.py
    ("GET", "/jobs"),
    ("GET", "/jobs/{job_id}"),
    ("POST", "/jobs/{job_id}/cancel"),
    ("POST", "/jobs/{job_id}/retry"),
    ("GET", "/schedules"),  # test_schedules.py
    ("GET", "/schedules/{kind}"),
    ("PUT", "/schedules/{kind}"),
    ("POST", "/schedules/{kind}/run"),
    ("POST", "/buckets/{bucket_id}/batch"),  # test_batch.py
    ("POST", "/reports"),  # test_reports.py
    ("POST", "/reports/saved"),
    ("GET", "/reports/saved"),
    ("GET", "/reports/saved/{report_id}"),
    ("PUT", "/reports/saved/{report_id}"),
    ("DELETE", "/reports/saved/{report_id}"),
    ("POST", "/reports/saved/{report_id}/run"),
    ("GET", "/scrub"),  # test_scrub.py
    ("GET", "/scrub/damaged"),
    ("GET", "/scrub/damaged/{location}"),
    ("GET", "/nodes"),  # test_nodes.py
}
_OF_GROUPS = {  # test_groups.py
    ("POST", "/groups"),
    ("GET", "/groups"),
    ("GET", "/groups/{group_id}"),
    ("PUT", "/groups/{group_id}"),
    ("DELETE", "/groups/{group_id}"),
    ("PUT", "/groups/{group_id}/members/{user_id}"),
    ("DELETE", "/groups/{group_id}/members/{user_id}"),
}
_OF_POLICIES = {  # test_identity_policies.py
    ("POST", "/policies/check"),
    ("GET", "/users/{user_id}/policies"),
    ("GET", "/users/{user_id}/policies/{policy_name}"),
    ("PUT", "/users/{user_id}/policies/{policy_name}"),
    ("DELETE", "/users/{user_id}/policies/{policy_name}"),
    ("GET", "/groups/{group_id}/policies"),
    ("GET", "/groups/{group_id}/policies/{policy_name}"),
    ("PUT", "/groups/{group_id}/policies/{policy_name}"),
    ("DELETE", "/groups/{group_id}/policies/{policy_name}"),
}
_OF_SERVICE_ACCOUNTS = {  # test_service_accounts.py
    ("POST", "/service-accounts"),
    ("GET", "/service-accounts"),
    ("GET", "/service-accounts/{user_id}"),
    ("PUT", "/service-accounts/{user_id}"),
    ("DELETE", "/service-accounts/{user_id}"),
}
_OF_KEYS = {  # test_keys.py
    ("POST", "/keys"),
    ("GET", "/keys"),
    ("GET", "/keys/{access_key_id}"),
    ("PUT", "/keys/{access_key_id}"),
    ("DELETE", "/keys/{access_key_id}"),
}


def body_for(method: str, path: str, person: Person) -> Any:
    name = new_name()
    return {
        ("POST", "/users/register"): {"username": name, "email": f"{name}@example.com", "password": PASSWORD},
        ("POST", "/users/login"): {"username": person.name, "password": PASSWORD},
        ("POST", "/users/refresh"): {"refresh_token": "x"},
        ("POST", "/users/logout"): {"refresh_token": "x"},
        ("POST", "/users"): {"username": name, "email": f"{name}@example.com"},
        ("POST", "/users/verify-email"): {"token": "x"},
        ("POST", "/users/forgot-password"): {"email": f"{name}@example.com"},
        ("POST", "/users/reset-password"): {"token": "x", "new_password": PASSWORD},
        ("POST", "/invitations"): {},
        ("POST", "/audit/verification"): {},
        ("POST", "/users/me/totp"): {"password": PASSWORD},
        ("POST", "/users/me/totp/confirm"): {"totp": "none"},
        ("POST", "/users/me/totp/recovery-codes"): {"password": PASSWORD, "totp": "000000"},
        ("DELETE", "/users/me/totp"): {"password": PASSWORD, "totp": "000000"},
        ("PUT", "/users/{user_id}"): {"email": f"{name}@example.com"},
        ("PUT", "/users/{user_id}/quota"): {"storage_quota": 1 << 40, "object_quota": None},
        ("POST", "/users/{user_id}/change-password"): {"current_password": PASSWORD, "new_password": PASSWORD},
        ("DELETE", "/users/{user_id}"): {"password": PASSWORD},
    }.get((method, path))


def body_of_nothing(method: str, path: str) -> Any:
    """A body that is valid, where the path names nothing."""
    if path.endswith("/share"):
        return {"user_id": str(uuid.uuid4()), "permission": "read"}
    if path.endswith("/copy"):
        return {"file_path": "x"}
    if path.endswith("/archive"):
        return {"files": [str(uuid.uuid4())]}
    if path.endswith(("/preview-url", "/view-url")):
        return {}
    if path.endswith("/presign"):
        return {"operation": "put", "path": "x"}
    if path.endswith("/batch"):
        return {"action": "delete", "query": {"prefix": ""}}
    if path.endswith(("/policy", "/policy/check")):
        return {"policy": {}}
    if path.endswith("/policies/{policy_name}"):
        return OF_MODELS["PutIdentityPolicy"]
    if path.endswith("/quota"):
        return {"storage_quota": None, "object_quota": None}
    if path.endswith("/acl"):
        return {"canned": "private"}
    if path.endswith("/ownership"):
        return {"object_ownership": "ObjectWriter"}
    if path.endswith("/public-access-block"):
        return dict.fromkeys(OF_MODELS["Switches"], True)
    if path.endswith(("/notifications", "/cors")):
        return {"rules": []}
    if path.endswith("/links"):
        return {"kind": "folder", "prefix": ""}
    if path.endswith("/change-password"):
        return {"current_password": PASSWORD, "new_password": PASSWORD}
    if path == "/groups/{group_id}":
        return {"name": "nobodys"}
    if path.startswith("/reports/") and method == "PUT":
        return {"name": "usage", "destination": {"bucket_id": str(uuid.uuid4())}}
    if path.startswith("/schedules/") and method == "PUT":
        return {"cron": "0 0 * * *"}
    return {} if method == "PUT" else None


def routes() -> set[tuple[str, str]]:
    found = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    return {(method, route.path) for route in found for method in route.methods if method not in ("HEAD", "OPTIONS")}


def test_every_route_has_its_row() -> None:
    others = _OF_ACCESS | _OF_BUCKETS | _OF_EVENTS | _OF_FILES | _OF_GROUPS | _OF_JOBS | _OF_KEYS | _OF_LINKS
    others |= _OF_SCANS | _OF_POLICIES
    assert routes() == TABLE.keys() | others | _OF_SERVICE_ACCOUNTS | _OF_UPLOADS


@pytest.mark.parametrize("who", WHO)
def test_everybody_gets_of_each_route_what_the_table_says(
    api: httpx.Client, who: str, admin: Person, auditor: Person
) -> None:
    somebody, other = register(api), register(api)
    for (method, path), expected in TABLE.items():
        person = register(api) if who == "self" or method == "DELETE" else somebody
        asker = {"self": person, "auditor": auditor, "admin": admin}.get(who, other)
        target = path.format(user_id=person.id, session_id=uuid.uuid4(), invitation_id=uuid.uuid4())
        headers = {} if who == "nobody" else asker.bearer
        answer = api.request(method, target, json=body_for(method, path, person), headers=headers)
        assert answer.status_code == expected[WHO.index(who)], (method, path, answer.text)


@pytest.mark.parametrize("token", ["x", "a.b.c"])
def test_what_is_no_token_is_nobody(api: httpx.Client, token: str) -> None:
    answer = api.get("/users/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("given", ["1", "api-admin", "%00", "00000000-0000-4000-8000-000000000000"])
def test_what_is_no_id_is_as_one_of_others(admin: Person, given: str) -> None:
    for method, path in routes():
        if "{" in path and not ("{job_id}" in path and given == "1"):  # which is work of the server
            target = re.sub(r"{\w+}", given, path)
            named = {"key": "x", "path": "x", "q": "x", "name": "x"}
            answer = admin.http.request(method, target, json=body_of_nothing(method, path), params=named)
            assert refusal(answer) == (404, "NOT_FOUND"), (method, target, answer.text)


def test_no_argument_with_a_nul_ends_in_the_database(admin: Person) -> None:
    """PostgreSQL's text has none. Each of a route's arguments by itself; the path names a bucket and a file."""
    bucket = admin.http.post("/buckets", json={"name": new_name()}).json()["id"]
    file = admin.http.post(f"/buckets/{bucket}/files", params={"path": "a"}, content=b"x").json()["id"]
    ids = {"bucket_id": bucket, "file_id": file}
    asked = 0
    for path, methods in document()["paths"].items():
        named = [given for given in methods.get("get", {}).get("parameters", ()) if given["in"] == "query"]
        target = re.sub(r"{(\w+)}", lambda found: ids.get(found[1], str(uuid.uuid4())), path.removeprefix("/api/v1"))
        for given in named:
            others = {other["name"]: "x" for other in named if other.get("required")}
            answer = admin.http.get(target, params={**others, given["name"]: "a\0b"})
            assert answer.status_code < 500, (target, given["name"], answer.text)
            asked += 1
    assert asked > 50


def test_no_page_of_another_origin_may_ask_unless_it_is_set(api: httpx.Client) -> None:
    asks = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
    for method, status in (("OPTIONS", 405), ("GET", 401)):
        answer = api.request(method, "/users/me", headers=asks)
        assert (answer.status_code, "Access-Control-Allow-Origin" in answer.headers) == (status, False)
