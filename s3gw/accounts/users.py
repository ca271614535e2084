"""What is done about users, by themselves or by an admin."""

from __future__ import annotations

from s3gw.accounts.login import Caller
from s3gw.accounts.passwords import check_password
from s3gw.metadata import identities, logins, sessions
from s3gw.metadata.database import Connection
from s3gw.metadata.identities import User
from s3gw.metadata.logins import Login
from s3gw.problems import Conflict, Fault, Invalid, NotFound
from s3gw.services import Services


async def find(services: Services, user_id: str) -> User:
    """Raises NotFound."""
    return await services.database.read(identities.find_user_by_id, user_id)


async def change_password(services: Services, caller: Caller, user_id: str, current: str, new: str) -> None:
    """The caller's own; all its other sessions end. Raises NotFound for another's, and Invalid."""
    if user_id != caller.principal.user_id:
        raise NotFound("there is no such user")
    held = await services.database.read(logins.find_by_id, user_id)
    if held is None or not await services.passwords.verify(held.password_hash, current):
        raise Invalid("the current password is wrong", faults=(Fault("current_password", "is wrong"),))
    user = await find(services, user_id)
    await check_password(new, (user.name, user.email), "new_password")
    hashed = await services.passwords.hash(new)
    if not await services.database.write(_change_password, held, hashed, caller.session_id):
        raise Conflict("the password was changed meanwhile")


def _change_password(conn: Connection, held: Login, password_hash: str, session_id: str) -> bool:
    if not logins.renew_hash(conn, held, password_hash):
        return False
    sessions.end_all(conn, held.user_id, "password", but=session_id)
    return True
