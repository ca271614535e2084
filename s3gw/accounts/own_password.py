"""The password that somebody who is logged in says again: to change it, to delete himself, and for what is about his
second factor.

A wrong one counts as a failed login does, for the same limits, and the audit log tells it alike: a session that was
stolen is no way to guess the password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3gw.accounts.login import Caller, attempts_of, note_refusal
from s3gw.metadata import logins
from s3gw.metadata.logins import Login
from s3gw.problems import Fault, Invalid, RateLimited
from s3gw.services import Services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3gw.accounts.attempts import Limit


async def limits_of(services: Services, caller: Caller) -> Sequence[Limit]:
    """What it counts for that the caller's password is wrong, or a code."""
    return await attempts_of(services).limits_of(caller.principal.name, caller.origin.address)


async def require_password(services: Services, caller: Caller, password: str, field: str) -> Login:
    """The caller's login, whose password it is. Raises Invalid, and RateLimited after too many wrong ones."""
    name, attempts, limits = caller.principal.name, attempts_of(services), await limits_of(services, caller)
    held = await services.database.read(logins.find_by_id, caller.principal.user_id)
    try:
        await attempts.require(limits)
        if held is None or not await services.passwords.verify(held.password_hash, password, is_known=True):
            wrong = Invalid("the password is wrong", faults=(Fault(field, "is wrong"),))
            raise await attempts.fail(limits, wrong)
        await attempts.require(limits)
    except (Invalid, RateLimited) as refusal:
        await note_refusal(services, limits, refusal, name, caller.origin)
        raise
    return held
