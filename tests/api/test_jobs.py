"""Jobs at the API: a bucket is deleted with all that is in it, and who may look at the job and cancel it."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.api.askers import Person
from tests.api.files import Filed, filed, people, shared_bucket  # noqa: F401
from tests.cli.commands import Ask

_ENDED = ("done", "failed", "cancelled")


def ended(person: Person, job_id: str) -> dict[str, Any]:
    """The job, when it has ended."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        told: dict[str, Any] = person.ask("GET", f"/jobs/{job_id}").json()
        if told["state"] in _ENDED:
            return told
        time.sleep(0.05)
    raise AssertionError(told)


def force(filed: Filed) -> httpx.Response:  # noqa: F811
    return filed.owner.ask("DELETE", f"/buckets/{filed.id}", params={"force": "true"})


def test_a_bucket_with_files_is_deleted_by_a_job_if_that_is_said(filed: Filed) -> None:  # noqa: F811
    for key in ("a", "b/c"):
        filed.put(key)
    assert filed.ask("owner", "DELETE", f"/buckets/{filed.id}") == (409, "BUCKET_NOT_EMPTY")
    assert filed.ask("owner", "DELETE", f"/buckets/{filed.id}", params={"force": "false"}) == (409, "BUCKET_NOT_EMPTY")
    answer = force(filed)
    assert answer.status_code == 202
    job = answer.json()
    assert (job["kind"], job["state"], job["result"], job["error"]) == ("delete_bucket", "queued", None, None)
    told = ended(filed.owner, job["id"])
    assert (told["state"], told["progress"], told["result"]) == ("done", {"done": 2, "total": 2}, {"objects": 2})
    assert filed.ask("owner", "GET", f"/buckets/{filed.id}") == (404, "NOT_FOUND")
    assert filed.ask("owner", "POST", f"/jobs/{job['id']}/cancel") == (409, "CONFLICT")
    filed.s3.create_bucket(Bucket=filed.name)  # its name is free


def test_it_tells_the_audit_log_who_asked_for_it(filed: Filed) -> None:  # noqa: F811
    job = force(filed)
    ended(filed.owner, job.json()["id"])
    given = {"per_page": 100, "actor": filed.owner.id}
    lines = filed.people["admin"].ask("GET", "/audit", params=given).json()["items"]
    mine = [line for line in lines if line["request_id"] == job.headers["X-Request-Id"]]
    assert [(line["action"], line["door"]) for line in mine] == [("bucket.delete", "job"), ("job.create", "api")]


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("nobody", (401, "AUTHENTICATION_FAILED")),
        ("stranger", (404, "NOT_FOUND")),
        ("reader", (403, "PERMISSION_DENIED")),
        ("writer", (403, "PERMISSION_DENIED")),
        ("manager", (403, "PERMISSION_DENIED")),
        ("auditor", (403, "PERMISSION_DENIED")),
    ],
)
def test_who_may_not_delete_the_bucket_may_not_by_a_job(
    shared_bucket: Filed,  # noqa: F811
    who: str,
    expected: tuple[int, str],
) -> None:
    for given in ({}, {"force": "true"}):
        assert shared_bucket.ask(who, "DELETE", f"/buckets/{shared_bucket.id}", params=given) == expected


def test_a_job_is_seen_by_who_asked_and_those_who_see_all(filed: Filed) -> None:  # noqa: F811
    job = force(filed).json()["id"]
    for who, seen in (("nobody", 401), ("stranger", 404), ("owner", 200), ("auditor", 200), ("admin", 200)):
        assert filed.ask(who, "GET", f"/jobs/{job}")[0] == seen
        assert filed.ask(who, "GET", "/jobs")[0] == (401 if who == "nobody" else 200)
        assert filed.ask(who, "GET", "/jobs", params={"user_id": filed.owner.id})[0] == seen
    for who, refused in (("nobody", 401), ("stranger", 404), ("auditor", 403)):
        assert filed.ask(who, "POST", f"/jobs/{job}/cancel")[0] == refused
    ended(filed.owner, job)
    assert filed.ask("admin", "POST", f"/jobs/{job}/cancel") == (409, "CONFLICT")


