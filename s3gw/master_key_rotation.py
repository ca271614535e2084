"""Another master key takes the place of the one that counts, while servers run.

Each step is durable before the next begins, and a repeat goes on where one ended, however it did: the new key is put
into the file beside the old one; in one transaction it counts, and the audit log is sealed under it; what is sealed
under others is sealed anew, in batches; the old keys leave the file when nothing is.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from s3gw.auth import key_file
from s3gw.auth.audit_key import audit_key
from s3gw.auth.credentials import Credentials
from s3gw.auth.master_key import Keyring, MasterKeyError, key_id
from s3gw.metadata import audit, audit_seals, master_keys, processes
from s3gw.metadata.database import Connection, Database

if TYPE_CHECKING:
    from s3gw.config import Settings

_BATCH = 500
_SILENCE = 60_000_000  # microseconds after which a process of another machine is taken for gone


class Step(NamedTuple):
    """What has been done, durably. `key_id` is the new key's, `values` how many were sealed anew."""

    name: str  # added | counts | sealed | removed
    key_id: str
    values: int = 0


async def add(database: Database, settings: Settings) -> str:
    """Put a new key into the file, first, and give its id: the next rotation uses it. Raises MasterKeyError."""
    file = _file(settings)
    with key_file.locked(file):
        keys, counts = key_file.read_keys(file), await _that_counts(database, settings)
        if key_id(keys[0]).hex() != counts:
            raise MasterKeyError(f"a new key is in {file} already: `s3gw master-key rotate` goes on with it")
        return await _add(database, file, keys)


async def rotate(database: Database, settings: Settings) -> AsyncIterator[Step]:
    """Each step after it was taken; a rotation that was begun is finished. Raises MasterKeyError, Tampered."""
    file = key_file.path_of(settings)
    with nullcontext() if file is None else key_file.locked(file):
        keyring, old = key_file.open_keyring(settings), await _that_counts(database, settings)
        keys = list(keyring.known().values())
        new = keyring.first
        if new == old and len(keys) == 1:
            if file is None:
                raise MasterKeyError(
                    "the master key is in S3GW_MASTER_KEY: set that to NEW,OLD on every machine, restart the servers,"
                    " and then rotate; `openssl rand -base64 32` makes a new one"
                )
            await _refuse_others(database, file)
            new = await _add(database, file, keys)
            yield Step("added", new)
            keyring.learn()
        if new != old:
            await database.write(_let_count, keyring, old, new)
            yield Step("counts", new)
        yield Step("sealed", new, await _seal_anew(database, Credentials(keyring), new))
        if await database.read(master_keys.count_under_others, new):
            raise MasterKeyError("something was sealed under another key meanwhile: rotate again to finish")
        if file is not None and len(keyring.known()) > 1:
            key_file.replace_keys(file, [keyring.key(new)])
            yield Step("removed", new)


async def _that_counts(database: Database, settings: Settings) -> str:
    """Raises MasterKeyError where it isn't one of ours."""
    counts = await database.read(master_keys.current)
    if counts is None:
        raise MasterKeyError("no server has noted which master key counts: start it once")
    key_file.open_keyring(settings).key(counts)
    return counts


async def _add(database: Database, file: Path, keys: Sequence[bytes]) -> str:
    key = key_file.new_key()
    key_file.replace_keys(file, [key, *keys])
    new = key_id(key).hex()
    known = [key_id(key).hex() for key in keys]
    told = ({"keys": known}, {"keys": [new, *known]})
    await database.write(audit.record, audit.COMMAND_LINE, "master_key.add", "master_key", new, *told)
    return new


async def _refuse_others(database: Database, file: Path) -> None:
    """Other machines have files of their own, and would read nothing that is sealed under a key that they haven't."""
    others = await database.read(processes.hosts_but, socket.gethostname(), _SILENCE)
    if others:
        raise MasterKeyError(
            f"other machines serve this database too ({', '.join(others)}): `s3gw master-key add`, copy {file} to them,"
            " and then rotate"
        )


def _let_count(conn: Connection, keys: Keyring, old: str, new: str) -> None:
    """The audit log has one key, so it is sealed under the new one in the same transaction. The heads that were kept
    elsewhere end with that: the log's line has the head before and after.
    """
    if not master_keys.replace(conn, old, new):
        raise MasterKeyError("another command has replaced the master key meanwhile: see `s3gw master-key list`")
    before = head_of_log(conn)
    audit_seals.rekey(conn, audit_key(keys.key(old)), audit_key(keys.key(new)))
    after = head_of_log(conn)
    told = ({"key": key, "audit_head": head} for key, head in ((old, before), (new, after)))
    audit.record(conn, audit.COMMAND_LINE, "master_key.rotate", "master_key", new, *told)


def head_of_log(conn: Connection) -> str | None:
    """As `s3gw audit head` prints it."""
    noted = audit_seals.checkpoints(conn).get("head")
    return None if noted is None else str(noted.place)


async def _seal_anew(database: Database, credentials: Credentials, new: str) -> int:
    """Raises MasterKeyError for what none of our keys opens; it stays as it is, and the old keys in the file."""
    count = 0
    for column in master_keys.SEALED:
        while done := await database.write(_seal_batch, credentials, column, new):
            count += done
    return count


def _seal_batch(conn: Connection, credentials: Credentials, column: master_keys.SealedColumn, new: str) -> int:
    found = master_keys.under_others(conn, column, new, _BATCH)
    for value in found:
        name = column.bound_to(value.id)
        master_keys.put(conn, column, value, credentials.seal(name, credentials.open(name, value.sealed).secret, new))
    return len(found)


def _file(settings: Settings) -> Path:
    file = key_file.path_of(settings)
    if file is None:
        raise MasterKeyError("the master key is in S3GW_MASTER_KEY, not in a file: add the new one there, first")
    return file
