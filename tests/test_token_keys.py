"""The keys of access tokens: another signs, and those before it verify as long as their tokens last."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from s3gw import token_keys
from s3gw.auth.access_tokens import Claims, key_id_of
from s3gw.auth.credentials import Credentials
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Database
from s3gw.metadata.schema import token_keys as table
from s3gw.metadata.token_keys import newest_first
from s3gw.problems import NotAuthenticated
from s3gw.token_keys import TokenKeys

pytestmark = pytest.mark.anyio
CLAIMS = Claims("user", "session")


def keys_of(database: Database) -> TokenKeys:
    return TokenKeys(database, Credentials(bytes(32)))


async def test_another_process_verifies_at_once_what_the_new_key_signs(database: Database) -> None:
    one, other = keys_of(database), keys_of(database)
    old = await one.issue(CLAIMS)
    assert await other.verify(old) == CLAIMS
    added = await one.rotate(COMMAND_LINE)
    new = await one.issue(CLAIMS)
    assert key_id_of(new) == added != key_id_of(old)
    assert [await keys.verify(token) for keys in (one, other) for token in (old, new)] == [CLAIMS] * 4


async def test_a_key_verifies_while_tokens_that_it_signed_may_last(database: Database) -> None:
    """However old it is: it signed until its successor was there."""
    keys = keys_of(database)
    old = await keys.issue(CLAIMS)
    await database.write(lambda conn: conn.execute(update(table).values(created_at=1)).rowcount)
    for _ in range(3):
        await keys.rotate(COMMAND_LINE)
    assert await keys.verify(old) == CLAIMS
    ages = dict(zip([key.id for key in await database.read(newest_first)], (4, 3, 2, 1), strict=True))
    for key_id, age in ages.items():
        statement = update(table).where(table.c.id == key_id).values(created_at=age)
        await database.write(lambda conn, s=statement: conn.execute(s).rowcount)
    await keys.rotate(COMMAND_LINE)
    assert len(await database.read(newest_first)) == 2
    with pytest.raises(NotAuthenticated):
        await keys.verify(old)


async def test_tokens_of_keys_that_are_made_up_cost_ten_reads_a_second_at_most(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, reads = keys_of(database), 0
    token = await keys.issue(CLAIMS)
    made_up = await TokenKeys(database, Credentials(bytes(32))).issue(CLAIMS)
    head = made_up.replace(made_up.partition(".")[0], "eyJhbGciOiJIUzI1NiIsImtpZCI6Im5vbmUifQ")
    read = token_keys.token_keys.newest_first

    def counted(conn: object) -> object:
        nonlocal reads
        reads += 1
        return read(conn)  # type: ignore[arg-type]

    monkeypatch.setattr(token_keys.token_keys, "newest_first", counted)
    refused = await asyncio.gather(*(keys.verify(head) for _ in range(50)), return_exceptions=True)
    assert all(isinstance(error, NotAuthenticated) for error in refused)
    assert reads <= 2
    assert await keys.verify(token) == CLAIMS
