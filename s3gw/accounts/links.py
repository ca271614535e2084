"""Links that work once: they verify an address, set a forgotten password, or invite somebody."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from s3gw.accounts import mail
from s3gw.accounts.login import attempts_of, digest_of
from s3gw.accounts.origin import Origin
from s3gw.accounts.passwords import check_password
from s3gw.accounts.registration import normal_email
from s3gw.metadata import audit, identities, logins, one_time_tokens
from s3gw.metadata.audit import Actor
from s3gw.metadata.audited import told
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.identities import User
from s3gw.metadata.one_time_tokens import OneTimeToken, Purpose
from s3gw.problems import Fault, Invalid, NotFound, RateLimited
from s3gw.services import Services

if TYPE_CHECKING:
    from s3gw.config import Settings

_HOUR = 3600
LIFETIMES: dict[Purpose, int] = {"verify": 48 * _HOUR, "reset": _HOUR, "invite": 7 * 24 * _HOUR}  # seconds
_MOST_MESSAGES = 3  # an hour, of one kind about addresses: of one user, and to one address


class Invitation(NamedTuple):
    """`token` is shown this once; `expires_at` in microseconds since the epoch."""

    id: str
    token: str
    email: str | None
    expires_at: int


async def send_verification(services: Services, user: User) -> None:
    """Nothing for a user without an address."""
    if user.email is None:
        return
    link = await _link(services, "verify", user)
    text = f"Hello {user.name},\n\nthis link confirms that the address is yours, once, within two days:\n\n{link}\n"
    await mail.send(services.settings, user.email, "Confirm your address", text)


async def require_few_verifications(services: Services, user: User) -> None:
    """Counts one more. Raises RateLimited: whoever gives a stranger's address mustn't fill that one's mailbox."""
    if user.email is not None:
        await _require_few(services, "verify", user.id, user.email)


async def _require_few(services: Services, kind: str, *subjects: str) -> None:
    """Counts one more message of the kind for each. Raises RateLimited."""
    from limits import RateLimitItemPerMinute

    from s3gw.accounts.attempts import Limit

    an_hour = RateLimitItemPerMinute(_MOST_MESSAGES, 60)
    refusal = await attempts_of(services).fail([Limit(an_hour, (kind, subject)) for subject in subjects], None)
    if refusal is not None:
        raise refusal


async def send_few_verifications(services: Services, user: User) -> None:
    """As part of another change, which isn't refused: one message too many isn't sent, and can be asked for later."""
    try:
        await require_few_verifications(services, user)
    except RateLimited:
        return
    await send_verification(services, user)


async def tell_old_address(services: Services, user: User, old_email: str) -> None:
    """That it isn't the user's any more. The new one isn't said: whoever reads the old one's mail needn't know it, and
    who changes addresses to send messages to strangers has no text of his own in them.
    """
    try:
        await _require_few(services, "moved", user.id, old_email)
    except RateLimited:
        return
    done = "it was taken away" if user.email is None else "another one was set"
    text = f"Hello {user.name},\n\nthis isn't the address of your account any more: {done} just now.\n\n"
    text += (
        "If that wasn't you, somebody else is logged in as you: log in by your name, set another password, which ends"
    )
    text += " all other sessions, and set your address again. If you can't, ask who runs the server, now.\n"
    await mail.send(services.settings, old_email, "Your address was changed", text)


async def require_patience(services: Services, email: str, origin: Origin) -> None:
    """Each message counts as a failed attempt of the address that it goes to, and of who asks. Raises RateLimited."""
    attempts = attempts_of(services)
    refusal = await attempts.fail(attempts.limits_of_reset(normal_email(email), origin.address), None)
    if refusal is not None:
        raise refusal


async def send_reset(services: Services, email: str) -> None:
    """To whoever has this address and is active; nobody who asks learns whether there is somebody. One message too many
    isn't sent: whoever asks in another's name neither fills the mailbox nor ends the link that was sent last.
    """
    user = await services.database.read(logins.find_by_email, normal_email(email))
    if user is None or user.email is None:
        return
    try:
        await _require_few(services, "reset link", user.id, user.email)
    except RateLimited:
        return
    link = await _link(services, "reset", user)
    text = f"Hello {user.name},\n\nthis link sets a new password, once, within an hour:\n\n{link}\n\n"
    text += "Whoever didn't ask for it can throw this message away: nothing has changed.\n"
    await mail.send(services.settings, user.email, "Set a new password", text)


