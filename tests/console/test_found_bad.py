"""What was found bad, as the screens show it: what a healthy server has none of, with names that somebody chose."""

from __future__ import annotations

from typing import Any

from s3gw.auth.access_tokens import Claims
from s3gw.console.lists import Listed
from s3gw.console.pages import environment
from s3gw.console.session import Visitor

HOSTILE = "<img src=x onerror=alert(1)>\u202egnp"
AT = "2026-11-28T07:05:00Z"


def rendered(template: str, role: str, **values: Any) -> str:
    about = {"csrf": "0" * 64, "theme": "auto", "here": "/console/admin/scans", "request_id": "1"}
    visitor = Visitor(Claims("user", "session"), "0" * 64, role)
    page = environment("en").get_template(template).render(visitor=visitor, **about, **values)
    assert "<img" not in page
    return page


def test_what_is_infected_is_let_through_or_deleted_by_an_admin_and_seen_by_an_auditor() -> None:
    file = {"bucket_id": "1", "bucket": "photos", "file_path": HOSTILE, "version_id": None}
    scan = {"digest": "ab" * 32, "state": "infected", "threat": HOSTILE, "size": 68, "scanned_at": AT, "error": None}
    found = Listed([scan | {"files": [file] * 5}], 1, {"state": "infected"}, None, True)
    now = {"is_down": True, "error": HOSTILE, "scanner": "clamd", "signatures": "1", "policy": "hold", "contents": {}}
    given: dict[str, Any] = {"found": found, "now": now, "states": ("infected", "clean")}
    page = rendered("scans.html", "admin", **given)
    assert page.count('name="action" value="release"') == page.count('name="action" value="delete"') == 1
    assert f'name="digest" value="{"ab" * 32}"' in page and page.count("<bdi>&lt;img") == 4
    assert 'name="action"' not in rendered("scans.html", "auditor", **given)


def test_a_damaged_chunk_names_the_files_that_need_it() -> None:
    name = {"kind": "part", "bucket": "photos", "key": HOSTILE, "version_id": None, "upload_id": "u", "part_number": 3}
    chunk = {"location": "0663-2a", "state": "damaged", "fault": "changed", "detail": HOSTILE, "size": 8 << 20}
    chunk |= {"digest": "cd" * 32, "found_at": AT, "healed_at": None, "is_kept": True, "needed_by": 1}
    page = rendered("damaged_chunk.html", "auditor", chunk=chunk | {"names": [name]})
    assert "u / 3" in page and "8 MiB" in page and "is kept in the folder damaged" in page
    status = {"damaged": 1, "job": None, "last_run": None, "next_run": None}
    found = Listed([chunk], 1, {"state": ""}, None, True)
    assert "0663-2a" in rendered("scrub.html", "auditor", now=status, found=found, states=("damaged",))


def test_what_a_target_could_not_be_told_and_what_a_job_says_is_text() -> None:
    dead = {"id": 7, "key": HOSTILE, "event": "s3:ObjectCreated:Put", "attempts": 9, "error": HOSTILE, "created_at": AT}
    found = Listed([dead], 1, {}, "/next?a=1&b=2", True)
    rows = rendered("target_rows.html", "admin", found=found, place="/t")
    assert "&lt;img" in rows and rows.count('name="event" value="7"') == 2
    assert "<form" not in rendered("target_rows.html", "auditor", found=found, place="/t")
    job = {"id": "1", "kind": "batch", "state": "failed", "attempts": 10, "progress": {"done": 5, "total": 10}}
    job |= {"rate": 1.5, "seconds_left": None, "result": {"failed": [HOSTILE]}, "lines": [HOSTILE], "fault": HOSTILE}
    job |= {"error": {"error_code": "CONFLICT", "detail": HOSTILE}, "priority": "asked"}
    job |= {"created_at": AT, "begun_at": None, "updated_at": AT}
    page = rendered("job.html", "admin", job=job)
    assert 'value="retry"' in page and 'value="cancel"' not in page and "hx-trigger" not in page


def test_how_far_a_job_has_come_is_told_of_any_that_ended() -> None:
    job = {"id": "1", "state": "done", "progress": {"done": 3, "total": None}}
    for result in (None, {"lines": 3}, {"failed": 0}):
        assert "could not" not in rendered("work_page.html", "admin", job=job | {"result": result}, back=None, again="")
    assert "2 could not be done" in rendered(
        "work.html", "admin", job=job | {"result": {"failed": 2}}, back="/x", again=""
    )
