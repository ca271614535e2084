"""SQL of virus scanning, where objects are many."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, text

from s3gw.metadata import scans
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.scans import CLEAN, INFECTED
from s3gw.metadata.schema import scanned_objects
from tests.metadata.test_jobs import plan_of

pytestmark = pytest.mark.anyio
DIGEST = b"\x01" * 32


async def test_of_a_content_that_many_objects_have_those_to_be_told_are_found_without_looking_at_the_others(
    database: Database,
) -> None:
    """An empty file is there a million times, and with each new one it is looked who is to be told."""

    def steps(conn: Connection) -> None:
        place = {"bucket_id": 1, "version_id": "null", "digest": DIGEST, "content_id": 1}
        rows = [place | {"key": f"{number:05}", "told": CLEAN} for number in range(5000)]
        conn.execute(insert(scanned_objects).values(place | {"key": "new", "told": None}))
        others = [place | {"key": f"z{number}", "told": CLEAN, "digest": number.to_bytes(32)} for number in range(2000)]
        conn.execute(insert(scanned_objects), rows + others)
        conn.execute(text("ANALYZE"))
        assert [found.key for found in scans.untold_objects(conn, DIGEST, CLEAN, 25)] == ["new"]
        assert len(scans.untold_objects(conn, DIGEST, INFECTED, 25)) == 25
        for prepared in (scans._never_told, scans._told_else[CLEAN]):
            sql = prepared.form(conn.dialect).sql
            if conn.dialect == "sqlite":
                found = plan_of(conn, sql.replace("?", "1"))
            else:
                digest = "'\\x" + DIGEST.hex() + "'"
                found = plan_of(conn, sql.replace("$1", digest).replace("$2", "25"))
            assert "ix_scanned_objects_told" in found, found

    await database.write(steps)
