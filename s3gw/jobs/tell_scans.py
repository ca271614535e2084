"""Tells what the virus scanner found: an event for each object that has the content, and what was kept in case it were
infected goes when it is clean.
"""

from __future__ import annotations

from s3gw.metadata import objects, outbox, scans, trash
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection, Database, now
from s3gw.metadata.objects import ObjectVersion
from s3gw.metadata.outbox import ChangedObject, Noted
from s3gw.metadata.scans import CLEAN, INFECTED, RELEASED, State

_STEP = 25  # objects of one transaction
_JOB = Actor("", "", "job")


async def tell(database: Database, digest: bytes, state: State) -> None:
    while await database.write(_tell, digest, state) == _STEP:
        pass


async def tell_all(database: Database) -> None:
    """What somebody found and had no time to tell."""
    while found := await database.read(scans.untold, _STEP):
        for digest, state in found:
            await tell(database, digest, state)


def _tell(conn: Connection, digest: bytes, state: State) -> int:
    """The next objects; how many. Nothing is told that isn't so any more."""
    if scans.lock(conn, digest) != state:
        return 0
    found = scans.untold_objects(conn, digest, state, _STEP)
    for each in found:
        version = objects.find(conn, each.bucket_id, each.key, each.version_id)
        if version is not None and version.content_id == each.content_id:  # else the reader will find what is there
            _tell_one(conn, version, state)
        scans.set_object_told(conn, each, state)
    if len(found) < _STEP:
        scans.set_told(conn, digest, state)
    return len(found)


def _tell_one(conn: Connection, version: ObjectVersion, state: State) -> None:
    told: list[Noted] = []
    if state in (CLEAN, INFECTED):
        fields = version.key, version.version_id, version.file_id, version.size, version.etag
        told.append(Noted(ChangedObject("scanned", *fields)))
    if state in (CLEAN, RELEASED) and version.is_current:
        told += trash.settle_overwritten(conn, version.bucket_id, version.key, version.file_id)
    if told:
        outbox.write(conn, version.bucket_id, now(conn), f"Scan{state.capitalize()}", _JOB, told, True)
