"""SIGKILL in the middle of a backup, a verification and a restore: nothing half made counts, and a repeat ends it.

S3GW_CRASH_ROUNDS says how often each is killed (once in `make test`, 40 times in `make soak`), S3GW_CRASH_SEED repeats
a run.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from s3gw.blob_store import open_blob_store
from s3gw.config import load_settings
from tests.backup.conftest import Made
from tests.backup.load import SETTINGS, Load
from tests.backup.restored import objects_of, put_master_key, rows_in, steps_of
from tests.cli.commands import asking, command
from tests.crash.storage import settle
from tests.postgresql import Server
from tests.servers import environment, running_server

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(params=[1, pytest.param(40, marks=pytest.mark.soak)])
def rounds(request: pytest.FixtureRequest) -> int:
    return int(os.environ.get("S3GW_CRASH_ROUNDS", request.param))


@pytest.fixture
def chance() -> random.Random:
    seed = os.environ.get("S3GW_CRASH_SEED") or secrets.token_hex(4)
    print(f"S3GW_CRASH_SEED={seed}")  # shown when the test fails
    return random.Random(seed)


def run(kill_at: int, *arguments: str, **settings: str) -> int:
    """How many steps there were; of a command that was killed, none."""
    program = [sys.executable, "-m", "tests.backup.killed", str(kill_at), "backup", *arguments]
    variables = environment(PYTHONPATH=os.pathsep.join(filter(None, sys.path)), **settings)
    done = subprocess.run(program, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, -signal.SIGKILL if kill_at else 0), done.stderr
    return int(done.stderr.splitlines()[-1]) if done.returncode == 0 else 0


@pytest.fixture(params=["folder", "store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.getfixturevalue("url") if request.param == "store" else tmp_path / "backup")


def require_whole(place: str) -> None:
    """That each of its snapshots is; there may be none, and no backup yet."""
    done = command()("backup", "verify", place, "--json")
    if done.exit_code:
        assert "no backup" in done.stderr, done.output
    else:
        assert json.loads(done.stdout)["bad"] == []


def where(data: Path, url: str | None) -> list[str]:
    return ["--data", str(data), *(["--database-url", url] if url else [])]


@pytest.mark.soak
def test_a_backup_that_is_killed_leaves_no_snapshot_and_the_next_one_is_whole(
    made: Made, place: str, tmp_path: Path, chance: random.Random, rounds: int
) -> None:
    ask = asking(command())
    steps = run(0, "create", f"{place}-other", *where(made.data, made.url))
    for _ in range(rounds):
        run(chance.randint(1, steps), "create", place, *where(made.data, made.url))
        require_whole(place)
    run(0, "create", place, *where(made.data, made.url))
    assert ask("backup", "verify", place)["bad"] == []
    asking(command(*where(tmp_path / "data", None)))("backup", "restore", place)
    rows = rows_in(None, tmp_path / "data")
    assert {name: rows[name] for name in ("objects", "contents", "users")} == {
        name: made.rows[name] for name in ("objects", "contents", "users")
    }
    put_master_key(made.data, tmp_path / "data")
    assert settle(tmp_path / "data") == []
    assert settle(made.data, made.url) == []  # nothing is held up by those that were killed


@pytest.mark.soak
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_backups_that_are_killed_beside_a_server_under_load_hold_up_nothing(
    engine: str, disk_path: Path, chance: random.Random, postgresql: Server
) -> None:
    url = postgresql.url(postgresql.create_database()) if engine == "postgresql" else None
    data, place, ask = disk_path / "data", str(disk_path / "backup"), asking(command())
    settings = SETTINGS | ({"S3GW_DATABASE_URL": url} if url else {})
    with running_server(data, "--workers", "1", **settings) as server:
        load = Load(server.s3)
        with load.running():
            load.await_steps(8)
            steps = run(0, "create", str(disk_path / "other"), *where(data, url))
            for _ in range(int(os.environ.get("S3GW_CRASH_ROUNDS", "40"))):
                run(chance.randint(1, steps), "create", place, *where(data, url))
            first = list(load.done)
            run(0, "create", place, *where(data, url))
            last = list(load.done)
    assert ask("backup", "verify", place)["bad"] == []
    asking(command(*where(disk_path / "new", None)))("backup", "restore", place)
    put_master_key(data, disk_path / "new")
    assert None not in steps_of(asyncio.run(objects_of(disk_path / "new", None)), first, last)
    assert settle(disk_path / "new") == []
    assert settle(data, url) == []


@pytest.fixture
def target(made: Made, postgresql: Server) -> Iterator[str | None]:
    """An empty database of the kind that the backup is of."""
    if made.url is None:
        yield None
        return
    name = postgresql.create_database("template0")
    yield postgresql.url(name)
    postgresql.drop_database(name)


def restore_in_spite_of_kills(
    place: str, data: Path, target: str | None, chance: random.Random, rounds: int, **settings: str
) -> None:
    other = data.with_name("other")
    steps = run(0, "restore", place, *where(other, f"sqlite:///{other}.db"))
    for _ in range(rounds):
        if run(chance.randint(1, steps), "restore", place, *where(data, target), **settings) or has_restored(data):
            return
    run(0, "restore", place, *where(data, target), **settings)


def has_restored(data: Path) -> bool:
    """One that was killed behind its last step has."""
    if (data / "restoring").exists():
        return False
    with closing(open_blob_store(load_settings(data=data))) as store:
        return store.identity() is not None


@pytest.mark.soak
def test_a_restore_that_is_killed_is_gone_on_with(
    made: Made, target: str | None, tmp_path: Path, chance: random.Random, rounds: int
) -> None:
    data = tmp_path / "data"
    restore_in_spite_of_kills(str(made.place), data, target, chance, rounds)
    assert rows_in(target, data) == made.rows
    put_master_key(made.data, data)
    assert asyncio.run(objects_of(data, target))
    assert settle(data, target) == []


@pytest.mark.soak
def test_a_restore_from_a_store_to_another_that_is_killed_is_gone_on_with(
    made: Made,
    target: str | None,
    url: str,
    backing_store: str,
    tmp_path: Path,
    chance: random.Random,
    rounds: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, chunks = tmp_path / "data", {"S3GW_BLOBS": f"{url}-chunks", "S3GW_BLOBS_ENDPOINT": backing_store}
    run(0, "create", url, *where(made.data, made.url))
    for name, value in chunks.items():
        monkeypatch.setenv(name, value)
    restore_in_spite_of_kills(url, data, target, chance, rounds, **chunks)
    put_master_key(made.data, data)
    restored = asyncio.run(objects_of(data, target))
    assert settle(data, target) == []
    for name in chunks:
        monkeypatch.delenv(name)
    assert restored == asyncio.run(objects_of(made.data, made.url)) != {}


def test_a_verification_that_is_killed_changes_nothing(made: Made, chance: random.Random, rounds: int) -> None:
    def files() -> set[Path]:
        return {path for path in made.place.rglob("*") if path.is_file()}

    before = files()
    program = [sys.executable, "-m", "s3gw", "backup", "verify", str(made.place)]
    for _ in range(rounds):
        with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.DEVNULL) as running:
            try:
                running.wait(chance.uniform(0.3, 1.0))
            except subprocess.TimeoutExpired:
                running.kill()
    assert files() == before
    assert asking(command())("backup", "verify", str(made.place))["bad"] == []
