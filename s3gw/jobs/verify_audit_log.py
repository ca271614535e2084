"""Verifies the audit log from its first line to its last, which may take longer than a request should. It only reads;
what it finds is the job's result, for admins and auditors, as only they ask for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw import kept_head
from s3gw.accounts import audit
from s3gw.auth.key_file import open_keyring
from s3gw.jobs.asked import Asked
from s3gw.metadata.audit_chain import parse_place

if TYPE_CHECKING:
    from s3gw.storage import Storage


async def verify_audit_log(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
    """`head` of the payload: one that was kept elsewhere, or None."""
    settings, head = services.settings, asked.payload["head"]

    async def note(lines: int) -> None:
        await asked.note({"done": lines})

    kept, file = None if head is None else parse_place(head), kept_head.file_of(settings)
    found = await audit.verify_now(services.database, open_keyring(settings), kept, file, note)
    asked.result = {"lines": found.lines, "head": str(found.head), "faults": found.faults}
