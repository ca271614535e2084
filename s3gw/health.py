"""Whether this process can serve: what load balancers, monitors and the JSON API are told of database and disks."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import NamedTuple

from s3gw.content.store import BlobStore
from s3gw.disks.faults import is_full, write_fault
from s3gw.disks.room import Room
from s3gw.errors import InsufficientStorage
from s3gw.metadata import scans
from s3gw.metadata.database import Database, DatabaseFull, DatabaseReadOnly, DatabaseUnavailable
from s3gw.metadata.readiness import ping
from s3gw.process_identity import ProcessIdentity

_PATIENCE = 5.0  # seconds that the database, or a store in the network, has to answer
OK, FAILED, FULL, READ_ONLY, DEAD, TOO_OLD = "ok", "failed", "full", "read-only", "dead", "too old"
DIFFERS, WRONG = "differs", "wrong"


class Health(NamedTuple):
    """Each ok or why not: database, reading and scanning are failed, writing may be full or read-only too. A virus
    scanner that can't be asked keeps nothing from being served that needn't wait for it. The node is dead for others
    while it is about to start again under another name, or too old for the database's schema. Its clock differs from
    the database's, or is wrong where another machine's doesn't: then it would refuse every signature.
    """

    database: str
    reading: str
    writing: str
    scanning: str = OK
    node: str = OK
    clock: str = OK

    @property
    def serves(self) -> bool:
        """Who can't write is still to be asked: a load balancer that left it would keep everybody from reading, and
        from the deletes that a full disk needs.
        """
        return self.database == self.reading == self.node == OK and self.clock != WRONG


async def health_of(database: Database, store: BlobStore, blobs: Path, room: Room, identity: ProcessIdentity) -> Health:
    answers, scanning = await _database_answers(database)
    reading, writing = await _reading(store), await writing_of(database, blobs, room, identity)
    return Health(answers, reading, writing, scanning, _node(identity), _clock(identity))


def _node(identity: ProcessIdentity) -> str:
    if not identity.numbers.is_ended:
        return OK
    return TOO_OLD if identity.numbers.is_too_old else DEAD


def _clock(identity: ProcessIdentity) -> str:
    if identity.clock.is_wrong:
        return WRONG
    return DIFFERS if identity.clock.differs else OK


async def writing_of(database: Database, blobs: Path, room: Room, identity: ProcessIdentity) -> str:
    """Whether this process may write, the disks have room, a page can be written among the blobs, and the last
    transaction was committed.
    """
    state = await asyncio.to_thread(_writing, database, blobs, room)
    return state if state != OK or identity.numbers.lasts else FAILED


async def _database_answers(database: Database) -> tuple[str, str]:
    """And whether the virus scanner did when it was last asked."""
    try:
        async with asyncio.timeout(_PATIENCE):
            if not await database.read(ping):
                return FAILED, OK
            return OK, OK if await database.read(scans.remembered, "failing") is None else FAILED
    except (DatabaseUnavailable, TimeoutError):
        return FAILED, OK


async def _reading(store: BlobStore) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            return OK if await asyncio.to_thread(store.answers) else FAILED
    except TimeoutError:
        return FAILED


def _writing(database: Database, blobs: Path, room: Room) -> str:
    if database.is_read_only:
        return READ_ONLY
    refusal = room.refusal()
    if refusal is not None:
        return FULL if isinstance(refusal, InsufficientStorage) else READ_ONLY
    lost = database.write_fault()
    if lost is not None:
        return {DatabaseFull: FULL, DatabaseReadOnly: READ_ONLY}.get(type(lost), FAILED)
    fault = write_fault(blobs)
    if fault is None:
        return OK
    return FULL if is_full(fault) else READ_ONLY if fault.errno == errno.EROFS else FAILED
