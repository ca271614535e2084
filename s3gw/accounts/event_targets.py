"""Targets of events: who may make, see, change and delete them. One that is shared with the buckets of
all is an admin's, and so is one that isn't a webhook.

A target is the account's: its owner looks after it, others in the account see it. They may not make one either: whoever
makes one under a name that a bucket still has in its configuration is told what becomes of the bucket's objects.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from s3gw.accounts.etags import etag_of as hashed
from s3gw.accounts.etags import require_match
from s3gw.accounts.login import Caller
from s3gw.auth.credentials import Credentials
from s3gw.events import names
from s3gw.events.message import Secrets
from s3gw.events.records import test_message
from s3gw.events.rules import TargetName, arn_of
from s3gw.events.targets import address_of, check_name, kind_of, secrets_of
from s3gw.metadata import audit, event_deliveries, event_targets, master_keys
from s3gw.metadata.audit import Actor
from s3gw.metadata.audited import told
from s3gw.metadata.database import Connection, now
from s3gw.metadata.event_deliveries import MOST_DEAD, Delivery, NewDelivery
from s3gw.metadata.event_targets import Counts, Kind, Target
from s3gw.problems import Invalid, NotFound, PermissionDenied
from s3gw.services import Services

_STEP = 500  # deliveries of one transaction
_NO_BUCKET = 0
_NO_DEAD = "there is no such undelivered message"


class Made(NamedTuple):
    """`secret` is told this once; "" where there is none."""

    target: Target
    secret: str


def arn(target: Target, region: str) -> str:
    """By which a bucket's configuration names it."""
    return arn_of(region, TargetName(target.account_id, target.name))


def create(
    conn: Connection,
    actor: Actor,
    credentials: Credentials,
    owner_id: str,
    name: str,
    url: str,
    secret: str | None = None,
    is_shared: bool = False,
) -> Made:
    """Raises Invalid, NotFound and Conflict."""
    check_name(name)
    secrets, target_id = secrets_of(url, secret), event_targets.new_id()
    sealed = _seal(conn, credentials, target_id, secrets)
    made = event_targets.create(conn, target_id, owner_id, name, kind_of(url), address_of(url), sealed, is_shared)
    told(conn, actor, "event_target.create", None, made)
    return Made(made, secrets.secret)


class Changes(NamedTuple):
    """None: as it is. A new secret is made up where `has_new_secret`."""

    url: str | None = None
    has_new_secret: bool = False
    is_shared: bool | None = None
    is_enabled: bool | None = None


def update(conn: Connection, actor: Actor, credentials: Credentials, target_id: str, changes: Changes) -> Made:
    """Raises Invalid and NotFound."""
    before = event_targets.find(conn, target_id)
    fields: dict[str, Any] = {}
    secret = ""
    if changes.url is not None or changes.has_new_secret:
        present = _open(conn, credentials, target_id)
        url = present.url if changes.url is None else changes.url
        if kind_of(url) != before.kind:
            raise Invalid(f"a target of the kind {before.kind} stays one: make another")
        if changes.has_new_secret and before.kind != "webhook":
            raise Invalid("only the messages to a webhook are signed with a secret")
        secrets = secrets_of(url, None if changes.has_new_secret else present.secret)
        secret = secrets.secret if changes.has_new_secret else ""
        fields |= {"address": address_of(url)}
        fields |= {"sealed": _seal(conn, credentials, target_id, secrets), "failing_since": None, "last_error": None}
    given = {"is_shared": changes.is_shared, "is_enabled": changes.is_enabled}
    fields |= {name: int(value) for name, value in given.items() if value is not None}
    after = event_targets.change(conn, target_id, fields)
    told(conn, actor, "event_target.update", before, after)
    return Made(after, secret)


def delete(conn: Connection, actor: Actor, target_id: str) -> Target:
    """With all that it is still to be told. Raises NotFound."""
    gone = event_targets.remove(conn, target_id)
    told(conn, actor, "event_target.delete", gone, None)
    return gone


