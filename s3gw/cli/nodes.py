"""`s3gw nodes`: which processes are there, on which machines, since when, how busy, and what the reaper has."""

from __future__ import annotations

import sys

from s3gw.accounts import nodes as nodes_of
from s3gw.cli.command import Data, DatabaseUrl, Json, group, session, show

app = group()


@app.command()
def nodes(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Print the processes that live, as the database knows them, and how much waits for the reaper.

    One that wasn't heard of for a minute is about to be taken for dead. What holds epochs is a read that is still open.
    Load is as of when a process was heard last; of an older program version, load and clock aren't known.
    """
    with session(data, database_url, as_json) as metadata:
        look = metadata.read(nodes_of.page)
        if as_json:
            show({"processes": look.processes, "released": look.released}, as_json)
            return
        show(look.processes, as_json)
        waiting = look.released
        print(
            f"The reaper has {waiting['contents']} contents and {waiting['blobs']} chunks before it.", file=sys.stderr
        )
