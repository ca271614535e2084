"""Every command that changes something writes to the audit log, and what is told of that by `s3gw audit`."""

from __future__ import annotations

import getpass
import json
import sqlite3
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from s3gw.cli import _COMMANDS
from s3gw.jobs.seal_audit_log import seal_all
from s3gw.metadata import audit
from tests.cli.commands import Ask, Command, refusal

POLICY = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::*"}}'
# What changes nothing that is audited: what only reads, the server itself, what is always refused, and background work.
UNAUDITED = {
    ("serve",), ("worker",), ("blobs", "move"), ("config",), ("operations",), ("nodes",), ("migrate",), ("explain",),
    ("user", "list"), ("user", "show"), ("user", "totp", "show"), ("group", "list"), ("key", "list"), ("key", "show"),
    ("policy", "get"), ("policy", "list"), ("policy", "lint"), ("account", "public-access-block", "get"),
    ("grant", "list"), ("bucket", "list"), ("bucket", "show"), ("bucket", "disable"), ("bucket", "enable"),
    ("group", "show"), ("session", "list"), ("invite", "list"), ("link", "list"),
    ("link", "revoke"),  # links are made by the JSON API: test_share_links.py
    ("audit", "list"), ("audit", "export"), ("audit", "verify"), ("audit", "head"), ("master-key", "list"),
    ("quota", "list"), ("usage", "list"),
    ("usage", "check"),  # but what it repairs: test_quotas.py
    ("event-target", "list"), ("event-target", "show"), ("event-target", "dead"), ("events", "tail"),
    ("event-target", "retry"),  # where there is something to be told again: test_event_deliveries.py
    ("schedule", "list"), ("scrub", "status"), ("scrub", "list"), ("scrub", "show"),
    ("job", "list"), ("job", "show"), ("job", "follow"), ("report", "list"), ("report", "show"),
    ("job", "retry"),  # where one has failed: tests/api/test_unpack_job.py
    ("report", "run"),  # begins a job, as all that is asked for: tests/jobs/test_report.py
    ("job", "cancel"),  # of what a user asked for by the JSON API: test_commands.py
    ("search", "rebuild"),
    ("backup", "list"), ("backup", "verify"),
    ("backup", "prune"),  # of a backup, which may be another server's
    ("backup", "restore"),  # told in the log of what was restored: tests/backup/test_restored.py
    ("scan", "list"), ("scan", "status"), ("scan", "run"),
    ("scan", "release"),  # of what was found: tests/api/test_scans.py
    ("bucket", "restore"),  # of a bucket with trash, which commands don't make: test_commands.py
}  # fmt: skip
# One after the other: what is given, and the action and the resource that the log tells.
CHANGES: list[tuple[list[str], str, str]] = [
    (["user", "create", "owner", "--password", "a-pass-word-1"], "user.create", "owner"),
    (["user", "create", "editor", "--account", "owner"], "user.create", "editor"),
    (["user", "update", "editor", "--email", "e@example.com"], "user.update", "editor"),
    (["user", "password", "editor", "--password", "a-pass-word-2"], "user.password", "editor"),
    (["user", "disable", "editor"], "user.disable", "editor"),
    (["user", "enable", "editor"], "user.enable", "editor"),
    (["user", "totp", "reset", "editor"], "user.totp.reset", "editor"),
    (["group", "create", "staff", "--account", "owner"], "group.create", "staff"),
    (["group", "update", "staff", "--name", "team"], "group.update", "staff"),
    (["group", "update", "team", "--name", "staff"], "group.update", "team"),
    (["group", "add", "staff", "editor"], "group.add", "staff"),
    (["group", "remove", "staff", "editor"], "group.remove", "staff"),
    (["key", "create", "editor", "--access-key-id", "AKIAED", "--secret-access-key", "pass-word-3"],
     "key.create", "AKIAED"),
    (["key", "update", "AKIAED", "--description", "new"], "key.update", "AKIAED"),
    (["key", "disable", "AKIAED"], "key.disable", "AKIAED"),
    (["key", "enable", "AKIAED"], "key.enable", "AKIAED"),
    (["policy", "put", "POLICY", "--user", "editor", "--name", "p"], "user.policy.put", "editor/p"),
    (["policy", "delete", "--user", "editor"], "user.policy.delete", "editor/p"),
    (["account", "public-access-block", "put", "owner", "--block-public-acls"],
     "account.public_access_block.put", "owner"),
    (["bucket", "create", "pictures", "--owner", "owner"], "bucket.create", "pictures"),
    (["bucket", "update", "pictures", "--versioning", "enabled"], "bucket.versioning.put", "pictures"),
    (["bucket", "update", "pictures", "--owner", "admin"], "bucket.owner.put", "pictures"),
    (["grant", "create", "pictures", "--permission", "read", "--user", "editor"], "grant.create", "GRANT"),
    (["grant", "update", "GRANT", "--permission", "write"], "grant.update", "GRANT"),
    (["grant", "delete", "GRANT"], "grant.delete", "GRANT"),
    (["quota", "set", "--bucket", "pictures", "--bytes", "5"], "bucket.quota.put", "pictures"),
    (["quota", "set", "--bucket", "pictures", "--prefix", "a", "--bytes", "5"], "bucket.prefix_quota.put", "pictures"),
    (["quota", "set", "--user", "owner", "--objects", "5"], "user.quota.put", "owner"),
    (["quota", "remove", "--bucket", "pictures"], "bucket.quota.put", "pictures"),
    (["report", "create", "usage", "--to", "pictures"], "report.create", "REPORT"),
    (["report", "update", "usage", "--cron", "0 6 * * *"], "report.update", "REPORT"),
    (["report", "delete", "usage"], "report.delete", "REPORT"),
    (["bucket", "delete", "pictures"], "bucket.delete", "pictures"),
    (["event-target", "create", "hook", "https://user:secret@example.com/hook?token=secret"],
     "event_target.create", "EVENT_TARGET"),
    (["event-target", "update", "hook", "--shared"], "event_target.update", "EVENT_TARGET"),
    (["event-target", "delete", "hook"], "event_target.delete", "EVENT_TARGET"),
    (["schedule", "set", "scrub", "0 4 * * *"], "schedule.put", "scrub"),
    (["schedule", "run", "rebuild_search"], "schedule.run", "rebuild_search"),
    (["scrub", "run"], "schedule.run", "scrub"),
    (["key", "delete", "AKIAED"], "key.delete", "AKIAED"),
    (["group", "delete", "staff"], "group.delete", "staff"),
    (["invite", "create", "--email", "guest@example.com"], "invitation.create", "guest@example.com"),
    (["invite", "revoke", "INVITATION"], "invitation.revoke", "guest@example.com"),
    (["backup", "create", "DIR"], "backup.create", "BACKUP"),
    (["session", "end", "SESSION"], "session.end", "SESSION"),
    (["user", "delete", "editor"], "user.delete", "editor"),
    (["user", "restore", "editor"], "user.restore", "editor"),
    (["user", "delete", "editor", "--now"], "user.delete", "editor"),
    (["token-key", "rotate"], "token_key.rotate", "KEY"),
    (["master-key", "add"], "master_key.add", "KEY"),
    (["master-key", "rotate"], "master_key.rotate", "KEY"),
]  # fmt: skip