def retry(conn: Connection, actor: Actor, target_id: str) -> int:
    """Have it told again some of what it couldn't be told; how many: none when that was all."""
    count = event_deliveries.send_again(conn, target_id, _STEP)
    if count:
        audit.record(conn, actor, "event_target.retry", "event_target", target_id, None, {"count": count})
    return count


class Shown(NamedTuple):
    """`secret` as in Made."""

    target: Target
    counts: Counts
    secret: str = ""


class Wanted(NamedTuple):
    name: str
    url: str
    secret: str | None = None
    is_shared: bool = False


class Dead(NamedTuple):
    """A page of what couldn't be told; `total`: of all."""

    deliveries: list[Delivery]
    total: int


def etag_of(target: Target) -> str:
    """Of what is set for it, however it is reached."""
    return hashed(target._replace(failing_since=None, last_error=None))


async def create_as(services: Services, caller: Caller, wanted: Wanted) -> Shown:
    """Of the caller's account. Raises Invalid, PermissionDenied and Conflict."""
    if not caller.principal.is_root:
        raise PermissionDenied("event targets are made by the owner of the account")
    _require_role(caller, is_shared=wanted.is_shared, kind=kind_of(wanted.url))
    given = wanted.name, wanted.url, wanted.secret, wanted.is_shared
    owner_id = caller.principal.user_id
    made = await services.database.write(create, caller.actor, services.credentials, owner_id, *given)
    return Shown(made.target, Counts(0, 0), made.secret)


def _require_role(caller: Caller, *, is_shared: bool, kind: Kind) -> None:
    if caller.principal.role == "admin":
        return
    if is_shared:
        raise PermissionDenied("only an admin may share a target with the buckets of all")
    if kind != "webhook":
        raise PermissionDenied("targets of other kinds than webhooks are made by admins")


async def page_as(services: Services, caller: Caller, offset: int, limit: int) -> tuple[list[Shown], int]:
    """Of the caller's account; for admins and auditors, of all."""
    owner_id = None if caller.principal.sees_all else caller.principal.account_owner_id

    def read(conn: Connection) -> tuple[list[Shown], int]:
        found, total = event_targets.page(conn, owner_id, offset, limit)
        counts = event_targets.counts_of(conn, [target.id for target in found])
        return [Shown(target, counts[target.id]) for target in found], total

    return await services.database.scan(read)


async def find_as(services: Services, caller: Caller, target_id: str) -> Shown:
    """Raises NotFound, also where the caller may not see it."""
    return await services.database.scan(_shown, caller, target_id)


def _shown(conn: Connection, caller: Caller, target_id: str) -> Shown:
    return Shown(_seen(conn, caller, target_id), event_targets.counts(conn, target_id))


def _seen(conn: Connection, caller: Caller, target_id: str) -> Target:
    target = event_targets.find(conn, target_id)
    if target.owner_id != caller.principal.account_owner_id and not caller.principal.sees_all:
        raise NotFound("there is no such event target")
    return target


def _governed(conn: Connection, caller: Caller, target_id: str) -> Target:
    """Raises NotFound, and PermissionDenied for who may only see it."""
    target, principal = _seen(conn, caller, target_id), caller.principal
    if target.owner_id != principal.user_id and principal.role != "admin":
        raise PermissionDenied("only the owner of the account and admins may do this")
    return target


def _to_change(conn: Connection, caller: Caller, target_id: str) -> Target:
    target = _governed(conn, caller, target_id)
    _require_role(caller, is_shared=target.is_shared, kind=target.kind)
    return target


async def update_as(
    services: Services, caller: Caller, target_id: str, changes: Changes, if_match: str | None
) -> Shown:
    """Raises NotFound, PermissionDenied, Invalid and PreconditionFailed."""
    return await services.database.write(_update, caller, services.credentials, target_id, changes, if_match)


def _update(
    conn: Connection, caller: Caller, credentials: Credentials, target_id: str, changes: Changes, if_match: str | None
) -> Shown:
    target = _to_change(conn, caller, target_id)
    _require_role(caller, is_shared=bool(changes.is_shared), kind=target.kind)
    require_match(if_match, etag_of(event_targets.lock(conn, target_id)))
    made = update(conn, caller.actor, credentials, target_id, changes)
    return Shown(made.target, event_targets.counts(conn, target_id), made.secret)


