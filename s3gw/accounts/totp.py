"""What users do about their second factor: enrol, confirm, renew the recovery codes, disable. Admins reset others'.

It is asked for at logins with a password; who logs in at an OpenID Connect issuer shows there what that asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from s3gw.accounts import second_factor
from s3gw.accounts.login import Caller, note_refusal, turns_of
from s3gw.accounts.own_password import limits_of, require_password
from s3gw.auth import totp as codes
from s3gw.metadata import identities, totp
from s3gw.metadata.database import Connection, now
from s3gw.metadata.master_keys import name_of_totp
from s3gw.problems import Conflict, Fault, Invalid, NotAuthenticated, PermissionDenied, Problem
from s3gw.services import Services

_ISSUER = "s3gw"  # what the app shows beside the name


class Enrolment(NamedTuple):
    """Told once: the secret, and the URI that an app takes as a QR code."""

    secret: str
    uri: str


async def state(services: Services, caller: Caller) -> dict[str, Any]:
    return await services.database.read(totp.told, caller.principal.user_id)


async def enrol(services: Services, caller: Caller, password: str) -> Enrolment:
    """It isn't asked for before it is confirmed. Raises Invalid for a wrong password, Conflict where there is one."""
    await require_password(services, caller, password, "password")
    secret, user_id = codes.new_secret(), caller.principal.user_id

    def write(conn: Connection) -> None:
        before = totp.told(conn, user_id)
        sealed = services.credentials.seal_in(conn, name_of_totp(user_id), secret)
        if not totp.enrol(conn, user_id, sealed):
            raise Conflict("there is a second factor already: disable it first")
        _tell(conn, caller, "user.totp.enrol", before)

    await services.database.write(write)
    return Enrolment(secret, codes.provisioning_uri(secret, caller.principal.name, _ISSUER))


async def confirm(services: Services, caller: Caller, code: str) -> list[str]:
    """From now on it is asked for. Gives the recovery codes, this once. Raises Conflict and Invalid."""
    user_id = caller.principal.user_id

    def write(conn: Connection) -> list[str]:
        found, before = totp.find(conn, user_id), totp.told(conn, user_id)
        if found is None or found.confirmed_at is not None:
            raise Conflict("there is no second factor that waits to be confirmed")
        secret = services.credentials.unseal(name_of_totp(user_id), found.sealed)
        step = codes.step_of(secret, code, now(conn) // 1_000_000)
        if step is None:
            raise _invalid("totp", "the code is wrong")
        if not totp.confirm(conn, user_id, found.sealed, step):
            raise Conflict("the second factor was changed meanwhile")
        return _renew(conn, caller, "user.totp.enable", before)

    return await services.database.write(write)


async def disable(services: Services, caller: Caller, password: str, code: str | None) -> None:
    """Raises Invalid for a wrong password or code, RateLimited, and Conflict where there is none."""

    def write(conn: Connection) -> None:
        before = totp.told(conn, caller.principal.user_id)
        totp.remove(conn, caller.principal.user_id)
        _tell(conn, caller, "user.totp.disable", before)

    await _with_both(services, caller, password, code, write)


async def renew_recovery_codes(services: Services, caller: Caller, password: str, code: str | None) -> list[str]:
    """Ten others, told this once; those of before are good no more. Raises as `disable`."""

    def write(conn: Connection) -> list[str]:
        before = totp.told(conn, caller.principal.user_id)
        return _renew(conn, caller, "user.totp.recovery_codes", before)

    renewed: list[str] = await _with_both(services, caller, password, code, write)
    return renewed


async def reset(services: Services, caller: Caller, user_id: str) -> None:
    """Another's, by an admin. Raises NotFound, and PermissionDenied for the caller's own: who has stolen a token
    could take it away.
    """
    if user_id == caller.principal.user_id:
        raise PermissionDenied("one's own is disabled with the password and a code")

    def write(conn: Connection) -> None:
        second_factor.reset(conn, caller.actor, identities.find_user_by_id(conn, user_id))

    await services.database.write(write)


async def _with_both(
    services: Services, caller: Caller, password: str, code: str | None, fn: Callable[[Connection], Any]
) -> Any:
    """In one transaction with the code that is used for it."""
    await require_password(services, caller, password, "password")
    limits = await limits_of(services, caller)
    user_id = caller.principal.user_id

    def write(conn: Connection) -> Any:
        if not totp.told(conn, user_id)["enabled"]:
            raise Conflict("there is no second factor")
        refusal = second_factor.admit(conn, services.credentials, user_id, code, limits, caller.actor)
        return fn(conn) if refusal is None else refusal

    outcome = await services.database.write(write, keys=turns_of(limits))
    if isinstance(outcome, Problem):
        await note_refusal(services, limits, outcome, caller.principal.name, caller.origin)
    if isinstance(outcome, NotAuthenticated):
        raise _invalid("totp", outcome.detail)
    if isinstance(outcome, Problem):
        raise outcome
    return outcome


def _renew(conn: Connection, caller: Caller, action: str, before: object) -> list[str]:
    user_id, renewed = caller.principal.user_id, codes.new_recovery_codes()
    digests = [digest for code in renewed if (digest := codes.recovery_digest(user_id, code)) is not None]
    totp.replace_recovery_codes(conn, user_id, digests)
    _tell(conn, caller, action, before)
    return renewed


def _tell(conn: Connection, caller: Caller, action: str, before: object) -> None:
    user = identities.find_user_by_id(conn, caller.principal.user_id)
    second_factor.tell(conn, caller.actor, action, user, before)


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(message, faults=(Fault(field, message),))
