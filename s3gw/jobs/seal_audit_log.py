"""Seals the audit log, at most two seconds behind: gives new lines their places in the chain.

Not a row of the table of jobs: a job that ran each half second would commit four times a second where nothing is to be
done, and this one only reads then. Of several machines' sealers one works at a time: the others wait for the row of the
chain's head (metadata/audit_seals.py), which nobody who writes a line needs.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from s3gw import kept_head
from s3gw.auth.audit_key import audit_key_in
from s3gw.auth.key_file import open_keyring
from s3gw.auth.master_key import Keyring, MasterKeyError
from s3gw.metadata import audit_seals, refused_logins
from s3gw.metadata.audit_seals import Checkpoint, Tampered
from s3gw.metadata.database import Connection, Database, DatabaseUnavailable

if TYPE_CHECKING:
    from s3gw.storage import Storage

PAUSE = 0.5  # seconds
_BATCH = 200  # lines of one transaction
_logger = logging.getLogger("s3gw.jobs")


async def keep_sealed(services: Storage) -> None:
    """Run until cancelled. What keeps it from sealing, or from keeping the head, is told once."""
    told, kept = "", None
    while True:
        try:
            if await services.database.read(_is_behind):
                await seal_all(services.database, open_keyring(services.settings))
            kept = await _keep_head(services, kept)
            told = ""
        except (DatabaseUnavailable, MasterKeyError, Tampered, OSError) as error:
            if told != str(error):
                _logger.warning("the audit log can't be sealed, or its head kept: %s", error)
            told = str(error)
        await asyncio.sleep(PAUSE)


async def _keep_head(services: Storage, last: Checkpoint | None) -> Checkpoint | None:
    """In the file of this machine, unless the log doesn't go on from what is there: then that stays, for `verify`."""
    head = (await services.database.read(audit_seals.checkpoints)).get("head")
    if head is None or head == last:
        return last
    file, keys = kept_head.file_of(services.settings), open_keyring(services.settings)
    before = await asyncio.to_thread(kept_head.read, file)
    if before is not None:
        await services.database.read(kept_head.require_goes_on, keys, before)
    now = await services.database.read(kept_head.of_now, keys)
    if now is not None:
        await asyncio.to_thread(kept_head.write, file, now)
    return head


def _is_behind(conn: Connection) -> bool:
    return audit_seals.any_unsealed(conn) or refused_logins.any_over(conn)


async def seal_all(database: Database, keys: Keyring) -> None:
    """All lines that there are. Refused logins that were only counted get theirs first."""
    while await database.read(refused_logins.any_over):
        await database.write(refused_logins.write_lines, _BATCH)
    while await database.read(audit_seals.any_unsealed):
        await database.write(_seal, keys)


def _seal(conn: Connection, keys: Keyring) -> int:
    """Under the key that counts just now: another one may take its place between two batches."""
    return audit_seals.seal(conn, audit_key_in(conn, keys), _BATCH)
