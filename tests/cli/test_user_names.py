"""What users may be called and which addresses they may have, on the command line and at the first start."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from s3gw.config import load_settings
from s3gw.metadata import logins
from s3gw.metadata.engines import open_database
from s3gw.processes.first_start import prepare
from tests.cli.commands import Ask, Command, asking, command, refusal

_CHARACTERS = "s3gw: a user name has 3 to 50 of the characters A-Z a-z 0-9 _ . -\n"


@pytest.mark.parametrize("name", ["al", "a" * 51, "a b", "alice@example.com"])
def test_a_name_that_can_be_none_is_refused_by_every_command(ask: Ask, run: Command, name: str) -> None:
    ask("user", "create", "alice")
    assert refusal(run("user", "create", name)) == _CHARACTERS
    assert refusal(run("user", "update", "alice", "--name", name)) == _CHARACTERS


def test_nobody_is_called_as_an_id_or_as_somebody_but_for_case(ask: Ask, run: Command) -> None:
    """An id names its user in commands, whatever others are called."""
    alice = ask("user", "create", "alice")
    for name in (alice["id"], alice["id"].upper(), uuid.uuid4().hex):
        assert "can't look like an id" in refusal(run("user", "create", name))
    assert refusal(run("user", "create", "Alice")) == "s3gw: there is already a user with the name alice\n"
    assert refusal(run("user", "update", "admin", "--name", "ALICE")).endswith("the name alice\n")
    assert ask("user", "update", "alice", "--name", "ALICE")["name"] == "ALICE"


def test_an_address_is_checked_and_in_lower_case(ask: Ask, run: Command) -> None:
    assert ask("user", "create", "alice", "--email", "Alice@Example.COM")["email"] == "alice@example.com"
    assert "already" in refusal(run("user", "create", "bob", "--email", "ALICE@example.com"))
    for address in ("nowhere", "a@b", "a b@example.com"):
        assert "e-mail address is no address" in refusal(run("user", "create", "bob", "--email", address))
        assert "e-mail address is no address" in refusal(run("user", "update", "alice", "--email", address))


def test_the_admin_of_the_first_start_has_the_address_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    asyncio.run(prepare(load_settings(data=data, root_user="boss", root_email="Boss@Example.com")))
    boss = asking(command("--data", str(data)))("user", "show", "boss@example.com")
    assert (boss["name"], boss["role"], boss["email"]) == ("boss", "admin", "boss@example.com")

    async def is_verified() -> Any:
        database = open_database(None, data)
        try:
            return await database.read(logins.is_verified, boss["id"])
        finally:
            await database.close()

    assert asyncio.run(is_verified()), "a login that needs a confirmed address would be refused"
