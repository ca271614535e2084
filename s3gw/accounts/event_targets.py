"""Targets of events: who may make, see, change and delete them. A webhook is anybody's to make; what speaks another
protocol (Redis, AMQP), and what is shared with the buckets of all, is an admin's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from s3gw.auth.credentials import Credentials
from s3gw.events.message import Secrets
from s3gw.events.rules import TargetName, arn_of
from s3gw.events.targets import address_of, check_name, kind_of, secrets_of
from s3gw.metadata import event_targets, master_keys
from s3gw.metadata.audit import Actor
from s3gw.metadata.audited import told
from s3gw.metadata.database import Connection
from s3gw.metadata.event_targets import Target


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
        is_signed = kind_of(url) == "webhook"
        kept = present.secret if is_signed and present.secret and not changes.has_new_secret else None
        secrets = secrets_of(url, kept)
        secret = "" if kept else secrets.secret
        fields |= {"kind": kind_of(url), "address": address_of(url)}
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


def _seal(conn: Connection, credentials: Credentials, target_id: str, secrets: Secrets) -> bytes:
    return credentials.seal_in(conn, master_keys.name_of_event_target(target_id), secrets.dumped())


def _open(conn: Connection, credentials: Credentials, target_id: str) -> Secrets:
    found = event_targets.sealed_of(conn, target_id)
    assert found is not None, "it was found"
    return Secrets.loaded(credentials.unseal(master_keys.name_of_event_target(target_id), found[1]))
