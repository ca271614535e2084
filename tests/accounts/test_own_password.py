"""The password that is said again: wrong ones are told and bounded, whatever it is said for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from s3gw.accounts import own_password, totp
from s3gw.accounts.attempts import MOST_OF_NAME, Attempts
from s3gw.accounts.login import Caller
from s3gw.accounts.origin import Origin
from s3gw.auth.principal import Principal
from s3gw.metadata import audit_lines, identities
from s3gw.metadata.audit_lines import Wanted
from s3gw.metadata.database import Database
from s3gw.problems import Invalid, RateLimited

pytestmark = pytest.mark.anyio
ORIGIN = Origin("api", "192.0.2.1")
USES: dict[str, Callable[[Any, Caller], Awaitable[object]]] = {
    "itself": lambda services, caller: own_password.require_password(services, caller, "said", "password"),
    "enrol": lambda services, caller: totp.enrol(services, caller, "said"),
    "disable": lambda services, caller: totp.disable(services, caller, "said", "000000"),
    "renew": lambda services, caller: totp.renew_recovery_codes(services, caller, "said", "000000"),
}


@pytest.fixture
async def caller(database: Database) -> Caller:
    user = await database.write(lambda conn: identities.create_user(conn, name="ann"))
    return Caller(
        Principal(user.id, user.canonical_id, user.account_id, user.name, "user", "", user.id, 0), "id", ORIGIN
    )


class Compared:
    """`is_right`, after others have been wrong `meanwhile` times."""

    def __init__(self, database: Database, is_right: bool, meanwhile: int) -> None:
        self._attempts, self._is_right, self._meanwhile = Attempts(database), is_right, meanwhile

    async def verify(self, *_: object, **__: object) -> bool:
        for _number in range(self._meanwhile):
            await self._attempts.fail(await self._attempts.limits_of("ann", ORIGIN.address), None)
        return self._is_right


@pytest.mark.parametrize("use", USES)
async def test_a_wrong_password_that_is_said_again_is_told(database: Database, caller: Caller, use: str) -> None:
    services = SimpleNamespace(database=database, passwords=Compared(database, False, 0))
    with pytest.raises(Invalid):
        await USES[use](services, caller)
    lines = await database.read(audit_lines.step, Wanted(action="login"), 0, 10)
    assert [(line.outcome, line.resource, line.address) for line in lines] == [("failed", "ann", "192.0.2.1")]


@pytest.mark.parametrize("use", USES)
async def test_a_right_password_is_not_told_from_a_wrong_one_when_the_limit_is_used_up_meanwhile(
    database: Database, caller: Caller, use: str
) -> None:
    services = SimpleNamespace(database=database, passwords=Compared(database, True, MOST_OF_NAME))
    with pytest.raises(RateLimited):
        await USES[use](services, caller)