def commands() -> Iterator[tuple[str, ...]]:
    for name in _COMMANDS:
        yield from _below((name,), typer.main.get_command(import_module(f"s3gw.cli.{name.replace('-', '_')}").app))


def _below(path: tuple[str, ...], command: Any) -> Iterator[tuple[str, ...]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path
    else:
        for name, found in below.items():
            yield from _below((*path, name), found)


def test_every_command_that_changes_something_is_among_these_changes() -> None:
    changing = set(commands()) - UNAUDITED
    told = {path for given, _, _ in CHANGES for path in changing if tuple(given[: len(path)]) == path}
    assert changing == told, "a new command: say what it records, or that it changes nothing that is audited"
    assert set(commands()) >= UNAUDITED


@pytest.mark.parametrize(("sudo", "user"), [("ada", "os:ada"), ("", "os:root")])
def test_the_command_line_is_whom_the_operating_system_knows(
    monkeypatch: pytest.MonkeyPatch, sudo: str, user: str
) -> None:
    monkeypatch.setenv("SUDO_USER", sudo)
    monkeypatch.setattr(getpass, "getuser", lambda: "root")
    assert audit._account() == user


def test_every_change_is_told_and_no_secret(ask: Ask, tmp_path: Path, data: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(POLICY)
    newest = ask("audit", "list", "--limit", "1")[0]["id"]
    words = {"POLICY": str(file), "SESSION": begin_session(data), "DIR": str(tmp_path / "backup")}
    for given, action, resource in CHANGES:
        made = ask(*(words.get(word, word) for word in given))
        if action.endswith(".create"):
            words[action.partition(".")[0].upper()] = made.get("id", "")
        words["KEY"] = made.get("key", "")
        line, before = ask("audit", "list", "--limit", "2")
        assert (line["action"], line["resource"], line["outcome"]) == (action, words.get(resource, resource), "done")
        assert (line["door"], line["actor"], line["actor_id"]) == ("cli", audit.COMMAND_LINE.name, "")
        assert before["id"] == newest, f"{action} has more than one line"
        newest = line["id"]
        assert (line["before"] is None) == action.endswith(
            (".create", "policy.put", "invitation.revoke", "schedule.run")
        )
        is_gone = action.endswith((".delete", "session.end")) or action.startswith("invitation")
        is_gone = is_gone and given != ["user", "delete", "editor"]  # who can be restored
        assert (line["after"] is None) == is_gone
    text = json.dumps(ask("audit", "list", "--limit", "1000"))
    assert "pass-word" not in text and "argon2" not in text and "secret" not in text


def begin_session(data: Path) -> str:
    """As a login of the admin does; its id."""
    with sqlite3.connect(data / "s3gw.db") as database:
        (user_id,) = database.execute("SELECT id FROM users").fetchone()
        row = ("session", user_id, "192.0.2.1", "curl", 1, 1, 1 << 52)
        database.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)", row)
    return "session"


def test_before_and_after_tell_what_was_changed(ask: Ask) -> None:
    ask("user", "create", "editor")
    ask("user", "update", "editor", "--name", "author", "--role", "auditor")
    (line,) = ask("audit", "list", "--action", "user.update")
    assert line["resource"] == "editor"
    changed = {name for name in line["after"] if line["before"][name] != line["after"][name]}
    assert changed == {"name", "role"}
    assert line["after"]["role"] == "auditor"


def test_what_a_key_is_narrowed_to_from_the_beginning_is_told(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(POLICY)
    name = ask("key", "create", "admin", "--policy", str(file))["access_key_id"]
    line, before = ask("audit", "list", "--limit", "2")
    assert (line["action"], line["after"]["document"], before["action"]) == ("key.policy.put", POLICY, "key.create")
    assert line["after"]["holder_id"] == before["resource"] == name


def test_what_ends_with_a_group_a_key_a_bucket_or_a_user_is_told_too(ask: Ask, tmp_path: Path) -> None:
    """Before the line of what it ends with, each by its name and with what it was."""
    file = str(tmp_path / "policy.json")
    Path(file).write_text(POLICY)
    ask("user", "create", "owner")
    ask("user", "create", "editor", "--account", "owner")
    ask("bucket", "create", "pictures", "--owner", "admin")
    ask("group", "create", "staff", "--account", "owner")
    ask("group", "create", "team", "--account", "owner")
    ask("group", "add", "team", "editor")
    for key in ("FIRST", "SECOND"):
        ask("key", "create", "editor", "--access-key-id", key, "--policy", file)
    for holder in (("--group", "staff"), ("--user", "editor")):
        ask("policy", "put", file, *holder, "--name", "p")
    grant, of_user, other = (
        ask("grant", "create", "pictures", "--permission", "read", *to)["id"]
        for to in (("--group", "staff"), ("--user", "editor"), ("--user", "editor", "--prefix", "a/"))
    )

    def told(*given: str) -> list[tuple[str, str]]:
        newest = ask("audit", "list", "--limit", "1")[0]["id"]
        ask(*given)
        lines = [line for line in ask("audit", "list") if line["id"] > newest]
        assert all(line["before"] is not None and line["door"] == "cli" for line in lines)
        assert [line["action"] for line in lines if line["after"] is not None] == ["group.remove"] * ("user" in given)
        return [(line["action"], line["resource"]) for line in reversed(lines)]

    assert told("group", "delete", "staff") == [
        ("group.policy.delete", "staff/p"),
        ("grant.delete", grant),
        ("group.delete", "staff"),
    ]
    key_policy = ask("policy", "list", "--key", "FIRST")[0]["name"]
    assert told("key", "delete", "FIRST") == [
        ("key.policy.delete", f"FIRST/{key_policy}"),
        ("key.delete", "FIRST"),
    ]
    ask("grant", "delete", other)
    assert told("user", "delete", "editor", "--now") == [
        ("key.policy.delete", f"SECOND/{key_policy}"),
        ("key.delete", "SECOND"),
        ("user.policy.delete", "editor/p"),
        ("grant.delete", of_user),
        ("group.remove", "team"),
        ("user.delete", "editor"),
    ]
    grant = ask("grant", "create", "pictures", "--permission", "read", "--user", "owner")["id"]
    assert told("bucket", "delete", "pictures") == [("grant.delete", grant), ("bucket.delete", "pictures")]


def test_a_change_that_is_refused_tells_nothing(ask: Ask, run: Command) -> None:
    before = ask("audit", "list")
    refusal(run("user", "update", "nobody", "--email", "e@example.com"))
    refusal(run("user", "create", "admin"))
    refusal(run("user", "delete", "admin"))
    assert ask("audit", "list") == before


def test_the_first_start_tells_what_it_made(ask: Ask) -> None:
    lines = ask("audit", "list", "--actor", "first start")
    assert [(line["action"], line["outcome"]) for line in lines] == [("key.create", "done"), ("user.create", "done")]


def test_lines_are_found_by_who_what_and_when(ask: Ask, run: Command) -> None:
    ask("user", "create", "editor")
    ask("bucket", "create", "editor")
    (line,) = ask("audit", "list", "--resource", "editor", "--action", "user")
    assert line["action"] == "user.create"
    assert ask("audit", "list", "--action", "use") == ask("audit", "list", "--outcome", "failed") == []
    assert ask("audit", "list", "--since", "2999-01-01") == ask("audit", "list", "--until", "2000-01-01") == []
    assert ask("audit", "list", "--since", "2000-01-01", "--until", "2999-01-01") == ask("audit", "list")
    assert "an outcome is" in refusal(run("audit", "list", "--outcome", "good"))


def test_an_export_is_a_document_a_line_the_oldest_first(ask: Ask, run: Command) -> None:
    exported = [json.loads(line) for line in run("audit", "export").stdout.splitlines()]
    assert exported[::-1] == ask("audit", "list")


@pytest.fixture
def sealed(data: Path) -> None:
    """As the job process does."""
    import asyncio

    from s3gw.auth.key_file import open_keyring
    from s3gw.config import load_settings
    from s3gw.metadata.engines import open_database

    async def seal() -> None:
        database = open_database(None, data)
        try:
            await seal_all(database, open_keyring(load_settings(data=data)))
        finally:
            await database.close()

    asyncio.run(seal())


def test_verify_tells_a_whole_log_from_a_changed_one(sealed: None, ask: Ask, run: Command, data: Path) -> None:
    head = run("audit", "head").stdout.strip()
    assert ask("audit", "head") == {"head": head}
    assert ask("audit", "verify", "--head", head) == {"lines": 2, "head": head, "faults": []}
    with sqlite3.connect(data / "s3gw.db") as database:
        database.execute("UPDATE audit_log SET actor = 'me' WHERE id = 1")
    found = run("audit", "verify", "--json")
    assert (found.exit_code, json.loads(found.stdout)["faults"]) == (1, ["line 1 was changed: user.create of admin"])
    with sqlite3.connect(data / "s3gw.db") as database:
        database.execute("UPDATE audit_checkpoints SET position = 1")
    assert "the head of the log isn't what was noted" in refusal(run("audit", "head"))
    assert "a head is what" in refusal(run("audit", "verify", "--head", "1"))