async def delete_as(services: Services, caller: Caller, target_id: str) -> None:
    """Raises NotFound and PermissionDenied."""
    await services.database.write(_delete, caller, target_id)


def _delete(conn: Connection, caller: Caller, target_id: str) -> None:
    _to_change(conn, caller, target_id)
    delete(conn, caller.actor, target_id)


async def dead_as(services: Services, caller: Caller, target_id: str, after: int, offset: int, limit: int) -> Dead:
    """The oldest first. Raises NotFound and PermissionDenied: who may only see a target learns no keys by it."""
    return await services.database.scan(_dead, caller, target_id, after, offset, limit)


def _dead(conn: Connection, caller: Caller, target_id: str, after: int, offset: int, limit: int) -> Dead:
    if caller.principal.sees_all:
        _seen(conn, caller, target_id)
    else:
        _governed(conn, caller, target_id)
    found = event_deliveries.list_dead(conn, target_id, after, limit, offset)
    return Dead(found, event_targets.counts(conn, target_id).dead)


async def retry_as(services: Services, caller: Caller, target_id: str) -> int:
    """All that it couldn't be told until now; how many. Raises NotFound and PermissionDenied."""
    count = 0
    for _ in range(MOST_DEAD // _STEP):
        done = await services.database.write(_retry, caller, target_id)
        count += done
        if done < _STEP:
            break
    return count


def _retry(conn: Connection, caller: Caller, target_id: str) -> int:
    _governed(conn, caller, target_id)
    return retry(conn, caller.actor, target_id)


async def retry_one_as(services: Services, caller: Caller, target_id: str, delivery_id: int) -> None:
    """Raises NotFound, also where it isn't dead any more, and PermissionDenied."""
    await services.database.write(_retry_one, caller, target_id, delivery_id)


def _retry_one(conn: Connection, caller: Caller, target_id: str, delivery_id: int) -> None:
    _governed(conn, caller, target_id)
    if not event_deliveries.send_again(conn, target_id, 1, delivery_id):
        raise NotFound(_NO_DEAD)
    audit.record(conn, caller.actor, "event_target.retry", "event_target", target_id, None, {"count": 1})


async def drop_as(services: Services, caller: Caller, target_id: str, delivery_id: int) -> None:
    """One that it couldn't be told is told it no more. Raises as retry_one_as."""
    await services.database.write(_drop, caller, target_id, delivery_id)


def _drop(conn: Connection, caller: Caller, target_id: str, delivery_id: int) -> None:
    _governed(conn, caller, target_id)
    gone = event_deliveries.drop_dead(conn, target_id, delivery_id)
    if gone is None:
        raise NotFound(_NO_DEAD)
    what = {"event": gone.event, "key": gone.key}
    audit.record(conn, caller.actor, "event_target.drop", "event_target", target_id, what, None)


async def test_as(services: Services, caller: Caller, request_id: str, target_id: str) -> Shown:
    """Have it told AWS's test event, of no bucket. Raises NotFound and PermissionDenied."""
    return await services.database.write(_test, caller, request_id, target_id)


def _test(conn: Connection, caller: Caller, request_id: str, target_id: str) -> Shown:
    target = _governed(conn, caller, target_id)
    message = test_message("", now(conn), request_id)
    event_deliveries.enqueue(conn, [NewDelivery(target_id, _NO_BUCKET, "", names.TEST, message)])
    audit.record(conn, caller.actor, "event_target.test", "event_target", target_id)
    return Shown(target, event_targets.counts(conn, target_id))


def _seal(conn: Connection, credentials: Credentials, target_id: str, secrets: Secrets) -> bytes:
    return credentials.seal_in(conn, master_keys.name_of_event_target(target_id), secrets.dumped())


def _open(conn: Connection, credentials: Credentials, target_id: str) -> Secrets:
    found = event_targets.sealed_of(conn, target_id)
    assert found is not None, "it was found"
    return Secrets.loaded(credentials.unseal(master_keys.name_of_event_target(target_id), found[1]))
