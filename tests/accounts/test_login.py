"""What the audit log is told of logins that end without a session."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from s3gw.accounts.attempts import Attempts
from s3gw.accounts.login import note_refusal
from s3gw.accounts.origin import Origin
from s3gw.metadata import audit_lines, refused_logins
from s3gw.metadata.audit_lines import Wanted
from s3gw.metadata.database import Database
from s3gw.problems import NotAuthenticated, TotpRequired

pytestmark = pytest.mark.anyio


async def test_codes_that_are_missing_are_counted_by_name_and_become_one_line(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has stolen a password and stops there is told of, and can't fill the log."""
    began_at = time.time_ns() // 1000
    monkeypatch.setattr(refused_logins, "now", lambda conn: began_at)  # or the minute might end meanwhile
    services: Any = SimpleNamespace(database=database)
    limits = await Attempts(database).limits_of("ann", "192.0.2.1")
    for _ in range(20):
        await note_refusal(services, limits, TotpRequired("a code is needed"), "ann", Origin("api", "192.0.2.1"))
    await note_refusal(services, limits, NotAuthenticated("wrong"), "ann", Origin("api", "192.0.2.1"))
    monkeypatch.setattr(refused_logins, "now", lambda conn: began_at + 60_000_000)
    await database.write(refused_logins.write_lines, 10)
    lines = await database.read(audit_lines.step, Wanted(), 0, 10)
    told = [(line.action, line.outcome, line.resource, line.count) for line in lines]
    assert told == [("login", "failed", "ann", 1), ("login.totp_required", "refused", "ann", 20)]
