"""Times and owners of versions, where requests would need other clocks and settings."""

from __future__ import annotations

from functools import partial

import pytest

from s3gw.metadata import buckets, configurations, contents, identities, listing, objects, read_objects, schema
from s3gw.metadata.contents import CorruptContent, inline
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.objects import NewObject, Stored
from tests.metadata.changes import of_bucket, of_key
from tests.metadata.test_listing import fill

pytestmark = pytest.mark.anyio


async def test_no_version_is_older_than_the_one_below_it(database: Database) -> None:
    """Nodes take turns at the database's clock, which may be set back between them."""

    def put_with_a_clock_set_back(conn: Connection) -> list[Stored]:
        fill(conn, [])
        configurations.set_versioning(of_bucket(conn, 1), "Enabled")
        change, place = of_key(conn, 1), partial(contents.insert, new=inline(b""))
        new = NewObject("key", 0, "", "u")
        return [
            objects.put(change, new, place, clock=lambda conn: 2000),
            objects.put(change, new, place, clock=lambda conn: 1000),
            objects.delete_latest(change, "key", clock=lambda conn: 500),
            objects.put(change, new, place, clock=lambda conn: 3000),
        ]

    stored = await database.write(put_with_a_clock_set_back)
    assert [each.last_modified for each in stored] == [2000, 2000, 2000, 3000]


@pytest.mark.parametrize("defaults", ["aws", "classic"])
async def test_an_object_belongs_to_the_owner_of_its_bucket_or_to_its_writer(database: Database, defaults: str) -> None:
    def listed(conn: Connection) -> tuple[dict[str, tuple[str, str]], tuple[str, str]]:
        alice, writer = (identities.create_user(conn, name=name) for name in ("alice", "writer"))
        bucket_id = buckets.create(conn, name=f"of-{defaults}", owner_id=alice.id, region="r", defaults=defaults, now=0)
        found = listing.object_owners(conn, bucket_id, {writer.id, "deleted"})
        expected = alice if defaults == "aws" else writer
        assert found[writer.id] == (expected.canonical_id, expected.display_name)
        return found, (alice.canonical_id, alice.display_name)

    found, owner = await database.write(listed)
    assert found.get("deleted") == (owner if defaults == "aws" else None)


async def test_a_version_id_with_other_random_bytes_finds_deletes_and_tags_nothing(database: Database) -> None:
    """The sequence alone, which its time tells, doesn't make an id: who guesses it has no version."""

    def ask_for_another(conn: Connection) -> None:
        fill(conn, [])
        configurations.set_versioning(of_bucket(conn, 1), "Enabled")
        new = NewObject("key", 3, "", "u")
        version_id = objects.put(of_key(conn, 1), new, partial(contents.insert, new=inline(b"abc"))).version_id
        stored = objects.find(conn, 1, "key", version_id)
        assert stored is not None and stored.version_id == version_id
        other = objects.new_version_id(stored.sequence)
        assert objects.find(conn, 1, "key", other) is None
        assert read_objects.find_with_content(conn, 1, "key", other) == (None, None)
        assert objects.set_tags(of_key(conn, 1), "key", other, "{}") is None
        objects.delete_version(of_key(conn, 1), "key", other)
        assert objects.find(conn, 1, "key", version_id) == stored

    await database.write(ask_for_another)


async def test_an_object_whose_content_is_gone_is_corrupt(database: Database) -> None:
    def lose_it(conn: Connection) -> None:
        fill(conn, [])
        place = partial(contents.insert, new=inline(b"abc"))
        objects.put(of_key(conn, 1), NewObject("key", 3, "", "u"), place)
        conn.execute(schema.contents.delete())
        with pytest.raises(CorruptContent, match="missing"):
            read_objects.find_with_content(conn, 1, "key")

    await database.write(lose_it)


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("told", [2, 4])
async def test_a_content_of_another_size_than_its_object_tells_is_corrupt(
    database: Database, by_id: bool, told: int
) -> None:
    """Each row is whole in itself, as after a write that went to the wrong row."""

    def find(conn: Connection) -> None:
        fill(conn, [])
        configurations.set_versioning(of_bucket(conn, 1), "Enabled")
        new = NewObject("key", told, "", "u")
        stored = objects.put(of_key(conn, 1), new, partial(contents.insert, new=inline(b"abc")))
        read_objects.find_with_content(conn, 1, "key", stored.version_id if by_id else None)

    with pytest.raises(CorruptContent, match=f"has 3 bytes, its object {told}"):
        await database.write(find)
