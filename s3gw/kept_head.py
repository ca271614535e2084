"""The head of the audit log as this machine saw it last, in a file of the data folder: no database takes it back.

Who can write to the database, but not to this folder, may remove lines, seals and checkpoints, or put back an older
state of all of them: then the log doesn't go on from what the file says. It is sealed like a checkpoint, so nobody
makes one without the master key. Who may write to the folder can remove it: then it is as on a machine that is new.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from typing import TYPE_CHECKING, NamedTuple

from s3gw.auth.audit_key import audit_key
from s3gw.auth.master_key import Keyring
from s3gw.metadata import audit_seals, master_keys
from s3gw.metadata.audit_chain import Place, parse_place, seal_of
from s3gw.metadata.audit_seals import Tampered
from s3gw.metadata.database import Connection

if TYPE_CHECKING:
    from pathlib import Path

    from s3gw.config import Settings

FILE = "audit.head"
_NONE = "-"
_TEXT = re.compile(r"(?P<place>\S+) (?P<key_id>[0-9a-f]+|-) (?P<seal>[0-9a-f]{64})\n?", re.ASCII)


class Kept(NamedTuple):
    """`key_id` is that of the master key under which the log was sealed then; "-" before one was noted."""

    place: Place
    key_id: str
    seal: bytes

    def is_genuine(self, key: bytes) -> bool:
        return hmac.compare_digest(self.seal, seal_of(key, "kept", self.place, 0))


def file_of(settings: Settings) -> Path:
    return settings.data / FILE


def read(file: Path) -> Kept | None:
    """None where there is none. Raises Tampered for what no server wrote, and OSError."""
    try:
        text = file.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return None
    found = _TEXT.fullmatch(text)
    try:
        if found is not None:
            return Kept(parse_place(found["place"]), found["key_id"], bytes.fromhex(found["seal"]))
    except ValueError:
        pass
    raise Tampered(f"{file} isn't what a server has kept there")


def write(file: Path, kept: Kept) -> None:
    """As a whole: a crash leaves the one before. Raises OSError."""
    scratch = file.with_name(f".{file.name}.{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as opened:
            opened.write(f"{kept.place} {kept.key_id} {kept.seal.hex()}\n")
            opened.flush()
            os.fsync(descriptor)
        scratch.rename(file)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def of_now(conn: Connection, keys: Keyring) -> Kept | None:
    """The head as it is, to be kept; None before anything was sealed. Raises Tampered, MasterKeyError."""
    key_id, noted = master_keys.current(conn), audit_seals.checkpoints(conn).get("head")
    if noted is None:
        return None
    key = audit_key(keys.key(key_id))
    if not noted.is_genuine(key, "head"):
        raise Tampered("the head of the audit log isn't what was noted under this master key")
    return Kept(noted.place, key_id or _NONE, seal_of(key, "kept", noted.place, 0))


def require_goes_on(conn: Connection, keys: Keyring, kept: Kept) -> None:
    """Whether the log has what was kept, as far as one statement tells. Raises Tampered.

    Under another master key all seals are others: then only how far the log went is compared.
    """
    key_id, position = master_keys.current(conn), kept.place.position
    found = audit_seals.sealed_after(conn, position - 1, 1)
    noted = found.checkpoints
    if "head" not in noted or noted["head"].place.position < position:
        raise Tampered(f"the audit log had {position} lines before, and has fewer now")
    if kept.key_id != (key_id or _NONE):
        return
    if not kept.is_genuine(audit_key(keys.key(key_id))):
        raise Tampered("the head that was kept isn't sealed under this master key")
    if position > (noted["start"].place.position if "start" in noted else 0):
        there = [Place(line.position or 0, line.mac) for line in found.lines]
        if there != [kept.place]:
            raise Tampered("another line is where the audit log ended before")
