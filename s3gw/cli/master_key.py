"""`s3gw master-key`: which keys there are, and how another takes the place of the one that counts."""

from __future__ import annotations

from typing import Any

from s3gw import master_key_rotation
from s3gw.auth.key_file import open_keyring
from s3gw.cli.command import Data, DatabaseUrl, Json, group, session, show
from s3gw.metadata import master_keys
from s3gw.metadata.database import Connection

app = group()


@app.command("list")
def list_(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List the ids of the master keys: in the file or the setting, and which of them counts."""
    with session(data, database_url, as_json) as metadata:
        known = [key.hex() for key in open_keyring(metadata.settings).known()]
        counts, others = metadata.read(_state)
        ids = dict.fromkeys([*known, *([counts] if counts else [])])
        rows = [{"key": key, "counts": key == counts, "is_known": key in known} for key in ids]
        show(rows if not as_json else {"keys": rows, "sealed_under_others": others}, as_json)


@app.command()
def add(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Put a new master key into the file without using it yet: copy the file to the other machines, then rotate."""
    with session(data, database_url, as_json) as metadata:
        key = metadata.run(lambda database: master_key_rotation.add(database, metadata.settings))
        show({"key": key}, as_json)


@app.command()
def rotate(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Seal everything under a new master key while servers run: the one that was added, or one that is made.

    What it was interrupted in, a repeat finishes. Heads of the audit log that were kept elsewhere are replaced by the
    one that is printed.
    """
    with session(data, database_url, as_json) as metadata:
        show(metadata.run(lambda database: _rotate(database, metadata.settings)), as_json)


async def _rotate(database: Any, settings: Any) -> dict[str, Any]:
    steps = [step async for step in master_key_rotation.rotate(database, settings)]
    names = [step.name for step in steps]
    return {
        "key": steps[-1].key_id,
        "steps": names,
        "sealed": sum(step.values for step in steps),
        "audit_head": await database.read(master_key_rotation.head_of_log),
    }


def _state(conn: Connection) -> tuple[str | None, int]:
    counts = master_keys.current(conn)
    return counts, 0 if counts is None else master_keys.count_under_others(conn, counts)
