"""Reports at the API and the command line: who may have which, what is written, and those that are saved."""

from __future__ import annotations

import csv
from typing import Any
from uuid import uuid4

import httpx
import pytest

from s3gw.reports.spec import BY
from tests.api.files import Filed, filed, people, shared_bucket  # noqa: F401
from tests.api.people import PASSWORD, Person, refusal
from tests.api.test_jobs import ended
from tests.cli.commands import Ask

SAVED = "/reports/saved"


def report_of(filed: Filed, **more: Any) -> dict[str, Any]:  # noqa: F811
    to = {"bucket_id": filed.id, "prefix": "reports/"}
    return {"name": "usage", "bucket_id": filed.id, "destination": to, **more}


def written(filed: Filed, job: dict[str, Any]) -> list[dict[str, str]]:  # noqa: F811
    """The lines of the only object."""
    assert job["state"] == "done", job
    (told,) = job["result"]["objects"]
    assert told["bucket"] == filed.name
    body = filed.s3.get_object(Bucket=filed.name, Key=told["key"])
    assert body["ContentType"] == "text/csv; charset=utf-8"
    text = body["Body"].read()
    assert told["size"] == len(text)
    return list(csv.DictReader(text.decode().splitlines()))


def test_the_owner_of_a_bucket_has_a_report_in_it(filed: Filed) -> None:  # noqa: F811
    filed.put("a/1", b"x" * 10, ContentType="text/plain")
    answer = filed.owner.ask("POST", "/reports", json=report_of(filed))
    assert answer.status_code == 202, answer.text
    assert (answer.json()["kind"], answer.json()["priority"]) == ("report", "heavy")
    rows = written(filed, ended(filed.owner, answer.json()["id"]))
    assert {(row["by"], row["name"], row["bytes"]) for row in rows} == {
        ("user", "", "10"),
        ("bucket", "", "10"),
        ("prefix", "a/", "10"),
        ("type", "text/plain", "10"),
        ("age", "0-29 days", "10"),
    }
    assert {row["user"] for row in rows} == {filed.owner.name}
    lines = filed.people["admin"].ask("GET", "/audit", params={"resource": answer.json()["id"]}).json()["items"]
    assert [line["action"] for line in lines] == ["job.create"]


def test_an_admin_has_one_of_all_users(filed: Filed) -> None:  # noqa: F811
    to = {"bucket_id": filed.id}
    body = {"name": "all", "everyone": True, "by": ["user"], "destination": to}
    assert refusal(filed.owner.ask("POST", "/reports", json=body)) == (403, "PERMISSION_DENIED")
    admin = filed.people["admin"]
    rows = written(filed, ended(admin, admin.ask("POST", "/reports", json=body).json()["id"]))
    assert filed.owner.name in {row["user"] for row in rows} and {row["by"] for row in rows} == {"user"}


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("nobody", (401, "AUTHENTICATION_FAILED")),
        ("stranger", (404, "NOT_FOUND")),
        ("manager", (403, "PERMISSION_DENIED")),
        ("auditor", (403, "PERMISSION_DENIED")),
    ],
)
def test_others_than_the_owner_have_none_of_a_bucket(
    shared_bucket: Filed,  # noqa: F811
    who: str,
    expected: tuple[int, str],
) -> None:
    for path in ("/reports", SAVED):
        assert shared_bucket.ask(who, "POST", path, json=report_of(shared_bucket)) == expected


def test_users_of_an_account_have_none_of_its_buckets(filed: Filed, ask: Ask, api: httpx.Client) -> None:  # noqa: F811
    name = f"member-{filed.id[:8]}"
    ask("user", "create", name, "--account", filed.owner.name, "--password", PASSWORD)
    member = Person(api, name)
    for path in ("/reports", SAVED):
        own = report_of(filed, bucket_id=None)
        assert refusal(member.http.post(path, json=own)) == (403, "PERMISSION_DENIED")


def test_it_is_written_where_one_may_write(shared_bucket: Filed) -> None:  # noqa: F811
    own = report_of(shared_bucket, bucket_id=None)
    assert shared_bucket.ask("reader", "POST", "/reports", json=own) == (403, "PERMISSION_DENIED")
    assert shared_bucket.ask("stranger", "POST", "/reports", json=own) == (404, "NOT_FOUND")
    assert shared_bucket.ask("writer", "POST", "/reports", json=own) == (202, "")


