"""SQL of the audit log: who changed what, from where, and how it was before and after.

A line is written in the transaction of its change, so there is neither one without the other. What is told of a change
holds no password, hash, secret or token: `before` and `after` are made from values that have none (audited.py), or are
documents that clients put. audit_seals.py makes the log tamper-evident, audit_lines.py reads it.
"""

from __future__ import annotations

import getpass
import json
import os
from typing import Any, Literal, NamedTuple

from sqlalchemy import insert

from s3gw.metadata.database import Connection, now
from s3gw.metadata.schema import audit_log

Outcome = Literal["done", "refused", "failed"]


class Actor(NamedTuple):
    """Who asks, and from where. `id` and `name` are "" for nobody who is known; doors: schema.py has them."""

    id: str
    name: str
    door: str
    address: str = ""
    request_id: str = ""


def _account() -> str:
    """Whom the operating system runs this process for, as `os:root`: a colon stands in no user's name."""
    try:
        return f"os:{os.environ.get('SUDO_USER') or getpass.getuser()}"[:64]
    except (KeyError, OSError):  # it has no name, as in containers
        return f"os:{os.getuid()}"


COMMAND_LINE = Actor("", _account(), "cli")  # whoever may run commands beside the database: no user and no request


def record(
    conn: Connection,
    actor: Actor,
    action: str,
    resource_type: str,
    resource: str,
    before: Any = None,
    after: Any = None,
    *,
    outcome: Outcome = "done",
    count: int = 1,
) -> None:
    """Add a line to the log. `before` and `after` are what JSON can say: None where there was, or is, nothing."""
    line = {
        "at": now(conn),
        "actor_id": actor.id,
        "actor": actor.name,
        "door": actor.door,
        "address": actor.address,
        "request_id": actor.request_id,
        "action": action,
        "outcome": outcome,
        "resource_type": resource_type,
        "resource": resource,
        "before": _document(before),
        "after": _document(after),
        "count": count,
    }
    conn.execute(insert(audit_log).values(line))


def _document(value: Any) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)
