"""Idempotency keys: one begins, others wait for its answer, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from s3gw.metadata import idempotency_keys
from s3gw.metadata.database import Database, now
from s3gw.metadata.idempotency_keys import Begun, Done, Scope
from s3gw.problems import Conflict, IdempotencyMismatch

pytestmark = pytest.mark.anyio
SCOPE, REQUEST, DONE = Scope("user", "POST /keys", "key"), b"digest", Done(201, "{}")
SECOND = 1_000_000


async def begin(database: Database, scope: Scope = SCOPE, request: bytes = REQUEST) -> Begun | Done:
    return await database.write(idempotency_keys.begin, scope, request, keys=(scope.turn,))


async def end(database: Database, begun: Begun | Done, done: Done | None) -> None:
    assert isinstance(begun, Begun)
    await database.write(idempotency_keys.end, begun, done, keys=(begun.scope.turn,))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    def pass_by(microseconds: int) -> None:
        monkeypatch.setattr(idempotency_keys, "now", lambda conn: now(conn) + microseconds)

    return pass_by


async def test_of_those_that_come_at_once_one_begins(database: Database) -> None:
    found = await asyncio.gather(*(begin(database) for _ in range(8)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["Begun", *["Conflict"] * 7]


async def test_a_repeat_is_told_what_was_answered_for_a_day(database: Database, later: Any) -> None:
    await end(database, await begin(database), DONE)
    assert await begin(database) == DONE
    later(86_300 * SECOND)
    assert await begin(database) == DONE
    later(86_500 * SECOND)
    assert isinstance(await begin(database), Begun)


async def test_another_request_is_refused_whether_the_first_is_done_or_not(database: Database) -> None:
    begun = await begin(database)
    for done in (None, DONE):
        with pytest.raises(IdempotencyMismatch):
            await begin(database, request=b"other")
        if done is None:
            await end(database, begun, DONE)


async def test_what_was_not_done_leaves_the_key_free(database: Database) -> None:
    await end(database, await begin(database), None)
    assert isinstance(await begin(database, request=b"other"), Begun)


async def test_the_digest_of_a_body_that_came_later_is_told_to_who_repeats_it(database: Database) -> None:
    await end(database, await begin(database), DONE._replace(body=b"body"))
    assert await begin(database) == DONE._replace(body=b"body")
    with pytest.raises(IdempotencyMismatch):
        await begin(database, request=b"Digest")


async def test_what_lasts_longer_than_two_minutes_is_not_taken_over_if_it_says_so(
    database: Database, later: Any
) -> None:
    begun = await begin(database)
    assert isinstance(begun, Begun)
    later(100 * SECOND)
    renewed = await database.write(idempotency_keys.renew, begun)
    later(200 * SECOND)
    with pytest.raises(Conflict):
        await begin(database)
    await end(database, renewed, DONE)
    assert await begin(database) == DONE


@pytest.mark.parametrize(
    "of", [("other", "POST /keys", "key"), ("user", "POST /users", "key"), ("user", "POST /keys", "k")]
)
async def test_a_key_is_of_one_user_and_one_route(database: Database, of: tuple[str, str, str]) -> None:
    await begin(database)
    assert isinstance(await begin(database, Scope(*of)), Begun)


async def test_who_died_is_followed_after_two_minutes(database: Database, later: Any) -> None:
    first = await begin(database)
    later(110 * SECOND)
    with pytest.raises(Conflict):
        await begin(database)
    later(121 * SECOND)
    second = await begin(database)
    await end(database, first, Done(201, '"of the first"'))  # it had not died, but was slow
    with pytest.raises(Conflict):
        await begin(database)
    await end(database, second, DONE)
    assert await begin(database) == DONE
