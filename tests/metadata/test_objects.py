"""Times and owners of versions, where requests would need other clocks and settings."""

from __future__ import annotations

from functools import partial

import pytest

from s3gw.metadata import buckets, contents, identities, listing, objects
from s3gw.metadata.contents import inline
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.objects import NewObject, Stored
from tests.metadata.test_listing import fill

pytestmark = pytest.mark.anyio


async def test_no_version_is_older_than_the_one_below_it(database: Database) -> None:
    """Nodes take turns at the database's clock, which may be set back between them."""

    def put_with_a_clock_set_back(conn: Connection) -> list[Stored]:
        fill(conn, [])
        buckets.set_versioning(conn, 1, "Enabled")
        place = partial(contents.insert, new=inline(b""))
        new = NewObject(1, "key", 0, "", "u")
        return [
            objects.put(conn, new, place, clock=lambda conn: 2000),
            objects.put(conn, new, place, clock=lambda conn: 1000),
            objects.delete_latest(conn, 1, "key", "u", clock=lambda conn: 500),
            objects.put(conn, new, place, clock=lambda conn: 3000),
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
