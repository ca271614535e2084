"""`s3gw job follow` and `cancel`: how far a job has come, and its end."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3gw.cli import job as command
from s3gw.metadata import asked_jobs, identities, jobs
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection
from s3gw.metadata.engines import open_database
from tests.cli.commands import Ask, Command, refusal


def write(data: Path, fn: Callable[[Connection], Any]) -> Any:
    async def run() -> Any:
        database = open_database(None, data)
        try:
            return await database.write(fn)
        finally:
            await database.close()

    return asyncio.run(run())


def ask_for_one(conn: Connection) -> str:
    """As a user, and lease it; its id."""
    user = identities.create_user(conn, name="user")
    asked = asked_jobs.ask(conn, Actor(user.id, "user", "api", "", ""), "batch", {}, {})
    jobs.lease(conn, "runner", 60, 1)
    return asked.id


def come_to(done: int, state: str | None = None) -> Callable[[Connection], None]:
    def work(conn: Connection) -> None:
        (job,) = jobs.list_jobs(conn)
        news = jobs.News({"done": done, "total": 40}, 5.0, [f"{step} came" for step in (10, 20, 40) if step <= done])
        jobs.renew(conn, job, 60, news)
        if state is not None:
            error = "it broke" if state == jobs.DEAD else None
            asked_jobs.end(conn, job, state, news=news, error=error)

    return work


@pytest.mark.parametrize(("state", "status"), [(jobs.DONE, 0), (jobs.DEAD, 1), (jobs.CANCELLED, 1)])
def test_a_job_is_followed_to_its_end(
    state: str, status: int, run: Command, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = write(data, ask_for_one)
    write(data, come_to(10))
    steps = iter([come_to(20), come_to(40, state)])

    def go_on(seconds: float) -> None:
        """In a thread: the command has an event loop of its own."""
        thread = threading.Thread(target=write, args=(data, next(steps)))
        thread.start()
        thread.join()

    monkeypatch.setattr(command.time, "sleep", go_on)
    followed = run("job", "follow", job_id)
    assert followed.exit_code == status, followed.output
    log = [line for line in followed.stdout.splitlines() if line.startswith("  ")]
    assert log == ["  10 came", "  20 came", "  40 came"]
    first, second, last = [line for line in followed.stdout.splitlines() if not line.startswith("  ")]
    assert first == "running, attempt 1, 10 of 40, 5 a second, 6 s left"
    assert second == "running, attempt 1, 20 of 40, 5 a second, 4 s left"
    assert last.startswith(f"{state}, attempt 1, 40 of 40") and last.endswith("it broke") == (state == jobs.DEAD)
    as_json = run("job", "follow", job_id, "--json")
    assert json.loads(as_json.stdout)["state"] == state


def test_what_a_user_asked_for_is_cancelled_and_audited(ask: Ask, data: Path) -> None:
    job_id = write(data, ask_for_one)
    cancelled = ask("job", "cancel", job_id)
    assert cancelled["state"] == "running"  # it ends at its next step
    assert write(data, lambda conn: jobs.is_cancelled(conn, jobs.find(conn, job_id)))
    assert ask("audit", "list", "--limit", "1")[0]["action"] == "job.cancel"
    assert ask("job", "cancel", str(cancelled["id"])) == cancelled
    assert ask("job", "show", job_id)["payload"] == {}


def test_the_servers_own_work_is_cancelled_where_something_else_can_do_it(ask: Ask, run: Command, data: Path) -> None:
    number = write(data, lambda conn: jobs.enqueue(conn, "unlink", []))
    assert "nothing else would do" in refusal(run("job", "cancel", str(number)))
    number = write(data, lambda conn: jobs.enqueue(conn, "rebuild_search", None))
    assert ask("job", "cancel", str(number))["state"] == "cancelled"
    assert [job["id"] for job in ask("job", "list", "--kind", "rebuild_search")] == [number]
    assert ask("job", "list", "--kind", "unlink", "--state", "cancelled") == []


def test_a_job_is_shown_with_its_pace_and_its_log(ask: Ask, run: Command, data: Path) -> None:
    job_id = write(data, ask_for_one)
    write(data, come_to(10))
    shown = ask("job", "show", job_id)
    assert (shown["priority"], shown["rate"], shown["seconds_left"]) == ("asked", 5.0, 6)
    assert shown["lines"] == ["10 came"]
    assert run("job", "show", job_id).stdout.splitlines()[-1] == "  10 came"
    assert "  10 of 40  " in run("job", "list").stdout


def test_no_job_that_is_not_there_is_cancelled(run: Command) -> None:
    for unknown in ("0", "99", "9223372036854775808", "none", "²"):
        assert refusal(run("job", "cancel", unknown)) == f"s3gw: there is no job {unknown}\n"
