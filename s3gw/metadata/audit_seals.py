"""SQL of the seals of the audit log: giving lines their places in the chain, checking them, and removing old ones.

One sealer works at a time: it holds the row of the head until its commit, which nobody who writes a line needs. What
the head and the start say is sealed like a line, so a tail that was cut is missed, and removed old lines that no job
removed are too.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata.audit_chain import BEGINNING, Line, Place, following, mac_of, seal_of
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import audit_checkpoints, audit_log, settings

Name = Literal["start", "head"]
Checkpoints = dict[Name, "Checkpoint"]
_any_unsealed = Prepared(select(audit_log.c.id).where(audit_log.c.mac.is_(None)).limit(1))
_set_mac = update(audit_log).where(audit_log.c.id == bindparam("line")).values(mac=bindparam("sealed"))
_BEGUN = "audit_log"  # in `settings`, beside what it is about: whoever empties the log leaves it, or has to know of it
_begun = Prepared(select(settings.c.value).where(settings.c.name == _BEGUN))
HEADLESS = "the head of the audit log is missing, though something was sealed"
_STEP = 500
_lines = tuple(audit_log.c[name] for name in Line._fields)


class Tampered(Exception):
    """The chain isn't as it was sealed."""


class Checkpoint(NamedTuple):
    """A place in the chain. `at` is when it was noted."""

    place: Place
    at: int
    seal: bytes

    def is_genuine(self, key: bytes, name: Name) -> bool:
        return hmac.compare_digest(self.seal, seal_of(key, name, self.place, self.at))


class Sealed(NamedTuple):
    """A page of sealed lines, and the checkpoints that were there after it was read. `is_begun`: something was sealed
    at some time, so there has to be a head.
    """

    lines: Sequence[Line]
    checkpoints: Checkpoints
    is_begun: bool


def any_unsealed(conn: Connection) -> bool:
    """Only reads: most of the time there is nothing to seal."""
    return bool(_any_unsealed.all(conn))


def seal(conn: Connection, key: bytes, limit: int) -> int:
    """Give at most `limit` lines, by id, their places behind the head; how many. Raises Tampered where the head isn't
    one that was noted, or isn't the last place: sealing on would hide that.
    """
    _begin(conn, key)
    _lock_head(conn)
    place = _genuine(key, "head", checkpoints(conn)["head"]).place
    if _sealed_after(conn, place.position, 1):
        raise Tampered("the audit log goes on behind its head")
    unsealed = select(*_lines).where(audit_log.c.mac.is_(None)).order_by(audit_log.c.id).limit(limit)
    lines = [_line(row) for row in conn.execute(unsealed).all()]
    for line in lines:
        place = following(key, place, line)
        conn.execute(update(audit_log).where(audit_log.c.id == line.id).values(position=place.position, mac=place.mac))
    if lines:
        _note(conn, key, "head", place)
    return len(lines)


def _begin(conn: Connection, key: bytes) -> None:
    """Where nothing was sealed yet. A log that lost its head isn't begun anew: that would hide what it had."""
    was_begun = is_begun(conn)  # first: it is committed with the head
    if "head" not in checkpoints(conn):
        if was_begun:
            raise Tampered(HEADLESS)
        head = insert_on_conflict(audit_checkpoints).values(_row(key, "head", BEGINNING, 0))
        conn.execute(head.on_conflict_do_nothing())
    if not was_begun:
        conn.execute(insert_on_conflict(settings).values(name=_BEGUN, value="sealed").on_conflict_do_nothing())


def is_begun(conn: Connection) -> bool:
    return _begun.one_or_none(conn) is not None


def checkpoints(conn: Connection) -> Checkpoints:
    rows = conn.execute(select(audit_checkpoints)).all()
    return {row.name: Checkpoint(Place(row.position, bytes(row.mac)), row.at, bytes(row.seal)) for row in rows}