async def _link(services: Services, purpose: Purpose, user: User) -> str:
    token = secrets.token_urlsafe(32)

    def write(conn: Connection) -> None:
        lifetime = LIFETIMES[purpose]
        one_time_tokens.create(conn, digest_of(token), purpose, lifetime=lifetime, user_id=user.id, email=user.email)

    await services.database.write(write)
    return f"{pages_of(services.settings)}/{purpose}?token={token}"


def pages_of(settings: Settings, origin: str = "") -> str:
    """What the addresses of the pages begin with that take links: the console's, unless a setting says otherwise.
    `origin` is where it was reached, which counts where no setting says how it is.
    """
    return (settings.links_url or f"{(settings.public_url or origin).rstrip('/')}/console").rstrip("/")


async def invite(database: Database, settings: Settings, actor: Actor, email: str | None) -> Invitation:
    """With an address it is sent there, and only that address can be registered with it."""
    address = None if email is None else normal_email(email)
    token = secrets.token_urlsafe(32)
    digest = digest_of(token)

    def write(conn: Connection) -> int:
        lifetime, by = LIFETIMES["invite"], actor.id or None
        audit.record(conn, actor, "invitation.create", "invitation", address or "whoever has it")
        return one_time_tokens.create(conn, digest, "invite", lifetime=lifetime, email=address, created_by=by)

    expires_at = await database.write(write)
    if address is not None:
        link = f"{pages_of(settings)}/register?invitation={token}"
        who = f"{actor.name} invites you" if actor.id else "You are invited"
        text = f"Hello,\n\n{who}. This link makes your account, once, within a week:\n\n{link}\n"
        await mail.send(settings, address, "You are invited", text)
    return Invitation(one_time_tokens.id_of(digest), token, address, expires_at)


def revoke_invitation(conn: Connection, actor: Actor, invitation_id: str) -> one_time_tokens.Invitation:
    """Raises NotFound."""
    revoked = one_time_tokens.revoke_invitation(conn, invitation_id)
    if revoked is None:
        raise NotFound("there is no such invitation")
    audit.record(conn, actor, "invitation.revoke", "invitation", revoked.email or "whoever has it")
    return revoked


async def verify(services: Services, token: str, origin: Origin) -> None:
    """Raises Invalid."""
    await services.database.write(_verify, digest_of(token), origin)


def _verify(conn: Connection, digest: bytes, origin: Origin) -> None:
    user = _followed(conn, digest, "verify")
    told = {"email": user.email}
    audit.record(conn, origin.actor(user.id, user.name), "user.verify", "user", user.name, None, told)


def _followed(conn: Connection, digest: bytes, purpose: Purpose) -> User:
    """Whose link it is; the address it went to is confirmed. Raises Invalid, and changes nothing, where the user
    is disabled or has another address by now.
    """
    used = one_time_tokens.use(conn, digest, purpose)
    if used is None:
        raise _refusal()
    user_id, email = _of_user(used)
    user = identities.find_user_by_id(conn, user_id)
    identities.lock_user(conn, user)
    if logins.find_by_id(conn, user_id) is None or not logins.confirm_address(conn, user_id, email):
        raise _refusal()
    return identities.find_user_by_id(conn, user_id)


async def reset(services: Services, token: str, password: str, origin: Origin) -> None:
    """Set a password and end all sessions. It shows too that the address is the user's. Raises Invalid."""
    user = await services.database.read(_whose_reset, digest_of(token))
    await check_password(services.passwords, password, (user.name, user.email), "new_password")
    hashed = await services.passwords.hash(password)
    await services.database.write(_reset, digest_of(token), hashed, origin)


def _whose_reset(conn: Connection, digest: bytes) -> User:
    """Before a stranger's password is estimated and hashed, which takes long. Raises Invalid."""
    good = one_time_tokens.find_good(conn, digest, "reset")
    if good is None:
        raise _refusal()
    return identities.find_user_by_id(conn, _of_user(good)[0])


def _reset(conn: Connection, digest: bytes, password_hash: str, origin: Origin) -> None:
    before = _followed(conn, digest, "reset")
    user = identities.set_password(conn, before.id, password_hash)
    told(conn, origin.actor(user.id, user.name), "user.password", before, user)


def _of_user(token: OneTimeToken) -> tuple[str, str]:
    assert token.user_id is not None and token.email is not None, "it was made for a user with an address"
    return token.user_id, token.email


def _refusal() -> Invalid:
    return Invalid("the link isn't valid any more", faults=(Fault("token", "was used, has expired, or is none"),))
