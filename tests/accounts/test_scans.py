"""Who may have less scanned than the server has, and how much of what is infected one request deletes."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from s3gw.accounts import scans as accounts
from s3gw.accounts.buckets import _require_strict
from s3gw.accounts.login import Caller
from s3gw.accounts.origin import Origin
from s3gw.auth.principal import Principal
from s3gw.metadata import contents, objects, scans
from s3gw.metadata.audit import Actor
from s3gw.metadata.change import ChangeFacts, KeyLock, change
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import NewObject
from s3gw.metadata.scans import INFECTED, Verdict
from s3gw.problems import Invalid, NotFound, PermissionDenied
from tests.jobs.conftest import Process, process
from tests.metadata.test_listing import fill

__all__ = ["process"]
ORIGIN = Origin("api")


def caller(role: str) -> Caller:
    return Caller(Principal("u", "c" * 64, "1" * 12, "user", role, "", "u", ""), "session", ORIGIN)


@pytest.mark.parametrize(
    ("server", "policy", "owner", "admin"),
    [
        ("hold", "serve", PermissionDenied, None),
        ("hold", "off", PermissionDenied, None),
        ("serve", "off", PermissionDenied, None),
        ("serve", "hold", None, None),
        ("off", "serve", None, None),
        ("hold", None, None, None),
    ],
)
def test_only_an_admin_has_less_scanned_than_the_server(
    server: str, policy: str | None, owner: type[Exception] | None, admin: type[Exception] | None
) -> None:
    services: Any = SimpleNamespace(settings=SimpleNamespace(scan=server, scan_clamd="unix:/c", scan_command=None))
    for role, expected in (("user", owner), ("admin", admin)):
        if expected is None:
            _require_strict(services, caller(role), policy)
        else:
            with pytest.raises(expected):
                _require_strict(services, caller(role), policy)


def test_without_a_scanner_nothing_can_be_scanned() -> None:
    services: Any = SimpleNamespace(settings=SimpleNamespace(scan="off", scan_clamd=None, scan_command=None))
    _require_strict(services, caller("user"), "off")
    for policy in ("serve", "hold"):
        with pytest.raises(Invalid):
            _require_strict(services, caller("admin"), policy)


@pytest.mark.anyio
async def test_a_request_deletes_so_many_at_most(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_AT_ONCE", 2)
    await process.database.write(fill, [])
    new = contents.inline(b"a virus")
    for key in "abc":
        facts = ChangeFacts(1, Actor("u", "user", "s3"), "u", 5)
        put = NewObject(key=key, size=7, etag="e", owner_id="u")
        await change(process.database, facts, [KeyLock(1, key)], objects.put, put, partial(contents.insert, new=new))

    def find(conn: Connection) -> None:
        for key in "abc":
            found = objects.find(conn, 1, key)
            assert found is not None and found.content_id is not None
            scans.note(conn, 1, key, "null", found.content_id, is_new=True)
        row = scans.find(conn, new.digest)
        assert row is not None
        scans.settle(conn, row, Verdict(INFECTED, "Virus"))

    await process.database.write(find)
    ask = partial(accounts.delete, process.services, caller("admin"), ORIGIN)
    assert await ask(new.digest) == (2, 0, True)
    assert await ask(new.digest) == (1, 0, False)
    assert await ask(new.digest) == (0, 0, False)
    with pytest.raises(NotFound):
        await ask(b"of nothing")
