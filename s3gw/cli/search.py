"""`s3gw search`: the index that finds files by words of their paths, tags and metadata."""

from __future__ import annotations

from s3gw.cli.command import Data, DatabaseUrl, Json, group, session, show
from s3gw.cli.job import describe
from s3gw.metadata import jobs
from s3gw.metadata.database import Connection

app = group()
_REBUILD = "rebuild_search"


@app.callback()
def _search() -> None:
    """A group, though it has one command yet."""


@app.command()
def rebuild(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Build the index anew, by a job that `job show` tells of; files are found meanwhile as the index has them."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.write(_rebuild)), as_json)


def _rebuild(conn: Connection) -> jobs.Job:
    """The one that is on already, if there is one."""
    number = jobs.enqueue(conn, _REBUILD, None, singleton=_REBUILD)
    return jobs.of_singleton(conn, _REBUILD) if number is None else jobs.get(conn, number)
