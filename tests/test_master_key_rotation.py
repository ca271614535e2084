"""Another master key takes the place of the one that counts: whatever it is interrupted in, a repeat finishes it."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import LargeBinary, select, update

from s3gw.accounts.audit import verify_now
from s3gw.auth import key_file
from s3gw.auth.audit_key import audit_key
from s3gw.auth.credentials import Credentials
from s3gw.auth.key_file import load_master_keys, open_keyring, replace_keys
from s3gw.auth.master_key import Keyring, MasterKeyError, key_id
from s3gw.config import Settings, load_settings
from s3gw.jobs.seal_audit_log import seal_all
from s3gw.master_key_rotation import add, rotate
from s3gw.metadata import event_targets, identities, master_keys, processes
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.schema import access_keys, metadata, users
from s3gw.processes.first_start import check_master_key
from s3gw.token_keys import TokenKeys
from tests.cli.commands import beside
from tests.gateways import client_of
from tests.servers import RunningServer

ROOT = Path(__file__).parent.parent
SECRET = "a-secret-of-the-test"
_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from s3gw.config import load_settings
from s3gw.master_key_rotation import rotate
from s3gw.metadata.engines import open_database

async def main():
    settings = load_settings(data=Path(sys.argv[1]))
    steps = rotate(open_database(sys.argv[2], settings.data), settings)
    for _ in range(int(sys.argv[3])):
        print((await anext(steps)).name, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.fixture
async def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A store with a key file, in which everything that can be sealed is, and a sealed audit log."""
    monkeypatch.chdir(tmp_path)
    settings = load_settings(data=tmp_path)
    keys = open_keyring(settings, create=True)
    credentials = Credentials(keys)

    def fill(conn: Connection) -> None:
        master_keys.adopt(conn, keys.first)
        user = identities.create_user(conn, name="owner")
        conn.execute(update(users).values(sealed_totp=credentials.seal_in(conn, f"totp/{user.id}", "totp-secret")))
        for number in range(3):
            sealed = credentials.seal_in(conn, f"AKIA{number}", SECRET)
            identities.create_key(conn, user="owner", access_key_id=f"AKIA{number}", sealed_secret=sealed)
        sealed = credentials.seal_in(conn, "event-target/t", SECRET)
        event_targets.create(conn, "t", user.id, "hook", "webhook", "https://example.com", sealed, False)

    await database.write(fill)
    await TokenKeys(database, credentials).rotate(COMMAND_LINE)
    await seal_all(database, keys)
    return settings


async def require_all_of(database: Database, settings: Settings, *others: Keyring) -> None:
    """Everything is read, and the log verified, with the keys of the file and with those of processes that run."""
    for keys in (open_keyring(settings), *others):
        for column in master_keys.SEALED:
            rows = await database.read(lambda conn, c=column: conn.execute(select(c.id, c.sealed)).all())
            assert rows
            for row_id, sealed in rows:
                assert Credentials(keys).open(column.bound_to(row_id), bytes(sealed)).secret
        await check_master_key(database, keys)
        assert (await verify_now(database, keys)).faults == []


def ids_of(settings: Settings) -> list[str]:
    return [key_id(key).hex() for key in load_master_keys(settings.data / "master.key")]


@pytest.mark.anyio
async def test_everything_is_sealed_under_the_new_key_and_the_old_one_leaves_the_file(
    database: Database, settings: Settings
) -> None:
    running, (old,) = open_keyring(settings), load_master_keys(settings.data / "master.key")
    steps = [step async for step in rotate(database, settings)]
    assert [step.name for step in steps] == ["added", "counts", "sealed", "removed"]
    assert steps[2].values == 6
    assert ids_of(settings) == [steps[0].key_id]
    await require_all_of(database, settings, running)
    assert await database.read(master_keys.count_under_others, steps[0].key_id) == 0
    with pytest.raises(MasterKeyError, match="another master key"):
        await check_master_key(database, Keyring(old))
    assert {path.name for path in settings.data.glob("*master*")} | {
        path.name for path in settings.data.glob(".*master*")
    } == {"master.key"}


@pytest.mark.anyio
@pytest.mark.parametrize("taken", [1, 2, 3])
async def test_a_rotation_that_is_killed_after_any_step_leaves_what_is_read_and_is_finished_by_a_repeat(
    database: Database, database_url: str, settings: Settings, taken: int
) -> None:
    running = open_keyring(settings)
    command = [sys.executable, "-c", _KILLED, str(settings.data), database_url, str(taken)]
    killed = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    await require_all_of(database, settings, running)
    rest = [step async for step in rotate(database, settings)]
    done = [*killed.stdout.split(), *(step.name for step in rest)]
    assert list(dict.fromkeys(done)) == ["added", "counts", "sealed", "removed"]
    assert len(ids_of(settings)) == 1
    await require_all_of(database, settings, running)


