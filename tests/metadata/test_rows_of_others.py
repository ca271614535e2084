"""Each statement reaches the rows that it was asked for, and none beside them: of other buckets, uploads and users."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from s3gw.errors import BucketNotEmpty, IdempotencyParameterMismatch, NoSuchUpload
from s3gw.metadata import (
    buckets,
    client_tokens,
    configurations,
    contents,
    deleted_users,
    identities,
    listing,
    objects,
    schema,
    uploads,
)
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.contents import inline
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.identities import IdentityError
from s3gw.metadata.objects import NewObject
from s3gw.metadata.uploads import NO_VERSION, VERSION_REMOVED, Upload, UploadedPart
from tests.metadata.changes import of_bucket, of_key, of_part

pytestmark = pytest.mark.anyio


def make(conn: Connection) -> tuple[str, int, int]:
    """An owner and two buckets."""
    owner = identities.create_user(conn, name="owner", role="admin").id
    common: dict[str, Any] = {"owner_id": owner, "region": "us-east-1", "defaults": "aws", "now": 1}
    one, two = (buckets.create(conn, name=name, **common) for name in ("one", "two"))
    return owner, one, two


def begin(conn: Connection, owner: str, bucket_id: int, key: str = "key", key_sequence: int = NO_VERSION) -> str:
    upload_id = uploads.new_upload_id(1)
    nothing = (None,) * 5
    upload = Upload(upload_id, bucket_id, key, 1, owner, owner, "STANDARD", *nothing, key_sequence)
    uploads.begin(of_key(conn, bucket_id, key), upload)
    return upload_id


def put_part(conn: Connection, upload_id: str, number: int) -> None:
    content_id = contents.insert(conn, inline(b"part"))
    part = UploadedPart(upload_id, number, 4, "etag", 1, content_id, None, None)
    uploads.put_part(of_part(conn, upload_id, number), part)


def numbers(conn: Connection, upload_id: str) -> list[int]:
    return [part.part_number for part in uploads.list_parts(conn, upload_id)]


async def test_parts_are_put_and_removed_in_their_upload_alone(database: Database) -> None:
    def steps(conn: Connection) -> None:
        owner, one, _ = make(conn)
        first, second = begin(conn, owner, one), begin(conn, owner, one)
        for upload_id in (first, second):
            put_part(conn, upload_id, 1)
            put_part(conn, upload_id, 2)
        put_part(conn, first, 1)  # again
        assert numbers(conn, first) == numbers(conn, second) == [1, 2]
        assert uploads.abort(conn, first) == 2
        assert numbers(conn, second) == [1, 2]
        assert uploads.find(conn, one, "key", second).upload_id == second
        assert uploads.abort(conn, first) == 0  # it is gone
        for seek in (uploads.find, uploads.lock_exclusive):
            with pytest.raises(NoSuchUpload):
                seek(conn, one, "key", first)
        with pytest.raises(NoSuchUpload):
            put_part(conn, first, 1)

    await database.write(steps)


async def test_the_contents_of_parts_go_with_them_but_for_those_that_pass_on(database: Database) -> None:
    def steps(conn: Connection) -> None:
        owner, one, _ = make(conn)
        upload_id = begin(conn, owner, one)
        for number in (1, 2, 3, 1):
            put_part(conn, upload_id, number)
        ids = select(schema.contents.c.id)
        assert len(conn.execute(ids).all()) == 3  # not that of the first part 1
        kept = [part.content_id for part in uploads.list_parts(conn, upload_id) if part.part_number != 2]
        uploads.remove(of_bucket(conn, one), uploads.find(conn, one, "key", upload_id), frozenset({1, 3}))
        assert sorted(row[0] for row in conn.execute(ids).all()) == sorted(kept)

    await database.write(steps)


async def test_an_upload_is_that_of_its_bucket_and_key_alone(database: Database) -> None:
    def steps(conn: Connection) -> None:
        owner, one, two = make(conn)
        upload_id = begin(conn, owner, one)
        for seek in (uploads.find, uploads.lock_exclusive):
            for bucket_id, key in ((two, "key"), (one, "other")):
                with pytest.raises(NoSuchUpload):
                    seek(conn, bucket_id, key, upload_id)
        assert uploads.is_marker(conn, one, "key", upload_id)
        assert not uploads.is_marker(conn, two, "key", upload_id)
        assert not uploads.is_marker(conn, one, "other", upload_id)

    await database.write(steps)


async def test_the_uploads_of_a_bucket_are_listed_alone_and_in_their_order(database: Database) -> None:
    def steps(conn: Connection) -> None:
        owner, one, two = make(conn)
        begun = [begin(conn, owner, one, key) for key in ("b", "c", "a", "b")]
        begin(conn, owner, two, "b")
        of_b = sorted([begun[0], begun[3]])

        def listed(prefix: str, start: tuple[str, str], limit: int = 10) -> list[str]:
            page = listing.list_uploads(conn, one, prefix=prefix, delimiter="", start=start, limit=limit)
            return [row[1] for row in page.rows]

        assert listed("", ("", listing.BEFORE_UPLOADS)) == [begun[2], *of_b, begun[1]]
        assert listed("b", ("", listing.BEFORE_UPLOADS)) == of_b
        assert listed("", ("b", of_b[0])) == [of_b[1], begun[1]]
        assert listed("", ("a", begun[2]), limit=2) == of_b

    await database.write(steps)


async def test_a_removal_is_noted_for_the_uploads_of_its_key_alone(database: Database) -> None:
    def steps(conn: Connection) -> None:
        owner, one, two = make(conn)
        places = [(one, "key", -5), (one, "key", -6), (one, "other", -5), (two, "key", -5)]
        begun = [(*place, begin(conn, owner, *place)) for place in places]
        uploads.note_removal(conn, one, "key", -5)
        noted = [uploads.find(conn, bucket_id, key, upload_id).key_sequence for bucket_id, key, _, upload_id in begun]
        assert noted == [VERSION_REMOVED, -6, -5, -5]

    await database.write(steps)


async def test_a_bucket_goes_with_what_is_its_own_alone(database: Database) -> None:
    def steps(conn: Connection) -> None:
        owner, one, two = make(conn)
        theirs = begin(conn, owner, two)
        begin(conn, owner, one)
        for bucket_id in (one, two):
            assert not client_tokens.was_done(conn, bucket_id, "token", client_tokens.digest_of({"a": 1}))
        configurations.set_versioning(of_bucket(conn, two), "Enabled")
        new = NewObject("key", 1, "", owner)
        objects.put(of_key(conn, two), new, lambda conn: contents.insert(conn, inline(b"a")))
        assert uploads.delete_bucket(of_bucket(conn, one))
        assert buckets.find(conn, "one") is None
        bucket = buckets.find(conn, "two")
        assert bucket is not None and bucket.versioning == "Enabled"
        assert uploads.find(conn, two, "key", theirs).upload_id == theirs
        assert client_tokens.was_done(conn, two, "token", client_tokens.digest_of({"a": 1}))
        assert configurations.find(conn, two, "OwnershipControls") is not None
        with pytest.raises(BucketNotEmpty):
            uploads.delete_bucket(of_bucket(conn, two))
        assert uploads.find(conn, two, "key", theirs).upload_id == theirs

    await database.write(steps)


async def test_a_bucket_is_configured_and_given_away_by_itself(database: Database) -> None:
    def steps(conn: Connection) -> None:
        owner, one, two = make(conn)
        other = identities.create_user(conn, name="other").id
        configurations.set_owner(of_bucket(conn, one), other)
        assert [getattr(buckets.find(conn, name), "owner_id", None) for name in ("one", "two")] == [other, owner]
        configurations.set_versioning(of_bucket(conn, one), "Suspended")
        assert [buckets.lock_shared(conn, bucket_id).versioning for bucket_id in (one, two)] == ["Suspended", ""]
        for bucket_id in (one, two):
            for kind in ("Tagging", "PublicAccessBlock"):
                configurations.put(of_bucket(conn, bucket_id), kind, [bucket_id, kind])
        configurations.put(of_bucket(conn, one), "Tagging", "new")
        configurations.remove(of_bucket(conn, one), "PublicAccessBlock")
        assert [configurations.find(conn, one, kind) for kind in ("Tagging", "PublicAccessBlock")] == ["new", None]
        assert configurations.find(conn, two, "Tagging") == [two, "Tagging"]
        assert configurations.find(conn, two, "PublicAccessBlock") == [two, "PublicAccessBlock"]

    await database.write(steps)


async def test_a_client_token_is_that_of_its_bucket_and_request_alone(database: Database) -> None:
    def steps(conn: Connection) -> None:
        _, one, two = make(conn)
        assert not client_tokens.was_done(conn, one, "token", client_tokens.digest_of({"a": 1, "b": 2}))
        assert client_tokens.was_done(conn, one, "token", client_tokens.digest_of({"b": 2, "a": 1}))
        assert not client_tokens.was_done(conn, one, "another", client_tokens.digest_of({"a": 1}))
        assert not client_tokens.was_done(conn, two, "token", client_tokens.digest_of({"a": 3}))
        with pytest.raises(IdempotencyParameterMismatch):
            client_tokens.was_done(conn, one, "token", client_tokens.digest_of({"a": 3}))

    await database.write(steps)


async def test_a_user_and_a_key_are_changed_and_deleted_by_themselves(database: Database) -> None:
    def steps(conn: Connection) -> None:
        make(conn)
        for name in ("alice", "bob"):
            identities.create_user(conn, name=name)
            for number in (1, 2):
                identities.create_key(conn, user=name, access_key_id=f"{name}{number}", sealed_secret=b"s")
        identities.set_user_enabled(conn, "alice", False)
        assert [user.is_enabled for user in identities.list_users(conn)] == [False, True, True]
        identities.update_key(conn, "alice1", is_enabled=False)
        assert [key.is_enabled for key in identities.list_keys(conn)] == [False, True, True, True]
        identities.delete_key(conn, "bob1")
        deleted_users.delete_now(conn, COMMAND_LINE, "alice")  # though another owns buckets
        assert [key.access_key_id for key in identities.list_keys(conn)] == ["bob2"]
        assert [user.name for user in identities.list_users(conn)] == ["bob", "owner"]
        with pytest.raises(IdentityError):
            deleted_users.delete_now(conn, COMMAND_LINE, "owner")

    await database.write(steps)
