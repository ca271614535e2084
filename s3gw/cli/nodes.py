"""`s3gw nodes`: which processes are there, on which machines, since when, and what the reaper has before it."""

from __future__ import annotations

import sys
from typing import Any

from s3gw.cli.command import Data, DatabaseUrl, Json, group, session, show
from s3gw.metadata import measures, processes
from s3gw.metadata.database import Connection

app = group()


@app.command()
def nodes(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Print the processes that live, as the database knows them, and how much waits for the reaper.

    One that wasn't heard of for a minute is about to be taken for dead. What holds epochs is a read that is still open.
    """
    with session(data, database_url, as_json) as metadata:
        found = metadata.read(_look)
        if as_json:
            show(found, as_json)
            return
        show(found["processes"], as_json)
        waiting = found["released"]
        print(
            f"The reaper has {waiting['contents']} contents and {waiting['blobs']} chunks before it.", file=sys.stderr
        )


def _look(conn: Connection) -> dict[str, Any]:
    return {"processes": processes.seen(conn), "released": measures.released(conn)}
