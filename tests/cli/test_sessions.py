"""Sessions and invitations on the command line: what is listed, ended and taken back."""

from __future__ import annotations

import sqlite3
import uuid
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.cli.commands import Ask, Command, refusal


@pytest.fixture
def sessions(ask: Ask, data: Path) -> list[str]:
    """Two of the admin's, one of alice's that lasts and one that has expired, by the time of their last use."""
    users = {name: ask("user", "show", name)["id"] for name in ("admin", ask("user", "create", "alice")["name"])}
    ids = [str(uuid.uuid4()) for _ in range(4)]
    with sqlite3.connect(data / "s3gw.db") as database:
        for number, (name, expires_at) in enumerate(
            (("admin", 1 << 52), ("admin", 1 << 52), ("alice", 1 << 52), ("alice", 2))
        ):
            row = (ids[number], users[name], "192.0.2.1", "curl", 1, 10 - number, expires_at)
            database.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)", row)
    return ids


def test_sessions_that_last_are_listed_of_all_or_of_one(ask: Ask, run: Command, sessions: list[str]) -> None:
    listed = ask("session", "list")
    assert [(one["id"], one["user"]) for one in listed] == list(
        zip(sessions, ("admin", "admin", "alice"), strict=False)
    )
    assert [one["id"] for one in ask("session", "list", "alice")] == [sessions[2]]
    assert "there is no user bob" in refusal(run("session", "list", "bob"))


def test_a_session_is_ended_once_or_all_of_a_user(ask: Ask, run: Command, sessions: list[str]) -> None:
    ended = ask("session", "end", sessions[2])
    assert (ended["id"], ended["user"], ended["ended_because"]) == (sessions[2], "alice", "revoked")
    assert "there is no session" in refusal(run("session", "end", sessions[2]))
    assert "there is no session" in refusal(run("session", "end", "x"))
    assert [one["id"] for one in ask("session", "end", "--user", "admin")] == sessions[:2]
    assert ask("session", "list") == []
    assert "give the ID of a session" in refusal(run("session", "end"))
    assert "give the ID of a session" in refusal(run("session", "end", "x", "--user", "admin"))


@pytest.mark.parametrize(
    "command", [("user", "password", "admin", "--password", "correct horse battery"), ("user", "disable", "admin")]
)
def test_a_password_that_is_set_and_disabling_end_the_sessions_of_the_user(
    ask: Ask, sessions: list[str], command: tuple[str, ...]
) -> None:
    ask("user", "create", "second", "--role", "admin")
    ask(*command)
    assert [one["id"] for one in ask("session", "list")] == [sessions[2]]


@pytest.mark.parametrize("weak", ["short", "password1", "x" * 1025, "alice-accounts"])
def test_a_password_that_the_api_refuses_is_refused(ask: Ask, run: Command, weak: str) -> None:
    assert "the password " in refusal(run("user", "create", "alice-accounts", "--password", weak))
    ask("user", "create", "alice-accounts")
    assert "the password " in refusal(run("user", "password", "alice-accounts", "--password", weak))


def test_an_invitation_is_made_sent_listed_and_taken_back(ask: Ask, run: Command, data: Path) -> None:
    made = ask("invite", "create", "--email", "Guest@Example.com")
    assert made["email"] == "guest@example.com"
    (file,) = (data / "mail").glob("*.eml")
    message = message_from_bytes(file.read_bytes())
    assert message["To"] == "guest@example.com"
    assert made["invitation"] in str(message.get_payload(decode=True))
    anybody = ask("invite", "create")
    listed = ask("invite", "list")
    assert [(one["id"], one["email"], one["created_by"]) for one in listed] == [
        (made["id"], "guest@example.com", None),
        (anybody["id"], None, None),
    ]
    assert made["invitation"] not in str(listed)
    assert ask("invite", "revoke", made["id"])["revoked"] is True
    assert [one["id"] for one in ask("invite", "list")] == [anybody["id"]]
    assert refusal(run("invite", "revoke", made["id"])) == "s3gw: there is no such invitation\n"
    assert "no address" in refusal(run("invite", "create", "--email", "nowhere"))


def test_an_invitation_ends_with_who_made_it(ask: Ask, data: Path) -> None:
    made = ask("invite", "create")
    ask("user", "create", "boss", "--role", "admin")
    with sqlite3.connect(data / "s3gw.db") as database:
        database.execute("UPDATE one_time_tokens SET created_by = ?", (ask("user", "show", "boss")["id"],))
    assert [(one["id"], one["created_by"]) for one in ask("invite", "list")] == [(made["id"], "boss")]
    ask("user", "delete", "boss")
    assert ask("invite", "list") == []
    assert [user["name"] for user in ask("user", "list")] == ["admin"]
    assert [user["name"] for user in ask("user", "list", "--deleted")] == ["boss"]
    assert ask("user", "restore", "boss")["deleted_at"] is None
    assert ask("invite", "list") == []