def test_who_sees_all_sees_the_work_of_the_server(filed: Filed) -> None:  # noqa: F811
    job = force(filed).json()["id"]
    told = ended(filed.owner, job)
    assert (told["priority"], told["attempts"], told["lines"], told["fault"]) == ("asked", 1, [], None)
    assert told["begun_at"] is not None and told["seconds_left"] is None
    for who, seen in (("nobody", 401), ("owner", 403), ("auditor", 200), ("admin", 200)):
        assert filed.ask(who, "GET", "/jobs", params={"everyone": "true"})[0] == seen
    given = {"everyone": "true", "kind": "reap"}
    (reap,) = filed.people["admin"].ask("GET", "/jobs", params=given).json()["items"]
    assert (reap["kind"], reap["priority"], reap["lines"]) == ("reap", "needed", None)
    assert reap["id"].isdigit()
    shown = filed.people["auditor"].ask("GET", f"/jobs/{reap['id']}").json()
    assert shown["kind"] == "reap"
    assert filed.ask("owner", "GET", f"/jobs/{reap['id']}") == (404, "NOT_FOUND")
    assert filed.ask("owner", "POST", f"/jobs/{reap['id']}/cancel") == (404, "NOT_FOUND")
    assert filed.ask("auditor", "POST", f"/jobs/{reap['id']}/cancel") == (403, "PERMISSION_DENIED")
    for unknown in ("99999999", "9" * 30, "x", "²"):
        assert filed.ask("admin", "GET", f"/jobs/{unknown}") == (404, "NOT_FOUND")


def test_jobs_are_listed_by_pages_the_newest_first(filed: Filed, ask: Ask) -> None:  # noqa: F811
    mine: list[str] = []
    for number in range(3):
        name = f"{filed.name}-{number}"
        made = filed.owner.ask("POST", "/buckets", json={"name": name}).json()["id"]
        mine.insert(0, filed.owner.ask("DELETE", f"/buckets/{made}", params={"force": "true"}).json()["id"])
    first = filed.owner.ask("GET", "/jobs", params={"per_page": 2, "kind": "delete_bucket"}).json()
    assert [job["id"] for job in first["items"]] == mine[:2]
    after = {"per_page": 2, "cursor": first["next_cursor"]}
    assert filed.owner.ask("GET", "/jobs", params=after).json()["items"][0]["id"] == mine[2]
    for job in mine:
        assert ended(filed.owner, job)["state"] == "done"
    done = filed.owner.ask("GET", "/jobs", params={"state": "done"}).json()
    assert {job["id"] for job in done["items"]} >= set(mine)
    assert filed.owner.ask("GET", "/jobs", params={"state": "cancelled"}).json()["total"] == 0
    assert filed.people["admin"].ask("GET", "/jobs", params={"user_id": filed.owner.id}).json()["total"] >= 3
    wrong = ({"state": "dead"}, {"kind": "none"}, {"user_id": "x"}, {"cursor": "Mjp4"})
    for given in wrong:
        assert filed.ask("owner", "GET", "/jobs", params=given) == (422, "VALIDATION_ERROR")


def test_who_cancels_it_at_once_keeps_the_bucket(filed: Filed) -> None:  # noqa: F811
    """Unless the job was quicker."""
    filed.put("a")
    job = force(filed).json()["id"]
    cancelled = filed.owner.ask("POST", f"/jobs/{job}/cancel")
    told = ended(filed.owner, job)
    if cancelled.status_code == 200 and told["state"] == "cancelled":
        assert filed.listed() == ["a"]
        assert filed.ask("owner", "POST", f"/jobs/{job}/cancel")[0] == 200
        lines = filed.people["admin"].ask("GET", "/audit", params={"resource": job}).json()["items"]
        assert [line["action"] for line in lines] == ["job.cancel", "job.create"]
    else:
        assert told["state"] == "done"
