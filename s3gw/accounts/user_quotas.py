"""How much all buckets of a user together may have, and how much they have."""

from __future__ import annotations

from typing import NamedTuple

from s3gw.accounts.etags import etag_of, require_match
from s3gw.accounts.login import Caller
from s3gw.metadata import audit, identities, quotas, usage
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection
from s3gw.metadata.usage import Usage
from s3gw.problems import Conflict, NotFound
from s3gw.services import Services


class Most(NamedTuple):
    """None: as much as one likes."""

    max_bytes: int | None
    max_objects: int | None


class UserQuota(NamedTuple):
    most: Most
    used: Usage

    @property
    def etag(self) -> str:
        return etag_of(self.most._asdict())


async def find(services: Services, caller: Caller, user_id: str) -> UserQuota:
    """Of oneself, or of whoever an admin or auditor asks for. Raises NotFound."""
    if user_id != caller.principal.user_id and not caller.principal.sees_all:
        raise NotFound("there is no such user")
    return await services.database.read(_find, user_id)


def _find(conn: Connection, user_id: str) -> UserQuota:
    identities.find_user_by_id(conn, user_id)
    return UserQuota(Most(*quotas.of_user(conn, user_id)), usage.of_owner(conn, user_id))


def put(conn: Connection, actor: Actor, user_id: str, most: Most, if_match: str | None) -> UserQuota:
    """In the place of what there was; for the next write. Raises NotFound, Conflict and PreconditionFailed."""
    user = identities.find_user_by_id(conn, user_id)
    if user.account_owner_id is not None:
        raise Conflict("what it stores is its account's owner's, and so is the quota")
    identities.lock_user(conn, user)
    found = _find(conn, user.id)
    require_match(if_match, found.etag)
    before = found.most
    if most != before:
        quotas.set_of_user(conn, user.id, *most)
        audit.record(conn, actor, "user.quota.put", "user", user.name, before._asdict(), most._asdict())
    return _find(conn, user.id)