@pytest.mark.anyio
@pytest.mark.parametrize("call", ["rename", "fsync", "chown"])
async def test_a_file_that_can_not_be_replaced_is_as_it_was(
    database: Database, settings: Settings, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(key_file.os, "geteuid", lambda: 1)  # so that the owner has to be kept
    monkeypatch.setattr(key_file.os, call, fail)
    before = ids_of(settings)
    with pytest.raises(MasterKeyError, match=r"can't be replaced: Read-only file system; nothing was changed"):
        await anext(rotate(database, settings))
    monkeypatch.undo()
    assert ids_of(settings) == before
    await require_all_of(database, settings)


@pytest.mark.anyio
async def test_who_still_has_the_old_key_alone_seals_nothing_under_it(database: Database, settings: Settings) -> None:
    """The transaction asks which key counts: else its secret would be lost when the old key leaves the file."""
    running = Credentials(open_keyring(settings))
    cut_off = Credentials(Keyring(*load_master_keys(settings.data / "master.key")))
    _ = [step async for step in rotate(database, settings)]
    sealed = await database.write(lambda conn: running.seal_in(conn, "AKIANEW", SECRET))
    assert Credentials(open_keyring(settings)).open("AKIANEW", sealed).secret == SECRET
    with pytest.raises(MasterKeyError, match="another master key"):
        await database.write(lambda conn: cut_off.seal_in(conn, "AKIANEW", SECRET))


@pytest.mark.anyio
async def test_a_secret_that_is_being_stored_while_the_key_changes_is_sealed_anew_too(
    database: Database, settings: Settings
) -> None:
    """The rotation waits for the transaction, which has read which key counts and isn't committed yet."""
    credentials, has_sealed = Credentials(open_keyring(settings)), threading.Event()

    def store(conn: Connection) -> None:
        sealed = credentials.seal_in(conn, "AKIASLOW", SECRET)
        has_sealed.set()
        time.sleep(1)
        identities.create_key(conn, user="owner", access_key_id="AKIASLOW", sealed_secret=sealed)

    storing = asyncio.create_task(database.write(store))
    assert await asyncio.to_thread(has_sealed.wait, 60)
    _ = [step async for step in rotate(database, settings)]
    await storing
    assert len(ids_of(settings)) == 1
    await require_all_of(database, settings)


def test_a_request_that_has_read_a_value_reads_it_though_the_old_key_has_left_the_file(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    old = load_master_keys(file)
    read_before = Credentials(Keyring(*old)).seal("AKIA1", SECRET)
    running = Credentials(Keyring(*old, read=lambda: load_master_keys(file)))
    replace_keys(file, [b"n" * 32])
    assert running.open("AKIA2", Credentials(b"n" * 32).seal("AKIA2", "other")).secret == "other"
    assert running.open("AKIA1", read_before).secret == SECRET


@pytest.mark.anyio
async def test_secrets_that_were_sealed_before_there_were_ids_are_sealed_anew(
    database: Database, settings: Settings
) -> None:
    this = access_keys.c.access_key_id == "AKIA0"

    def strip(conn: Connection) -> None:
        sealed = conn.execute(select(access_keys.c.sealed_secret).where(this)).scalar_one()
        conn.execute(update(access_keys).where(this).values(sealed_secret=bytes(sealed)[8:]))

    await database.write(strip)
    await require_all_of(database, settings)
    _ = [step async for step in rotate(database, settings)]
    await require_all_of(database, settings)


@pytest.mark.anyio
async def test_a_foreign_key_file_is_refused_and_nothing_is_changed(database: Database, settings: Settings) -> None:
    file = settings.data / "master.key"
    (own,) = load_master_keys(file)
    replace_keys(file, [b"f" * 32])
    for change in (add(database, settings), anext(rotate(database, settings))):
        with pytest.raises(MasterKeyError, match=r"sealed under another master key, .* than .*: check S3GW_MASTER_KEY"):
            await change
    assert load_master_keys(file) == (b"f" * 32,)
    replace_keys(file, [own])
    await require_all_of(database, settings)


@pytest.mark.anyio
async def test_a_secret_that_no_key_opens_keeps_the_old_keys(database: Database, settings: Settings) -> None:
    lost = Credentials(b"l" * 32).seal("AKIA1", SECRET)
    this = access_keys.c.access_key_id == "AKIA1"
    await database.write(lambda conn: conn.execute(update(access_keys).where(this).values(sealed_secret=lost)).rowcount)
    with pytest.raises(MasterKeyError, match="the secret of AKIA1 was sealed under another master key"):
        _ = [step async for step in rotate(database, settings)]
    assert len(ids_of(settings)) == 2


@pytest.mark.anyio
async def test_two_commands_do_not_change_the_file_at_once(database: Database, settings: Settings) -> None:
    with (
        key_file.locked(settings.data / "master.key"),
        pytest.raises(MasterKeyError, match="another command changes"),
    ):
        await anext(rotate(database, settings))
    assert len(ids_of(settings)) == 1


@pytest.mark.anyio
async def test_on_several_machines_the_key_is_added_and_copied_first(database: Database, settings: Settings) -> None:
    await database.write(processes.register, "other", "worker", "another-machine", 1)
    with pytest.raises(MasterKeyError, match=r"another-machine.*`s3gw master-key add`, copy"):
        await anext(rotate(database, settings))
    added = await add(database, settings)
    with pytest.raises(MasterKeyError, match=r"a new key is in .* already"):
        await add(database, settings)
    steps = [step async for step in rotate(database, settings)]
    assert [(step.name, step.key_id) for step in steps] == [(name, added) for name in ("counts", "sealed", "removed")]


@pytest.mark.anyio
async def test_keys_in_the_settings_are_rotated_by_who_sets_them(database: Database, settings: Settings) -> None:
    (old,) = load_master_keys(settings.data / "master.key")
    given = base64.b64encode(old).decode()
    with pytest.raises(MasterKeyError, match="set that to NEW,OLD on every machine"):
        await anext(rotate(database, settings.model_copy(update={"master_key": given})))
    both = settings.model_copy(update={"master_key": f"{os.urandom(32).hex()},{given}"})
    assert [step.name async for step in rotate(database, both)] == ["counts", "sealed"]
    await require_all_of(database, both)


def test_every_sealed_column_is_among_those_that_are_sealed_anew() -> None:
    sealed = {
        column
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.name.startswith("sealed")
    }
    assert sealed == {column.sealed for column in master_keys.SEALED}


def test_the_audit_log_has_another_key_than_secrets() -> None:
    assert audit_key(b"k" * 32) != b"k" * 32


def test_both_workers_serve_signed_requests_and_tokens_while_the_key_is_rotated(server: RunningServer) -> None:
    ask = beside(server)
    api = httpx.Client(base_url=f"{server.admin}/api/v1", timeout=60)
    ask("user", "create", name := f"rotated-{os.getpid()}", "--role", "admin", "--password", "correct horse battery")
    login = {"username": name, "password": "correct horse battery"}
    bearer = {"Authorization": f"Bearer {api.post('/users/login', json=login).json()['access_token']}"}
    stop, faults, count = threading.Event(), list[Any](), 0

    def serve() -> None:
        nonlocal count
        while not stop.is_set():
            try:
                for headers in (bearer, bearer | {"Connection": "close"}):  # other connections, other workers
                    made = api.post("/keys", json={}, headers=headers)
                    assert made.status_code == 201, made.text
                    with closing(
                        client_of(server, (made.json()["access_key_id"], made.json()["secret_access_key"]))
                    ) as new:
                        new.list_buckets()
                    assert api.delete(f"/keys/{made.json()['access_key_id']}", headers=headers).status_code == 204
                with closing(client_of(server)) as s3:
                    s3.list_buckets()
            except Exception as fault:
                faults.append(fault)
            count += 1

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        first, second = (ask("master-key", "rotate") for _ in range(2))
        wanted = count + 3
        while count < wanted and not faults:
            time.sleep(0.05)
    finally:
        stop.set()
        thread.join()
        api.close()
    assert faults == []
    assert first["key"] != second["key"] and second["sealed"] >= 2
    assert ask("master-key", "list") == {
        "keys": [{"key": second["key"], "counts": True, "is_known": True}], "sealed_under_others": 0,
    }  # fmt: skip
    assert ask("audit", "verify")["faults"] == []
    ask("audit", "verify", "--head", second["audit_head"])
    (line, *_) = ask("audit", "list", "--action", "master_key.rotate")
    assert (line["before"]["key"], line["after"]["key"]) == (first["key"], second["key"])


def test_a_file_of_more_than_4096_bytes_is_none(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    line = base64.b64encode(b"k" * 32) + b"\n"
    file.write_bytes(line.ljust(4096))
    file.chmod(0o600)
    assert load_master_keys(file) == (b"k" * 32,)
    file.write_bytes(line.ljust(4097))
    with pytest.raises(MasterKeyError, match="more than 4096 bytes"):
        load_master_keys(file)
