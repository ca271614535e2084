"""Deleting what takes other things with it: each of those has its own line in the audit log, before that of the whole.

So a log tells of every policy and grant that ended, and when, by whomever: who reads only `grant.…` misses none.
"""

from __future__ import annotations

from s3gw.metadata import event_targets, grants, groups, identities, identity_policies, reports, share_links
from s3gw.metadata.audit import Actor
from s3gw.metadata.audited import policy_told, told
from s3gw.metadata.database import Connection, now
from s3gw.metadata.groups import Group
from s3gw.metadata.identities import Key, User
from s3gw.metadata.identity_policies import Holder
from s3gw.metadata.share_links import ShareLink


def delete_key(conn: Connection, actor: Actor, access_key_id: str) -> Key:
    """With its policies."""
    _policies_end(conn, actor, Holder("key", access_key_id, access_key_id))
    key = identities.delete_key(conn, access_key_id)
    told(conn, actor, "key.delete", key, None)
    return key


def delete_group(conn: Connection, actor: Actor, called: str) -> Group:
    """With its policies and grants."""
    group = groups.find(conn, called)
    groups.lock(conn, group.id)
    _policies_end(conn, actor, Holder("group", group.id, group.name))
    for grant in grants.of_group(conn, group.id):
        told(conn, actor, "grant.delete", grant, None)
    deleted = groups.delete_group(conn, group.id)
    told(conn, actor, "group.delete", deleted, None)
    return deleted


def end_keys(conn: Connection, actor: Actor, user: User) -> None:
    for key in identities.list_keys(conn, user.id):
        delete_key(conn, actor, key.access_key_id)


def end_grants(conn: Connection, actor: Actor, user: User) -> None:
    for grant in grants.of_user(conn, user.id):
        told(conn, actor, "grant.delete", grant, None)
    grants.forget_user(conn, user.id)


def end_grants_in(conn: Connection, actor: Actor, bucket_id: int) -> None:
    """Of a bucket that is about to be deleted, which forgets them."""
    for grant in grants.of_bucket(conn, bucket_id):
        told(conn, actor, "grant.delete", grant, None)


def end_links(conn: Connection, actor: Actor, user: User) -> None:
    """Those that the user made are revoked, for good."""
    for link in share_links.live_of_user(conn, user.id):
        revoke_link(conn, actor, link)


def end_event_targets(conn: Connection, actor: Actor, user: User) -> None:
    """With all that they are still to be told."""
    for target in event_targets.list_all(conn, user.id):
        told(conn, actor, "event_target.delete", event_targets.remove(conn, target.id), None)


def end_reports(conn: Connection, actor: Actor, user: User) -> None:
    """Those that the user has saved."""
    for report in reports.of_owner(conn, user.id):
        told(conn, actor, "report.delete", reports.remove(conn, report.id), None)


def revoke_link(conn: Connection, actor: Actor, link: ShareLink) -> ShareLink:
    """One that isn't revoked."""
    revoked = share_links.change(conn, link, {"revoked_at": now(conn)})
    told(conn, actor, "link.revoke", link, revoked)
    return revoked


def end_links_in(conn: Connection, actor: Actor, bucket_id: int) -> None:
    """Of a bucket that is about to be deleted."""
    for link in share_links.live_of_bucket(conn, bucket_id):
        told(conn, actor, "link.delete", link, None)
    share_links.forget_in(conn, bucket_id)


def end_policies(conn: Connection, actor: Actor, user: User) -> None:
    _policies_end(conn, actor, Holder("user", user.id, user.name))
    identity_policies.forget(conn, "user", user.id)


def leave_groups(conn: Connection, actor: Actor, user: User) -> None:
    for group_id in groups.ids_of_user(conn, user):
        before = groups.find_by_id(conn, group_id)
        groups.remove_user(conn, before, user.id)
        told(conn, actor, "group.remove", before, groups.find_by_id(conn, group_id))


def _policies_end(conn: Connection, actor: Actor, holder: Holder) -> None:
    for policy in identity_policies.of_holder(conn, holder):
        policy_told(conn, actor, holder, policy, None)
