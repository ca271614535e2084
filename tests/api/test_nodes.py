"""The nodes as admins and auditors see them: what `s3gw nodes` prints."""

from __future__ import annotations

import pytest

import s3gw
from s3gw.metadata.revision import NEWEST
from tests.api.files import Filed, people, shared_bucket  # noqa: F401
from tests.cli.commands import Ask
from tests.servers import RunningServer


def test_admins_and_auditors_see_each_process_with_its_program_and_load(
    shared_bucket: Filed,  # noqa: F811
    server: RunningServer,
    ask: Ask,
) -> None:
    for who in ("admin", "auditor"):
        told = shared_bucket.people[who].ask("GET", "/nodes").json()
        workers = [one for one in told["items"] if one["role"] == "worker"]
        assert {one["pid"] for one in workers} >= set(server.facts["worker_pids"])
        assert {(one["version"], one["schema_revision"]) for one in workers} == {(s3gw.__version__, NEWEST)}
        assert all(abs(one["clock_ahead_seconds"]) < 60 for one in workers)
        assert set(told["released"]) == {"contents", "blobs"}
    assert {one["pid"] for one in ask("nodes")["processes"]} == {one["pid"] for one in told["items"]}
    page = shared_bucket.people["admin"].ask("GET", "/nodes", params={"per_page": 1}).json()
    assert (len(page["items"]), page["total"]) == (1, told["total"])
    assert page["next_cursor"] is not None


@pytest.mark.parametrize(
    ("who", "expected"), [("nobody", (401, "AUTHENTICATION_FAILED")), ("owner", (403, "PERMISSION_DENIED"))]
)
def test_nobody_else_sees_them(
    shared_bucket: Filed,  # noqa: F811
    who: str,
    expected: tuple[int, str],
) -> None:
    assert shared_bucket.ask(who, "GET", "/nodes") == expected
