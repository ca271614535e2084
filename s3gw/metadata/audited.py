"""Changes of users, groups, access keys, grants and share links, their lines in the audit log, and what these tell.

A document of a line is made from the fields that are named here, so that no secret gets into the log by a new column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from s3gw.metadata import audit, event_targets, grants, groups, identities, reports, share_links
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection
from s3gw.metadata.event_targets import Target
from s3gw.metadata.grants import Grant
from s3gw.metadata.groups import Group
from s3gw.metadata.identities import Key, User
from s3gw.metadata.identity_policies import Holder, IdentityPolicy
from s3gw.metadata.reports import Report
from s3gw.metadata.share_links import ShareLink

P = ParamSpec("P")
Subject = User | Group | Key | Grant | ShareLink | Target | Report
S = TypeVar("S", User, Group, Key, Target)


class _Kind(NamedTuple):
    """How a resource is found by what commands call it, which of its fields is its name, and what is told of it."""

    find: Callable[[Connection, str], Any]
    name: str
    told: tuple[str, ...]


_KINDS: dict[str, _Kind] = {
    "user": _Kind(
        identities.find_user,
        "name",
        (
            "id", "name", "email", "display_name", "role", "is_enabled", "account_owner", "storage_quota", "deleted_at",
        ),
    ),
    "group": _Kind(groups.find, "name", ("id", "name", "account_owner", "members")),
    "key": _Kind(
        identities.find_key, "access_key_id", ("access_key_id", "user", "description", "is_enabled", "expires_at")
    ),
    "grant": _Kind(
        lambda conn, grant_id: grants.find(conn, None, grant_id), "id",
        ("id", "bucket", "resource_type", "path", "user_id", "group_id", "grantee", "permission", "expires_at"),
    ),
    "event_target": _Kind(
        event_targets.find_named, "id",
        ("id", "owner_id", "name", "kind", "address", "is_shared", "is_enabled"),
    ),
    "report": _Kind(
        reports.find_named, "id", ("id", "owner_id", "name", "document", "cron", "time_zone", "is_enabled"),
    ),
    "link": _Kind(
        share_links.find, "id",
        (
            "id", "user_id", "bucket", "kind", "file_id", "prefix", "has_password", "max_downloads", "max_bytes",
            "max_uploads", "expires_at", "revoked_at",
        ),
    ),
}  # fmt: skip


def audited(
    conn: Connection,
    actor: Actor,
    action: str,
    fn: Callable[Concatenate[Connection, P], S],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> S:
    """Run a change and write its line. `action` is `user.…`, `group.…` or `key.…`; but for `….create`, the first
    argument of `fn` names what is changed; it gives what has become of it, or what was deleted.
    """
    kind, _, verb = action.partition(".")
    before = None if verb == "create" else _KINDS[kind].find(conn, str(args[0]))
    outcome = fn(conn, *args, **kwargs)
    told(conn, actor, action, before, None if verb == "delete" else outcome)
    return outcome


def told(conn: Connection, actor: Actor, action: str, before: Subject | None, after: Subject | None) -> None:
    """Write the line of a change that was made in this transaction; None: there was, or is, nothing."""
    kind = action.partition(".")[0]
    subject = before or after
    assert subject is not None, "something was there, before or after"
    name = str(getattr(subject, _KINDS[kind].name))
    audit.record(conn, actor, action, kind, name, _document(kind, before), _document(kind, after))


def policy_told(
    conn: Connection, actor: Actor, holder: Holder, before: IdentityPolicy | None, after: IdentityPolicy | None
) -> None:
    """As `told`, of a policy that a user, a group or an access key holds."""
    policy = before or after
    assert policy is not None, "something was there, before or after"
    documents = [None if one is None else {"holder_id": holder.id, **one._asdict()} for one in (before, after)]
    action = f"{holder.kind}.policy.{'put' if after is not None else 'delete'}"
    audit.record(conn, actor, action, "policy", f"{holder.name}/{policy.name}", *documents)


def _document(kind: str, subject: Subject | None) -> dict[str, Any] | None:
    return None if subject is None else {field: getattr(subject, field) for field in _KINDS[kind].told}
