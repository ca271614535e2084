"""Whether a second factor lets somebody in: a code of an authenticator app, or one of ten recovery codes.

It is decided in the transaction of what it allows, so a code is good once, and wrong ones are noted there, so the
limits hold however many are tried at once. What is refused is returned: raising it would undo the note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3gw.auth import totp as codes
from s3gw.auth.credentials import Credentials
from s3gw.metadata import audit, identities, totp
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection, now
from s3gw.metadata.identities import User
from s3gw.metadata.master_keys import name_of_totp
from s3gw.metadata.totp import Totp
from s3gw.problems import NotAuthenticated, Problem, TotpRequired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3gw.accounts.attempts import Limit

_WRONG = "the code is wrong, or was used before"


def admit(
    conn: Connection, credentials: Credentials, user_id: str, code: str | None, limits: Sequence[Limit], actor: Actor
) -> Problem | None:
    """None: whoever has the password may go on. Else TotpRequired, RateLimited, or NotAuthenticated: a wrong code."""
    from s3gw.accounts import attempts  # with a library that workers that only serve S3 don't need

    found = totp.find(conn, user_id)
    if found is None or found.confirmed_at is None:
        return None
    if not code:
        return TotpRequired("a code of the authenticator app, or a recovery code, is needed: `totp`")
    refusal = attempts.used_up(conn, limits)
    if refusal is not None:
        return refusal
    if _use(conn, credentials, user_id, found, code, actor):
        return None
    return attempts.note(conn, limits) or NotAuthenticated(_WRONG)


def _use(conn: Connection, credentials: Credentials, user_id: str, found: Totp, code: str, actor: Actor) -> bool:
    secret = credentials.unseal(name_of_totp(user_id), found.sealed)
    step = codes.step_of(secret, code, now(conn) // 1_000_000)
    if step is not None:
        return totp.use_step(conn, user_id, step)
    digest, before = codes.recovery_digest(user_id, code), totp.told(conn, user_id)
    if digest is None or not totp.use_recovery_code(conn, user_id, digest):
        return False
    tell(conn, actor, "user.totp.recover", identities.find_user_by_id(conn, user_id), before)
    return True


def reset(conn: Connection, actor: Actor, user: User) -> User:
    """By somebody who looks after the user."""
    before = totp.told(conn, user.id)
    totp.remove(conn, user.id)
    tell(conn, actor, "user.totp.reset", user, before)
    return user


def tell(conn: Connection, actor: Actor, action: str, user: User, before: object) -> None:
    """The audit log, of what has been done in this transaction."""
    audit.record(conn, actor, action, "user", user.name, before, totp.told(conn, user.id))
