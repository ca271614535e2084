"""Refused logins: ten a minute of a name, and of an address, have lines of their own; the others are one together."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from s3gw.metadata import audit_lines, failed_attempts, refused_logins
from s3gw.metadata.audit import Actor, Outcome
from s3gw.metadata.audit_lines import Wanted
from s3gw.metadata.database import Connection, Database, now
from s3gw.metadata.refused_logins import LONGEST_NAME, MOST_LINES, Count

pytestmark = pytest.mark.anyio
MINUTE = 60_000_000


def attempt(conn: Connection, name: str, address: str, outcome: Outcome = "failed") -> None:
    """As a login does: what is counted by the limits, then what is told."""
    counts = [Count(f"name:{name}", name=name), Count(f"address:{address}", address=address)]
    if outcome == "failed":
        for count in counts:
            assert failed_attempts.note(conn, count.subject, 1000, 60)
    refused_logins.record(conn, Actor("", "", "api", address, "request"), "login", name, counts, outcome)


async def attempts(database: Database, *those: tuple[Any, ...]) -> None:
    for each in those:
        await database.write(attempt, *each)


async def lines(database: Database) -> list[tuple[str, str, str, int]]:
    found, _ = await database.read(audit_lines.page_of, Wanted(action="login"), before_id=None, offset=0, limit=1000)
    return [(line.resource, line.address, line.outcome, line.count) for line in reversed(found)]


@pytest.fixture
def a_minute_later(monkeypatch: pytest.MonkeyPatch) -> Any:
    def pass_by() -> None:
        monkeypatch.setattr(refused_logins, "now", lambda conn: now(conn) + MINUTE)

    return pass_by


async def write_lines(database: Database) -> int:
    written = 0
    while await database.read(refused_logins.any_over):
        written += await database.write(refused_logins.write_lines, 2)
    return written


async def test_beyond_ten_of_a_name_the_others_are_one_line(database: Database, a_minute_later: Any) -> None:
    await attempts(database, *(("name", f"192.0.2.{number}") for number in range(MOST_LINES)))
    await attempts(database, *(("name", "192.0.2.1", "refused") for _ in range(7)))
    assert await lines(database) == [("name", f"192.0.2.{number}", "failed", 1) for number in range(MOST_LINES)]
    a_minute_later()
    assert await write_lines(database) == 1
    assert (await lines(database))[MOST_LINES:] == [("name", "", "refused", 7)]
    assert await write_lines(database) == 0


async def test_beyond_ten_of_an_address_they_become_one_line_of_the_address(
    database: Database, a_minute_later: Any
) -> None:
    await attempts(database, *((f"name-{number}", "192.0.2.1") for number in range(MOST_LINES + 5)))
    assert len(await lines(database)) == MOST_LINES
    a_minute_later()
    await write_lines(database)
    assert (await lines(database))[MOST_LINES:] == [("", "192.0.2.1", "refused", 5)]


async def test_what_is_refused_before_anything_was_counted_is_one_line_of_the_address(
    database: Database, a_minute_later: Any
) -> None:
    """As while too many wait for their passwords to be compared."""
    await attempts(database, *((f"name-{number}", "192.0.2.1", "refused") for number in range(3)))
    assert await lines(database) == []
    a_minute_later()
    await write_lines(database)
    assert await lines(database) == [("", "192.0.2.1", "refused", 3)]


async def test_names_are_cut(database: Database, a_minute_later: Any) -> None:
    name = "x" * (LONGEST_NAME + 1)
    await attempts(database, (name, "192.0.2.1"))
    await database.write(refused_logins.record, Actor("", "", "api"), "login", name, [Count("x", name=name)], "refused")
    rows = await database.read(lambda conn: conn.execute(select(refused_logins.table.c.name)).scalars().all())
    assert [*rows, *(line[0] for line in await lines(database))] == ["x" * LONGEST_NAME] * 2