def test_a_saved_report_is_changed_run_and_deleted(filed: Filed, ask: Ask) -> None:  # noqa: F811
    name = f"saved-{filed.name}"
    made = filed.owner.ask("POST", SAVED, json=report_of(filed, name=name, cron="0 6 * * MON", by=["bucket"]))
    assert made.status_code == 201, made.text
    told, path = made.json(), f"{SAVED}/{made.json()['id']}"
    assert (told["cron"], told["last_run"], told["owner_id"]) == ("0 6 * * MON", None, filed.owner.id)
    assert told["next_run"] is not None
    same = filed.owner.ask("POST", SAVED, json=report_of(filed, name=name))
    assert refusal(same) == (409, "CONFLICT")
    off = report_of(filed, name=name, cron="0 6 * * MON", is_enabled=False, by=["bucket"])
    changed = filed.owner.ask("PUT", path, json=off, headers={"If-Match": made.headers["ETag"]})
    assert (changed.status_code, changed.json()["next_run"]) == (200, None)
    assert filed.owner.ask("GET", path).json() == changed.json()
    assert changed.json() in filed.owner.ask("GET", SAVED, params={"per_page": 1000}).json()["items"]
    rows = written(filed, ended(filed.owner, filed.owner.ask("POST", f"{path}/run").json()["id"]))
    assert [row["bucket"] for row in rows] == [filed.name]
    assert filed.owner.ask("DELETE", path).status_code == 204
    assert refusal(filed.owner.ask("GET", path)) == (404, "NOT_FOUND")
    lines = filed.people["admin"].ask("GET", "/audit", params={"resource": told["id"]}).json()["items"]
    assert [line["action"] for line in lines] == ["report.delete", "report.update", "report.create"]


def test_a_saved_report_is_its_owners(filed: Filed) -> None:  # noqa: F811
    body = report_of(filed, name=f"owned-{filed.name}")
    path = f"{SAVED}/{filed.owner.ask('POST', SAVED, json=body).json()['id']}"
    seen = {"stranger": 404, "auditor": 200, "admin": 200}
    changed = {"stranger": (404, "NOT_FOUND")} | dict.fromkeys(("auditor", "admin"), (403, "PERMISSION_DENIED"))
    for who, status in seen.items():
        assert filed.ask(who, "GET", path)[0] == status
        assert filed.ask(who, "PUT", path, json=body) == changed[who]
        assert filed.ask(who, "POST", f"{path}/run") == changed[who]
    listed = filed.people["stranger"].ask("GET", SAVED, params={"per_page": 1000}).json()["items"]
    assert path.rpartition("/")[2] not in {item["id"] for item in listed}
    assert filed.ask("stranger", "DELETE", path) == (404, "NOT_FOUND")
    assert filed.ask("auditor", "DELETE", path) == (403, "PERMISSION_DENIED")
    assert filed.people["admin"].ask("DELETE", path).status_code == 204


@pytest.mark.parametrize(
    "more",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": "x" * 65},
        {"by": []},
        {"by": ["bucket", "bucket"]},
        {"by": ["color"]},
        {"by": [*BY, "age"]},
        {"formats": ["xlsx"]},
        {"formats": []},
        {"prefix": "x" * 1025},
        {"prefix": "\0"},
        {"everyone": True},  # and a bucket
        {"destination": {"bucket_id": "x"}},
        {"destination": {"bucket_id": str(uuid4()), "prefix": "x" * 1025}},
        {"cron": "60 * * * *"},
        {"cron": "0 0 * * *", "time_zone": "../etc"},
    ],
)
def test_what_makes_no_sense_is_refused(shared_bucket: Filed, more: dict[str, Any]) -> None:  # noqa: F811
    assert shared_bucket.ask("owner", "POST", SAVED, json=report_of(shared_bucket, **more)) == (
        422,
        "VALIDATION_ERROR",
    )


def test_a_bucket_that_is_not_there_is_not_found(filed: Filed) -> None:  # noqa: F811
    for more in ({"bucket_id": str(uuid4())}, {"destination": {"bucket_id": str(uuid4())}}):
        assert filed.ask("owner", "POST", "/reports", json=report_of(filed, **more)) == (404, "NOT_FOUND")


def test_commands_save_list_run_and_delete_one(filed: Filed, ask: Ask) -> None:  # noqa: F811
    filed.put("a")
    name = f"cli-{filed.name}"
    options = ("--owner", filed.owner.name, "--bucket", filed.name, "--by", "bucket", "--format", "csv")
    made = ask("report", "create", name, "--to", f"{filed.name}/reports", *options, "--cron", "0 6 * * *")
    assert (made["of"], made["to"]) == (filed.name, f"{filed.name}/reports/")
    assert (made["by"], made["cron"]) == (["bucket"], "0 6 * * *")
    assert made["next_run"] is not None
    assert name in {one["name"] for one in ask("report", "list", "--owner", filed.owner.name)}
    off = ask("report", "update", name, "--disable")
    assert (off["is_enabled"], off["next_run"], off["cron"]) == (False, None, "0 6 * * *")
    assert ask("report", "show", name) == off
    job = ask("report", "run", name)
    uuid = next(one["id"] for one in filed.owner.ask("GET", "/jobs", params={"kind": "report"}).json()["items"])
    assert job["kind"] == "report"
    rows = written(filed, ended(filed.owner, uuid))
    assert [row["files"] for row in rows] == ["1"]
    assert ask("report", "delete", name)["deleted"]
