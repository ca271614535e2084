"""The rules in memory: read when they change, and only then, and no more of them than fit."""

from __future__ import annotations

from typing import Any

import pytest

from s3gw import known_rules
from s3gw.auth.principal import Principal
from s3gw.errors import InvalidAccessKeyId
from s3gw.known_rules import KnownRules
from s3gw.metadata import access_rules, buckets, configurations, identities, identity_policies, policy_holders
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.change import Change
from s3gw.metadata.database import Connection, Database
from tests.access.policies import document, of_identity, statement
from tests.metadata.changes import of_key

pytestmark = pytest.mark.anyio


async def made(database: Database, name: str) -> Bucket:
    def make(conn: Connection) -> None:
        owner = next(iter(identities.list_users(conn)), None) or identities.create_user(conn, name="owner")
        buckets.create(conn, name=name, owner_id=owner.id, region="r", defaults="aws", now=1)

    await database.write(make)
    found = await database.read(buckets.find, name)
    assert found is not None
    return found


async def put(database: Database, bucket: Bucket, kind: str, document: Any) -> Bucket:
    def change(conn: Connection) -> None:
        configurations.put(of_key(conn, bucket.id, "any"), kind, document)

    await database.write(change)
    found = await database.read(buckets.find, bucket.name)
    assert found is not None
    return found


async def test_a_revision_changes_with_each_rule_and_with_nothing_else(database: Database) -> None:
    bucket = await made(database, "bucket")
    assert bucket.rules_revision
    revisions = {bucket.rules_revision}
    for kind in sorted(access_rules.KINDS):
        bucket = await put(database, bucket, kind, "document")
        assert bucket.rules_revision not in revisions
        revisions.add(bucket.rules_revision)
    for kind in ("Tagging", "CORSConfiguration"):
        assert (await put(database, bucket, kind, "document")).rules_revision == bucket.rules_revision

    def remove(conn: Connection) -> None:
        change: Change = of_key(conn, bucket.id, "any")
        configurations.remove(change, "Policy")

    await database.write(remove)
    found = await database.read(buckets.find, "bucket")
    assert found is not None and found.rules_revision not in revisions


async def test_rules_are_kept_under_the_revision_that_they_were_read_with(database: Database) -> None:
    """Also where the row of the request is older than the rules: the next row finds them."""
    known, before = KnownRules(database), await made(database, "bucket")
    after = await put(database, before, "OwnershipControls", buckets.ownership_controls("ObjectWriter"))
    rules = await known.read_bucket(before)
    assert rules.ownership == "ObjectWriter" and rules.has_acls
    assert list(known.of_buckets) == [(after.id, after.rules_revision, 0)]


async def test_what_a_new_bucket_is_given_is_what_holds(database: Database) -> None:
    rules = await KnownRules(database).read_bucket(await made(database, "bucket"))
    assert not rules.has_acls and rules.policy is None and rules.acl is None
    assert int(rules.public_access_block) == 15


async def test_of_the_account_and_of_the_bucket_the_stricter_block_holds(database: Database) -> None:
    bucket = await made(database, "bucket")
    bucket = await put(database, bucket, "PublicAccessBlock", {"BlockPublicAcls": True, "IgnorePublicAcls": False})
    rules = await KnownRules(database).read_bucket(bucket._replace(account_public_access_block=8))
    assert int(rules.public_access_block) == 9


async def test_what_was_asked_for_longest_ago_is_forgotten(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_rules, "_MOST", 3)
    known = KnownRules(database)
    for number in range(5):
        await known.read_bucket(await made(database, f"bucket{number}"))
    assert len(known.of_buckets) == 3


async def test_long_documents_are_forgotten_sooner(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy of 20 KiB can take 5 MB of memory, and a user can have thousands of buckets."""
    known, bucket = KnownRules(database), await made(database, "bucket")
    text = document(*(statement(Resource=f"arn:aws:s3:::bucket/{number}") for number in range(100)))
    monkeypatch.setattr(known_rules, "_MOST_TEXT", 3 * len(text))
    for _ in range(5):
        bucket = await put(database, bucket, "Policy", text)
        await known.read_bucket(bucket)
        await known.read_bucket(bucket)
    assert len(known.of_buckets) == 2
    monkeypatch.setattr(known_rules, "_MOST_TEXT", 1)
    rules = await known.read_bucket(await put(database, bucket, "Policy", text))
    assert list(known.of_buckets.values()) == [rules]


async def test_of_a_key_that_is_deleted_meanwhile_no_rule_is_left_out(database: Database) -> None:
    """Its request was authenticated, and what narrowed it is gone."""

    def make(conn: Connection) -> Principal:
        user = identities.create_user(conn, name="editor")
        identities.create_key(conn, user="editor", access_key_id="KEY", sealed_secret=b"s")
        text = document(of_identity(Action="s3:GetObject", Resource="*"))
        identity_policies.put(conn, policy_holders.find(conn, "key", "KEY"), "reads", text)
        of_key = access_rules.of_identity(conn, user.id, "KEY").revisions[1]
        return Principal(
            user.id, user.canonical_id, user.account_id, user.name, "user", "KEY", user.id, "", of_key or ""
        )

    principal, known = await database.write(make), KnownRules(database)
    assert (await known.read_identity(principal)).key is not None
    await database.write(identities.delete_key, "KEY")
    with pytest.raises(InvalidAccessKeyId):
        await known.read_identity(principal)
    with pytest.raises(InvalidAccessKeyId):
        await known.read_identity(principal._replace(user_id="nobody"))
