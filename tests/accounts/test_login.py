"""What the audit log is told of logins that end without a session."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from s3gw.accounts.attempts import Attempts
from s3gw.accounts.login import note_refusal
from s3gw.accounts.origin import Origin
from s3gw.metadata import audit_lines, refused_logins
from s3gw.metadata.audit_lines import Wanted
from s3gw.metadata.database import Database
from s3gw.metadata.schema import refused_logins as counted
from s3gw.problems import NotAuthenticated, TotpRequired

pytestmark = pytest.mark.anyio


async def test_codes_that_are_missing_are_counted_by_name_and_become_one_line(database: Database) -> None:
    """Whoever has stolen a password and stops there is told of, and can't fill the log."""
    services: Any = SimpleNamespace(database=database)
    limits = await Attempts(database).limits_of("ann", "192.0.2.1")
    for _ in range(20):
        await note_refusal(services, limits, TotpRequired("a code is needed"), "ann", Origin("api", "192.0.2.1"))
    await note_refusal(services, limits, NotAuthenticated("wrong"), "ann", Origin("api", "192.0.2.1"))
    await database.write(lambda conn: conn.execute(counted.update().values(minute=1)).rowcount)
    await database.write(refused_logins.write_lines, 10)
    lines = await database.read(audit_lines.step, Wanted(), 0, 10)
    told = [(line.action, line.outcome, line.resource, line.count) for line in lines]
    assert told == [("login", "failed", "ann", 1), ("login.totp_required", "refused", "ann", 20)]
