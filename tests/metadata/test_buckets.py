"""Buckets that others create, delete or own meanwhile, and their lists."""

from __future__ import annotations

from typing import Any

import pytest

from s3gw.errors import BucketAlreadyExists, BucketAlreadyOwnedByYou, NoSuchBucket
from s3gw.metadata import buckets, configurations, identities, uploads
from s3gw.metadata.change import Change
from s3gw.metadata.database import Connection, Database
from tests.metadata.changes import of_bucket

pytestmark = pytest.mark.anyio


def _create(conn: Connection, owner_id: str, *names: str, **more: Any) -> list[int]:
    common: dict[str, Any] = {"owner_id": owner_id, "region": "r", "defaults": "aws", "now": 1} | more
    return [buckets.create(conn, name=name, **common) for name in names]


async def test_a_bucket_that_was_deleted_meanwhile_is_neither_written_nor_configured(database: Database) -> None:
    """Between finding it and the transaction that changes it there is time for another request."""

    def steps(conn: Connection) -> None:
        owner = identities.create_user(conn, name="owner").id
        (bucket_id,) = _create(conn, owner, "bucket")
        assert uploads.delete_bucket(of_bucket(conn, bucket_id))
        late: list[tuple[Any, ...]] = [
            (Change.lock_bucket,),
            (configurations.set_versioning, "Enabled"),
            (configurations.set_owner, owner),
            (configurations.put, "Tagging", []),
            (configurations.remove, "Tagging"),
            (uploads.delete_bucket,),
        ]
        for write, *arguments in late:
            with pytest.raises(NoSuchBucket):
                write(of_bucket(conn, bucket_id), *arguments)
        assert configurations.find(conn, bucket_id, "Tagging") is None
        assert buckets.owner_of_objects(conn, bucket_id) is None

    await database.write(steps)


async def test_a_name_that_is_taken_is_told_apart_by_who_has_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps(conn: Connection) -> tuple[str, str]:
        owner, other = (identities.create_user(conn, name=name).id for name in ("owner", "other"))
        _create(conn, owner, "bucket")
        with pytest.raises(BucketAlreadyOwnedByYou):
            _create(conn, owner, "bucket")
        with pytest.raises(BucketAlreadyExists):
            _create(conn, other, "bucket")
        return owner, other

    _, other = await database.write(steps)
    # Stands for one that another node creates between the question and the INSERT.
    monkeypatch.setattr(buckets, "find", lambda conn, name: None)
    with pytest.raises(BucketAlreadyExists):
        await database.write(_create, other, "bucket")


async def test_buckets_are_listed_by_owner_prefix_and_place(database: Database) -> None:
    def steps(conn: Connection) -> None:
        owner, other = (identities.create_user(conn, name=name).id for name in ("owner", "other"))
        _create(conn, owner, "ab", "c", "a", "a-1", "b")
        _create(conn, other, "aa")

        def names(*arguments: Any, **more: Any) -> list[str]:
            return [bucket.name for bucket in buckets.list_all(conn, *arguments, **more)]

        assert names() == ["a", "a-1", "aa", "ab", "b", "c"]
        assert names(owner) == ["a", "a-1", "ab", "b", "c"]
        assert names(other) == ["aa"]
        assert names(owner, prefix="a") == ["a", "a-1", "ab"]
        assert names(owner, prefix="b", after="a") == ["b"]
        assert names(owner, after="a-1") == ["ab", "b", "c"]
        assert names(owner, after="a", limit=2) == ["a-1", "ab"]

    await database.write(steps)
