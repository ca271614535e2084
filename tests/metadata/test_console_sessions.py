"""How long a session of the console lasts, and what goes with it."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select, update

from s3gw.metadata import console_sessions, identities, schema, sessions
from s3gw.metadata.console_sessions import Limits
from s3gw.metadata.database import Connection, Database

pytestmark = pytest.mark.anyio
HOUR = 3600_000_000
LIMITS = Limits(idle=3600, lifetime=3 * 3600)


def begin(conn: Connection, name: str = "one", before: bytes | None = None) -> str:
    user = identities.create_user(conn, name=f"user-{name}").id
    sessions.begin(conn, name, user, name.encode(), address="", user_agent="", lifetime=1000 * HOUR)
    console_sessions.begin(conn, name, b"cookie-" + name.encode(), LIMITS, before)
    return user


def pass_time(conn: Connection, by: int) -> None:
    """As if all that there is had happened so much earlier."""
    table, console = schema.sessions, schema.console_sessions
    earlier = {name: table.c[name] - by for name in ("created_at", "last_used_at", "expires_at")}
    conn.execute(update(table).values(earlier))
    conn.execute(update(console).values(ends_at=console.c.ends_at - by))


async def test_it_ends_when_nobody_asks_and_when_it_is_old(database: Database) -> None:
    await database.write(begin)
    for by, lasts in ((HOUR - HOUR // 10, True), (HOUR - HOUR // 10, True), (HOUR - HOUR // 10, True), (HOUR, False)):
        await database.write(pass_time, by)
        assert (await database.read(console_sessions.find, b"cookie-one") is not None) == lasts
        await database.write(console_sessions.go_on, b"cookie-one", LIMITS)
    assert await database.read(console_sessions.find, b"cookie-one") is None


async def test_it_has_no_refresh_token(database: Database) -> None:
    await database.write(begin)
    tokens = await database.read(lambda conn: conn.execute(select(schema.refresh_tokens)).all())
    assert tokens == [] and await database.read(console_sessions.find, b"cookie-one") is not None


async def test_that_which_the_browser_had_before_ends(database: Database) -> None:
    await database.write(begin)
    await database.write(begin, "two", b"cookie-one")
    assert await database.read(console_sessions.find, b"cookie-one") is None
    old = await database.read(sessions.find, "one")
    assert old is not None and old.ended_because == "logout"
    assert await database.read(console_sessions.find, b"cookie-two") is not None


async def test_it_is_forgotten_with_the_session(database: Database) -> None:
    user = await database.write(begin)
    await database.write(begin, "two")
    await database.write(sessions.forget_of, user)
    assert await database.write(sessions.forget, 10**18, 10) == 1
    assert await database.read(lambda conn: conn.execute(select(schema.console_sessions)).all()) == []


async def test_a_program_that_does_not_know_its_table_deletes_the_session(database: Database) -> None:
    """As nodes of the release before the console do in a rolling upgrade."""
    await database.write(begin)
    await database.write(lambda conn: conn.execute(delete(schema.sessions)))
    assert await database.read(lambda conn: conn.execute(select(schema.console_sessions)).all()) == []
