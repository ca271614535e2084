"""The chain of the audit log: each line's `mac` is an HMAC-SHA256 over the line, its position and the mac before it.

Pure. The key is auth/audit_key.py's: who can write to the database but hasn't the master key can't make a mac.

Lines are chained in the order in which they were sealed, not in that of their ids: on PostgreSQL a transaction may
commit a line with a lower id than one that is sealed already, and an id whose transaction was rolled back is missing
for ever. Positions are given by the only sealer there is at a time, 1, 2, 3, …: a late line gets the next one, and a
missing position is a removed line.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import NamedTuple

FIRST = hashlib.sha256(b"s3gw audit log").digest()  # what is before the first line
_PLACE = re.compile(r"[0-9]{1,18}:[0-9a-f]{64}")


class Line(NamedTuple):
    """A line of the log. `position` is None and `mac` b"" until it is sealed."""

    id: int
    at: int  # microseconds since the epoch
    actor_id: str
    actor: str
    door: str
    address: str
    request_id: str
    action: str
    outcome: str
    resource_type: str
    resource: str
    before: str | None
    after: str | None
    count: int  # type: ignore[assignment]  # of alike ones; tuple.count isn't needed
    position: int | None
    mac: bytes


class Place(NamedTuple):
    """A position in the chain and the mac of the line there; before the first line it is 0."""

    position: int
    mac: bytes

    def __str__(self) -> str:
        return f"{self.position}:{self.mac.hex()}"


BEGINNING = Place(0, FIRST)


def following(key: bytes, place: Place, line: Line) -> Place:
    """The place of a line that comes behind a place."""
    position = place.position + 1
    return Place(position, mac_of(key, place.mac, line._replace(position=position)))


def mac_of(key: bytes, mac_before: bytes, line: Line) -> bytes:
    canonical = json.dumps(line[:-1], separators=(",", ":")).encode()
    return hmac.digest(key, b"line\0" + hashlib.sha256(mac_before).digest() + canonical, "sha256")


def seal_of(key: bytes, name: str, place: Place, at: int) -> bytes:
    """Over a checkpoint. It begins otherwise than what is sealed of a line, so neither can stand for the other."""
    return hmac.digest(key, json.dumps(["checkpoint", name, place.position, place.mac.hex(), at]).encode(), "sha256")


def parse_place(text: str) -> Place:
    """As it was printed. Raises ValueError."""
    if _PLACE.fullmatch(text.strip()) is None:
        raise ValueError("a head is what `s3gw audit head` prints: a number, a colon and 64 hex digits")
    position, _, mac = text.strip().partition(":")
    return Place(int(position), bytes.fromhex(mac))
