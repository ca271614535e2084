"""Schedules at the API and the command line: an admin's, audited, and with what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.files import Filed, filed, people, shared_bucket  # noqa: F401
from tests.api.people import refusal
from tests.cli.commands import Ask

PATH = "/schedules/warn_of_quotas"
LINE = {"cron": "0 8 * * MON-FRI", "time_zone": "Europe/Berlin"}


def test_an_admin_sets_a_schedule_and_it_is_audited(filed: Filed, ask: Ask) -> None:  # noqa: F811
    admin = filed.people["admin"]
    before = admin.ask("GET", PATH)
    made = admin.ask("PUT", PATH, json=LINE, headers={"If-Match": before.headers["ETag"]})
    assert made.status_code == 200, made.text
    told = made.json()
    assert (told["cron"], told["time_zone"], told["is_enabled"]) == (LINE["cron"], LINE["time_zone"], True)
    assert told["next_run"] is not None and told["last_run"] is None
    late = admin.ask("PUT", PATH, json=LINE, headers={"If-Match": before.headers["ETag"]})
    assert refusal(late) == (412, "PRECONDITION_FAILED")
    listed = admin.ask("GET", "/schedules").json()
    assert [one["kind"] for one in listed["items"]] == ["rebuild_search", "warn_of_quotas", "scrub"]
    assert admin.ask("GET", "/schedules", params={"per_page": 1, "page": 2}).json()["items"] == [told]
    off = admin.ask("PUT", PATH, json=LINE | {"is_enabled": False}).json()
    assert (off["is_enabled"], off["next_run"]) == (False, None)
    lines = admin.ask("GET", "/audit", params={"resource": "warn_of_quotas"}).json()["items"]
    assert [line["action"] for line in lines[:2]] == ["schedule.put"] * 2
    assert lines[0]["before"] == LINE | {"is_enabled": True}
    assert ask("schedule", "list")[1]["cron"] == LINE["cron"]
    told = ask("schedule", "set", "warn_of_quotas", "0 9 * * *", "--time-zone", "Asia/Tokyo", "--disabled")
    assert (told["cron"], told["time_zone"], told["next_run"]) == ("0 9 * * *", "Asia/Tokyo", None)


def test_a_job_is_begun_by_hand(filed: Filed, ask: Ask) -> None:  # noqa: F811
    begun = filed.people["admin"].ask("POST", "/schedules/rebuild_search/run")
    assert begun.status_code == 202
    job = begun.json()
    assert (job["kind"], job["priority"]) == ("rebuild_search", "upkeep")
    assert filed.people["admin"].ask("GET", f"/jobs/{job['job_id']}").json()["kind"] == "rebuild_search"
    assert ask("schedule", "run", "rebuild_search")["kind"] == "rebuild_search"


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("nobody", (401, "AUTHENTICATION_FAILED")),
        ("owner", (403, "PERMISSION_DENIED")),
        ("auditor", (403, "PERMISSION_DENIED")),
    ],
)
def test_nobody_but_an_admin_sees_or_sets_one(
    shared_bucket: Filed,  # noqa: F811
    who: str,
    expected: tuple[int, str],
) -> None:
    calls: list[tuple[str, str, Any]] = [("GET", "/schedules", None), ("GET", PATH, None), ("PUT", PATH, LINE)]
    for method, path, body in (*calls, ("POST", f"{PATH}/run", None)):
        more = {} if body is None else {"json": body}
        assert shared_bucket.ask(who, method, path, **more) == expected


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/schedules/reap", LINE, (404, "NOT_FOUND")),
        (PATH, {"cron": "60 * * * *"}, (422, "VALIDATION_ERROR")),
        (PATH, {"cron": "0 0 * * *", "time_zone": "../etc"}, (422, "VALIDATION_ERROR")),
        (PATH, {"cron": "0 " * 51}, (422, "VALIDATION_ERROR")),
        (PATH, {}, (422, "VALIDATION_ERROR")),
    ],
)
def test_what_cannot_be_run_is_refused(
    filed: Filed,  # noqa: F811
    path: str,
    body: dict[str, Any],
    expected: tuple[int, str],
) -> None:
    assert filed.ask("admin", "PUT", path, json=body) == expected
