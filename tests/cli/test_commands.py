"""The commands, as a person or a script gives them: what they do, print and refuse."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text, update
from typer.testing import CliRunner

from s3gw.auth.credentials import Credentials
from s3gw.auth.key_file import open_keyring
from s3gw.auth.passwords import verify_password
from s3gw.cli import app
from s3gw.cli.command import Session
from s3gw.config import load_settings
from s3gw.metadata import buckets, identities, jobs, logins, resolve, schema, sqlite_connection, uploads
from s3gw.metadata.database import Connection, DatabaseUnavailable
from s3gw.metadata.engines import open_database
from s3gw.metadata.uploads import Upload
from s3gw.wire.model import operations
from tests.cli.commands import Ask, Command, refusal
from tests.metadata.changes import of_key


def test_a_user_has_the_ids_that_s3_shows(ask: Ask) -> None:
    user = ask("user", "create", "alice", "--email", "a@example.com", "--display-name", "Alice")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", user["id"])
    assert re.fullmatch(r"[0-9a-f]{64}", user["canonical_id"])
    assert re.fullmatch(r"[0-9]{12}", user["account_id"])
    assert (user["name"], user["email"], user["display_name"]) == ("alice", "a@example.com", "Alice")
    assert (user["role"], user["is_enabled"]) == ("user", True)
    arn = f"arn:aws:iam::{user['account_id']}:root"
    assert user["arn"] == arn
    assert ask("user", "show", "alice") == user | {"access_keys": [], "groups": [], "policies": []}
    assert [listed["name"] for listed in ask("user", "list")] == ["admin", "alice"]


def test_a_user_is_changed_disabled_enabled_and_deleted(ask: Ask, run: Command) -> None:
    ask("user", "create", "alice")
    assert ask("user", "update", "alice", "--role", "auditor", "--email", "a@b.example")["role"] == "auditor"
    assert ask("user", "update", "alice", "--email", "")["email"] is None
    assert ask("user", "disable", "alice")["is_enabled"] is False
    assert ask("user", "enable", "alice")["is_enabled"] is True
    assert ask("user", "delete", "alice", "--now")["deleted"] is True
    assert refusal(run("user", "show", "alice")) == "s3gw: there is no user alice\n"


def test_with_json_a_refusal_is_json(run: Command) -> None:
    assert json.loads(refusal(run("user", "show", "bob", "--json"))) == {"error": "there is no user bob"}


def test_a_command_may_look_longer_than_a_server(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def count_to(conn: Connection, end: int) -> None:
        numbers = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :end) SELECT count(*) FROM n"
        )
        conn.execute(text(numbers), {"end": end})

    monkeypatch.setattr(sqlite_connection, "MAX_SCAN_SECONDS", 0.0)
    monkeypatch.setattr(sqlite_connection, "_MOST_TRIED_SECONDS", 0.0)
    Session(load_settings(data=data)).read(count_to, 500_000)
    monkeypatch.setattr(sqlite_connection, "MAX_COMMAND_SCAN_SECONDS", 0.0)
    with pytest.raises(DatabaseUnavailable, match="interrupted"):
        Session(load_settings(data=data)).read(count_to, 500_000)


def test_the_last_admin_can_not_be_disabled(run: Command) -> None:
    assert "the only admin" in refusal(run("user", "disable", "admin"))


def test_a_password_comes_from_an_option_or_standard_input(run: Command, data: Path) -> None:
    async def password_hash() -> str:
        database = open_database(None, data)
        try:
            login = await database.read(logins.find_login, "admin")
            return str(login and login.password_hash)
        finally:
            await database.close()

    assert run("user", "password", "admin", "--password", "the first one").exit_code == 0
    assert verify_password(asyncio.run(password_hash()), "the first one")
    result = run("user", "password", "admin", input="the second one\n")
    assert result.exit_code == 0
    assert "the second one" not in result.output
    assert verify_password(asyncio.run(password_hash()), "the second one")
    assert refusal(run("user", "password", "admin", input="\n")) == "s3gw: a password can't be empty\n"


def test_a_key_shows_its_secret_once(ask: Ask, run: Command, data: Path) -> None:
    ask("user", "create", "alice")
    key = ask("key", "create", "alice", "--description", "backup")
    assert (len(key["access_key_id"]), len(key["secret_access_key"])) == (20, 40)
    assert (key["user"], key["description"], key["expires_at"]) == ("alice", "backup", None)
    shown = ask("key", "show", key["access_key_id"])
    assert key == shown | {"secret_access_key": key["secret_access_key"]}
    assert ask("key", "list", "alice") == [shown]
    assert len(ask("key", "list")) == 2
    assert ask("user", "show", "alice")["access_keys"] == [key["access_key_id"]]


def test_a_given_pair_is_sealed_and_can_be_unsealed(ask: Ask, data: Path) -> None:
    pair = ("0555b35654ad1656d804", "h7GhxuBLTrlhVUyxSPUKUV8r/2EI4ngqJxD7iBdBYLhwluN30JaT3Q==")
    key = ask("key", "create", "admin", "--access-key-id", pair[0], "--secret-access-key", pair[1])
    assert (key["access_key_id"], key["secret_access_key"]) == pair

    async def find() -> identities.AccessKey | None:
        database = open_database(None, data)
        try:
            return (await database.read(resolve.key_and_bucket, pair[0], None)).access_key
        finally:
            await database.close()

    row = asyncio.run(find())
    assert row is not None
    assert pair[1].encode() not in row.sealed_secret
    assert Credentials(open_keyring(load_settings(data=data))).unseal(pair[0], row.sealed_secret) == pair[1]


def test_a_key_is_changed_disabled_enabled_and_deleted(ask: Ask, run: Command) -> None:
    name = ask("key", "create", "admin", "--expires", "2030-12-31")["access_key_id"]
    assert ask("key", "show", name)["expires_at"] == "2030-12-31T00:00:00Z"
    assert ask("key", "update", name, "--expires", "2031-01-01T01:00:00+01:00")["expires_at"] == "2031-01-01T00:00:00Z"
    assert ask("key", "update", name, "--expires", "never", "--description", "x")["expires_at"] is None
    assert ask("key", "disable", name)["is_enabled"] is False
    assert ask("key", "enable", name)["is_enabled"] is True
    assert ask("key", "delete", name)["deleted"] is True
    assert refusal(run("key", "delete", name)) == f"s3gw: there is no access key {name}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("key", "create", "nobody"), "there is no user nobody"),
        (("key", "create", "admin", "--expires", "soon"), "soon is not a time"),
        (("key", "create", "admin", "--expires", "9999-12-31T23:59:59-23:59"), "a time is from the year 1970 to 9998"),
        (("key", "create", "admin", "--secret-access-key", "short"), "a secret access key has"),
        (("key", "update", "X"), "nothing to change"),
        (("key", "update", "X", "--expires", ""), "--expires '' is no time: give --expires never"),
        (("bucket", "create", "UPPER"), "can't be the name of a bucket"),
        (("bucket", "show", "none"), "NoSuchBucket: there is no bucket none"),
        (("bucket", "update", "none"), "nothing to change"),
        (("bucket", "update", "none", "--versioning", "maybe"), "versioning is Enabled or Suspended"),
        (("bucket", "disable", "none"), "can't be disabled"),
        (("bucket", "enable", "none"), "can't be disabled or enabled"),
        (("user", "create", "a b"), "a user name has"),
        (("user", "create", "admin"), "there is already a user"),
        (("config", "--form", "poem"), "there is no form poem"),
    ],
)
def test_what_can_not_be_done_is_refused_in_one_line(run: Command, arguments: tuple[str, ...], message: str) -> None:
    assert message in refusal(run(*arguments))


def test_a_new_key_is_refused_under_another_master_key(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3GW_MASTER_KEY", "00" * 32)
    assert "sealed under another master key" in refusal(run("key", "create", "admin"))


def test_a_lost_master_key_is_not_replaced_silently(run: Command, data: Path) -> None:
    (data / "master.key").unlink()
    assert "is missing" in refusal(run("key", "create", "admin"))
    assert not (data / "master.key").exists()


def test_a_bucket_is_created_listed_changed_and_deleted(ask: Ask, run: Command) -> None:
    alice = ask("user", "create", "alice")
    bucket = ask("bucket", "create", "pictures")
    assert (bucket["owner"], bucket["versioning"], bucket["region"]) == ("admin", "Off", "us-east-1")
    ask("bucket", "create", "music", "--owner", "alice", "--versioning", "enabled")
    assert [listed["name"] for listed in ask("bucket", "list")] == ["music", "pictures"]
    assert [listed["name"] for listed in ask("bucket", "list", "--owner", "alice")] == ["music"]
    changed = ask("bucket", "update", "pictures", "--owner", "alice", "--versioning", "Suspended")
    assert (changed["owner_id"], changed["versioning"]) == (alice["id"], "Suspended")
    shown = ask("bucket", "show", "pictures")
    assert shown == changed | {"id": shown["id"]} and len(shown["id"]) == 36
    told = refusal(run("user", "delete", "alice", "--now"))
    assert "owns 2 buckets" in told
    assert "(s3gw bucket list --owner alice, s3gw bucket update NAME --owner USER)" in told
    assert ask("bucket", "delete", "pictures")["deleted"] is True
    assert "BucketAlreadyOwnedByYou" in refusal(run("bucket", "create", "music", "--owner", "alice"))


def test_the_index_of_search_is_built_anew_by_one_job(ask: Ask) -> None:
    asked = ask("search", "rebuild")
    assert (asked["kind"], asked["state"]) == ("rebuild_search", "queued")
    assert ask("search", "rebuild")["id"] == asked["id"]
    assert [job["id"] for job in ask("job", "list")] == [asked["id"]]


def test_a_deleted_bucket_is_listed_and_restored(ask: Ask, run: Command, data: Path) -> None:
    async def keep_trash() -> None:
        database = open_database(None, data)
        await database.write(lambda conn: conn.execute(update(schema.buckets).values(trash_seconds=60)))
        await database.close()

    ids = []
    for _ in range(2):
        ask("bucket", "create", "pictures")
        asyncio.run(keep_trash())
        assert ask("bucket", "delete", "pictures")["deleted"] is True
        ids = [listed["id"] for listed in ask("bucket", "list", "--deleted", "--owner", "admin")]
    assert len(ids) == 2 and ask("bucket", "list") == []
    assert ask("bucket", "restore", ids[1])["name"] == "pictures"
    assert ask("audit", "list", "--limit", "1")[0]["action"] == "bucket.restore"
    assert "another bucket has the name" in refusal(run("bucket", "restore", ids[0]))
    assert "can't be the name" in refusal(run("bucket", "restore", ids[0], "--name", "Pictures"))
    assert ask("bucket", "restore", ids[0], "--name", "pictures2")["name"] == "pictures2"
    assert "NoSuchBucket" in refusal(run("bucket", "restore", ids[0]))
    assert ask("bucket", "delete", "pictures", "--permanent")["deleted"] is True
    assert ask("bucket", "list", "--deleted") == []


def test_a_bucket_with_unfinished_uploads_is_deleted_with_them(ask: Ask, data: Path) -> None:
    bucket = ask("bucket", "create", "pictures")
    assert bucket["name"] == "pictures"

    async def begin_uploads() -> None:
        database = open_database(None, data)
        found = await database.read(buckets.find, "pictures")
        assert found is not None
        for number in range(120):  # more than one step
            owner, of_upload = found.owner_id, (None, None, None, None, None)
            upload = Upload(f"{number:064}", found.id, "key", 1, owner, owner, "STANDARD", *of_upload)
            await database.write(lambda conn, upload: uploads.begin(of_key(conn, upload.bucket_id), upload), upload)
        await database.close()

    asyncio.run(begin_uploads())
    assert ask("bucket", "delete", "pictures")["deleted"] is True
    assert ask("bucket", "list") == []


def test_a_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["user", "list", "--data", str(tmp_path / "none")])
    assert "`s3gw serve` makes it" in refusal(result)
    assert not (tmp_path / "none").exists()


def test_a_database_that_was_never_prepared_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s3gw.db").touch()
    result = CliRunner().invoke(app, ["user", "list", "--data", str(tmp_path)])
    assert "start the server once" in refusal(result)


def test_without_json_people_read_tables_and_lines(run: Command) -> None:
    lines = run("user", "list").stdout.splitlines()
    assert lines[0].split() == ["name", "role", "is_enabled", "email", "account_id", "account_owner", "created_at"]
    assert len(lines) == 2
    assert ["role:", "admin"] in [line.split() for line in run("user", "show", "admin").stdout.splitlines()]
    assert run("bucket", "list").stdout == ""


def test_a_table_is_as_wide_as_the_terminal(run: Command, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    ask("key", "create", "admin", "--access-key-id", "K" * 128)
    assert "K" * 128 not in run("key", "list").stdout
    monkeypatch.setenv("COLUMNS", "250")
    assert "K" * 128 in run("key", "list").stdout


def test_config_prints_every_setting_but_no_secret(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3GW_ROOT_PASSWORD", "hunter2")
    monkeypatch.setenv("S3GW_DOMAINS", "s3.example.com,s3.local")
    rows = {row["variable"]: row for row in ask("config")}
    assert rows["S3GW_ROOT_PASSWORD"]["value"] == "(set)"
    assert rows["S3GW_ROOT_USER"]["value"] == "admin"
    assert rows["S3GW_DOMAINS"] == {
        "variable": "S3GW_DOMAINS",
        "value": ["s3.example.com", "s3.local"],
        "default": [],
        "meaning": "Domains (a,b) under which BUCKET.DOMAIN addresses a bucket.",
    }


def test_operations_prints_all_of_aws_s_model_forms_and_preflights(ask: Ask) -> None:
    rows = {row["operation"]: row for row in ask("operations")}
    assert rows.keys() == {*operations(), "PostObject", "CORSPreflight"}
    assert len(rows) == 118
    assert rows["GetObject"] == {"operation": "GetObject", "state": "works", "needs": ["s3:GetObject"]}
    assert rows["PostObject"]["state"] == rows["CORSPreflight"]["state"] == "works"
    assert rows["GetBucketWebsite"]["state"] == "unused"
    assert rows["SelectObjectContent"]["state"] == "refused"


def test_an_older_name_of_an_operation_is_in_the_state_of_the_newer(ask: Ask) -> None:
    rows = {row["operation"]: row["state"] for row in ask("operations")}
    for name in ("GetBucketLifecycle", "PutBucketLifecycle", "GetBucketNotification", "PutBucketNotification"):
        assert rows[name] == rows[f"{name}Configuration"]


def test_a_dead_job_is_listed_shown_and_tried_again(ask: Ask, run: Command, data: Path) -> None:
    async def let_a_job_die() -> None:
        database = open_database(None, data)
        try:
            await database.write(jobs.enqueue, "reap", {"what": "everything"})
            (job,) = await database.write(jobs.lease, "runner", 60, 1)
            await database.write(lambda conn: jobs.finish(conn, job, jobs.DEAD, error="it broke"))
        finally:
            await database.close()

    asyncio.run(let_a_job_die())
    (job,) = ask("job", "list", "--state", "dead")
    assert (job["kind"], job["attempts"], job["error"]) == ("reap", 1, "it broke")
    assert ask("job", "show", str(job["id"]))["payload"] == {"what": "everything"}
    assert ask("job", "retry", str(job["id"]))["state"] == "queued"
    assert ask("job", "list", "--state", "dead") == []
    assert refusal(run("job", "retry", str(job["id"]))) == "s3gw: only a job that has failed can be tried again\n"
    assert refusal(run("job", "show", "99")) == "s3gw: there is no job 99\n"
    assert "a state is one of" in refusal(run("job", "list", "--state", "odd"))
    assert "a kind is one of" in refusal(run("job", "list", "--kind", "odd"))


@pytest.mark.parametrize("words", ["user list", "key list", "bucket list", "job list", "operations", "config"])
def test_a_table_fits_100_columns(ask: Ask, run: Command, data: Path, words: str) -> None:
    ask("user", "create", "a" * 50, "--email", "a" * 60 + "@example.com", "--display-name", "A" * 60)
    ask("key", "create", "a" * 50, "--access-key-id", "K" * 128, "--description", "what it is for " * 9)
    ask("bucket", "create", "b" * 63, "--owner", "a" * 50)

    async def fail() -> None:
        database = open_database(None, data)
        await database.write(jobs.enqueue, "reap", {})
        (job,) = await database.write(jobs.lease, "runner", 60, 1)
        await database.write(lambda conn: jobs.finish(conn, job, jobs.DEAD, error="it broke " * 20))
        await database.close()

    asyncio.run(fail())
    lines = run(*words.split()).stdout.splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= 100


def test_operations_are_filtered_by_whether_they_are_served_and_by_name(ask: Ask, run: Command) -> None:
    of_state = {state: ask("operations", "--state", state) for state in ("works", "unused", "refused")}
    assert all(row["state"] == state for state, rows in of_state.items() for row in rows)
    assert sum(map(len, of_state.values())) == len(ask("operations"))
    assert ask("operations", "--served") == of_state["works"]
    unserved = ask("operations", "--unserved")
    assert {row["operation"] for row in unserved} == {
        row["operation"] for row in of_state["unused"] + of_state["refused"]
    }
    assert run("operations", "--state", "odd").exit_code == 2
    assert [row["operation"] for row in ask("operations", "getobjecttag")] == ["GetObjectTagging"]
    assert ask("operations", "getobjecttag", "--unserved") == []
    assert "'PutObjct'" in refusal(run("operations", "PutObjct"))


def test_a_command_that_is_misspelt_is_guessed(run: Command) -> None:
    assert "No such command 'users'. Did you mean 'user'?" in run("users", "list").stderr


def test_who_makes_a_key_is_told_that_its_secret_is_not_shown_again(run: Command) -> None:
    made = run("key", "create", "admin")
    assert made.stderr == "The secret access key isn't shown again: keep it.\n"
    assert run("key", "create", "admin", "--json").stderr == ""


def test_help_names_every_command() -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    for command in ("serve", "config", "operations", "user", "key", "bucket", "job"):
        assert f"  {command} " in text


def test_the_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"s3gw {importlib.metadata.version('s3gw')}\n")


@pytest.mark.parametrize("words", [("config",), ("user", "list"), ("key", "list", "admin"), ("job", "list")])
def test_a_misspelt_variable_is_warned_of_by_its_name_alone(
    run: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("S3GW_WORKER", "hunter2")
    monkeypatch.setenv("S3GW_NONSENSE", "hunter2")
    result = run(*words)
    assert result.exit_code == 0
    assert result.stderr == (
        "s3gw: S3GW_NONSENSE is no setting; `s3gw config` lists them\n"
        "s3gw: S3GW_WORKER is no setting; did you mean S3GW_WORKERS?\n"
    )
    assert "hunter2" not in result.stdout
    warnings = [json.loads(line) for line in run(*words, "--json").stderr.splitlines()]
    assert [list(warning) for warning in warnings] == [["warning"], ["warning"]]


@pytest.mark.parametrize("words", [("operations",), ("user", "list")])
def test_a_closed_pipe_ends_a_command_without_a_word(words: tuple[str, ...], data: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    where = (sys.executable, "-m", "s3gw", *words, "--data", str(data))
    done = subprocess.run(where, stdout=writes, stderr=subprocess.PIPE, timeout=60)
    os.close(writes)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_policy_is_put_for_somebody_and_is_somebody_s() -> None:
    def told(verb: str) -> str:
        return " ".join(CliRunner().invoke(app, ["policy", verb, "--help"]).stdout.split())

    assert "narrows what its user may do" in told("put")
    for verb in ("get", "list", "delete"):
        assert "Of this access key." in told(verb)
        assert "narrow" not in told(verb)


@pytest.mark.parametrize(
    "arguments",
    [
        ("audit", "list", "--limit", "1000001"),
        ("audit", "list", "--limit", "99999999999999999999"),
        ("job", "list", "--limit", "99999999999999999999"),
    ],
)
def test_a_number_that_the_database_has_not_is_refused_as_usage(run: Command, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2 and "Invalid value for" in result.stderr


def test_the_largest_numbers_are_taken(run: Command, ask: Ask) -> None:
    assert ask("audit", "list", "--limit", "1000000")
    assert "there is no job" in refusal(run("job", "retry", str(2**63 - 1)))
