"""The audit log is verified by a job, whose result says what was found."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from s3gw.auth.key_file import open_keyring
from s3gw.jobs.seal_audit_log import seal_all
from s3gw.metadata.database import Connection
from s3gw.metadata.schema import audit_log
from tests.jobs.asking import Asking
from tests.jobs.conftest import Process

pytestmark = pytest.mark.anyio


async def test_what_is_found_of_the_log_is_the_result_of_the_job(process: Process) -> None:
    asking = Asking(process)
    await asking.make()
    keys = open_keyring(process.services.settings)

    async def verified(head: str | None = None) -> dict[str, object]:
        await seal_all(asking.database, keys)
        job = await asking.ask("verify_audit_log", {"head": head})
        await asking.run()
        told = await asking.told(job)
        assert told.state == "done", told
        result: dict[str, object] = told.result
        return result

    whole = await verified()
    assert whole["faults"] == [] and str(whole["head"]).startswith(f"{whole['lines']}:")
    assert (await verified(str(whole["head"])))["faults"] == []

    def tamper(conn: Connection) -> None:
        conn.execute(update(audit_log).where(audit_log.c.position == 1).values(action="nothing"))

    await asking.database.write(tamper)
    faults = (await verified())["faults"]
    assert isinstance(faults, list) and "was changed: nothing of" in faults[0]
