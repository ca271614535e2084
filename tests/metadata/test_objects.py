"""Times of versions: what requests can't show, because the clock of a test goes forward."""

from __future__ import annotations

from functools import partial

import pytest

from s3gw.metadata import buckets, contents, objects
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