def sealed_after(conn: Connection, position: int, limit: int) -> Sealed:
    """The lines first: what is pruned between the two statements is told by the checkpoint."""
    lines = _sealed_after(conn, position, limit)
    was_begun = is_begun(conn)
    return Sealed(lines, checkpoints(conn), was_begun)


def prune(conn: Connection, key: bytes, before: int, limit: int) -> int:
    """Remove at most `limit` lines, from the start of the chain on, that are older than `before`, and note in their
    place up to where that was; how many. Raises Tampered, and removes nothing, where one isn't as it was sealed.
    """
    noted = checkpoints(conn)
    start = _genuine(key, "start", noted["start"]).place if "start" in noted else BEGINNING
    place, removed = start, 0
    for line in _sealed_after(conn, start.position, limit):
        if line.at >= before:
            break
        if line.position != place.position + 1 or not is_sealed_behind(key, place, line):
            raise Tampered(f"line {line.id} of the audit log isn't as it was sealed: `s3gw audit verify` says more")
        place, removed = Place(line.position, line.mac), removed + 1
    if removed:
        conn.execute(delete(audit_log).where(audit_log.c.position <= place.position))
        _note(conn, key, "start", place)
    return removed


def rekey(conn: Connection, old: bytes, new: bytes) -> int:
    """Seal the whole log under another key, in the transaction in which the master key is replaced; how many lines.
    What isn't as it was sealed under the old key keeps its seal, so it isn't under the new one either.
    """
    _lock_head(conn)
    noted, moved = checkpoints(conn), dict[bytes, bytes]()  # of the last line: its mac before and after
    start = noted["start"].place if "start" in noted else BEGINNING
    before, after, count = start, start, 0
    while lines := _sealed_after(conn, before.position, _STEP):
        macs = []
        for line in lines:
            is_genuine = line.position == before.position + 1 and is_sealed_behind(old, before, line)
            before = Place(line.position or 0, line.mac)
            after = following(new, after, line) if is_genuine else before
            moved = {before.mac: after.mac}
            macs.append({"line": line.id, "sealed": after.mac})
        conn.execute(_set_mac, macs)
        count += len(lines)
    for name, checkpoint in noted.items():
        if checkpoint.is_genuine(old, name):
            place = checkpoint.place
            row = _row(new, name, place._replace(mac=moved.get(place.mac, place.mac)), checkpoint.at)
            conn.execute(update(audit_checkpoints).where(audit_checkpoints.c.name == name).values(row))
    return count


def is_sealed_behind(key: bytes, place: Place, line: Line) -> bool:
    return hmac.compare_digest(mac_of(key, place.mac, line), line.mac)


def _lock_head(conn: Connection) -> None:
    """Other sealers wait until the end of the transaction."""
    conn.execute(select(audit_checkpoints.c.name).where(audit_checkpoints.c.name == "head").with_for_update())


def _sealed_after(conn: Connection, position: int, limit: int) -> list[Line]:
    behind = select(*_lines).where(audit_log.c.position > position).order_by(audit_log.c.position).limit(limit)
    return [_line(row) for row in conn.execute(behind).all()]


def _line(row: Row[Any]) -> Line:
    line = Line._make(row)
    return line._replace(mac=b"" if line.mac is None else bytes(line.mac))


def _genuine(key: bytes, name: Name, checkpoint: Checkpoint) -> Checkpoint:
    if not checkpoint.is_genuine(key, name):
        raise Tampered(f"the {name} of the audit log isn't what was noted under this master key")
    return checkpoint


def _note(conn: Connection, key: bytes, name: Name, place: Place) -> None:
    """In the row that is there, which the next sealer waits for."""
    row = _row(key, name, place, now(conn))
    if not conn.execute(update(audit_checkpoints).where(audit_checkpoints.c.name == name).values(row)).rowcount:
        conn.execute(insert(audit_checkpoints).values(row))


def _row(key: bytes, name: Name, place: Place, at: int) -> dict[str, Any]:
    sealed = {"seal": seal_of(key, name, place, at)}
    return {"name": name, "position": place.position, "mac": place.mac, "at": at, **sealed}
