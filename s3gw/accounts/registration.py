"""Who may register, and what a new user is: a root of an account of its own, never more than a `user`."""

from __future__ import annotations

from typing import NamedTuple

from s3gw.accounts.login import digest_of
from s3gw.accounts.origin import Origin
from s3gw.accounts.passwords import check_password
from s3gw.metadata import identities, logins, one_time_tokens, user_names
from s3gw.metadata.audited import told
from s3gw.metadata.database import Connection
from s3gw.metadata.identities import User
from s3gw.metadata.one_time_tokens import OneTimeToken
from s3gw.problems import Fault, Invalid, RegistrationClosed
from s3gw.registration_mode import mode_of
from s3gw.services import Services


async def register(
    services: Services,
    *,
    name: str,
    email: str,
    password: str,
    invitation: str | None,
    was_forwarded: bool,
    origin: Origin,
) -> User:
    """Raises RegistrationClosed, Invalid or Conflict. `was_forwarded`: a header says that the request came through a
    proxy, which on the same machine would open to the world what is meant for this machine.
    """
    settings = services.settings
    mode = mode_of(settings, was_forwarded=was_forwarded)
    if mode == "closed":
        raise RegistrationClosed("registration is closed")
    if mode == "invite" and invitation is None:
        raise RegistrationClosed("registration needs an invitation")
    address, digest = normal_email(email), None if invitation is None else digest_of(invitation)
    if digest is not None:  # before a stranger's password is estimated and hashed, which takes long
        _require_for(await services.database.read(one_time_tokens.find_good, digest, "invite"), address)
    await check_password(services.passwords, password, (name, address))
    hashed = await services.passwords.hash(password)
    new = NewUser(name, address, hashed, settings.default_user_quota)
    return await services.database.write(create, new, digest, origin, keys=(user_names.turn(name),))


class NewUser(NamedTuple):
    name: str
    email: str
    password_hash: str | None
    storage_quota: int


def create(conn: Connection, new: NewUser, invitation: bytes | None, origin: Origin) -> User:
    """The invitation is used in the same transaction, so it makes one user and isn't lost to a name that is taken."""
    used = None
    if invitation is not None:
        used = _require_for(one_time_tokens.use(conn, invitation, "invite"), new.email)
    user = identities.create_user(conn, **new._asdict())
    if used is not None and used.email is not None:
        logins.confirm_address(conn, user.id, new.email)  # it was sent there
        user = identities.find_user_by_id(conn, user.id)
    told(conn, origin.actor(user.id, user.name), "user.register", None, user)
    return user


def _require_for(invitation: OneTimeToken | None, email: str) -> OneTimeToken:
    """Raises RegistrationClosed for one that isn't good, or not for this address."""
    if invitation is None or invitation.email not in (None, email):
        raise RegistrationClosed("the invitation isn't valid, or is for another address")
    return invitation


def normal_email(address: str) -> str:
    """In lower case, so that it is unique. Raises Invalid; nothing is looked up in DNS."""
    from email_validator import EmailNotValidError, validate_email

    try:
        return str(validate_email(address, check_deliverability=False, test_environment=True).normalized).lower()
    except EmailNotValidError as error:
        raise Invalid(f"the e-mail address is no address: {error}", faults=(Fault("email", str(error)),)) from None
