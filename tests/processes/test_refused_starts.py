"""Starts that are refused: one line that says what to do, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from s3gw.config import load_settings
from s3gw.processes.first_start import prepare
from tests.certificates import write_certificate
from tests.servers import RunningServer, environment, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("refused") / "data", "--workers", "1") as server:
        yield server


def first_start(data: Path) -> None:
    """What it leaves, without processes."""
    asyncio.run(prepare(load_settings(data=data)))


def serve(data: Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A server that is expected not to start."""
    command = [sys.executable, "-m", "s3gw", "serve", "--data", str(data), "--listen", "127.0.0.1:0"]
    return subprocess.run(
        [*command, "--admin-listen", "127.0.0.1:0", "--share-listen", "127.0.0.1:0", "--workers", "1", *options],
        cwd=next(folder for folder in data.parents if folder.is_dir()),
        env=environment(PYTHONPATH=os.pathsep.join(sys.path), **settings),
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("data", ["file", "file/data"])
def test_a_folder_that_can_not_be_used_is_one_line(tmp_path: Path, data: str) -> None:
    (tmp_path / "file").touch()
    refused = serve(tmp_path / data)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)


def test_a_second_server_on_the_same_data_folder_is_refused(server: RunningServer) -> None:
    """That it is the folder is told before that its port is taken too."""
    refused = serve(Path(server.facts["data"]), "--listen", urlsplit(server.s3).netloc)
    assert refused.returncode == 1
    assert re.fullmatch(rf"s3gw: .* in use by another s3gw server \(process {server.process.pid}\).*\n", refused.stderr)


def test_a_port_that_is_taken_is_refused(server: RunningServer, tmp_path: Path) -> None:
    refused = serve(tmp_path / "data", "--listen", urlsplit(server.s3).netloc, "--json")
    assert refused.returncode == 1
    assert refused.stderr.startswith('{"error": "can\'t listen on ')
    assert "Address already in use; choose another by --listen (S3GW_LISTEN)" in refused.stderr
    assert not (tmp_path / "data").exists()


def test_a_database_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    refused = serve(tmp_path / "data", "--database-url", "postgresql://nobody@127.0.0.1:1/none")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert refused.stderr.splitlines()[-1].startswith("s3gw: ")


def test_another_master_key_is_refused(tmp_path: Path) -> None:
    first_start(tmp_path / "data")
    refused = serve(tmp_path / "data", S3GW_MASTER_KEY="00" * 32)
    assert refused.returncode == 1
    assert "sealed under another master key" in refused.stderr


def test_a_wrong_bucket_name_is_refused(tmp_path: Path) -> None:
    refused = serve(tmp_path / "data", S3GW_BUCKETS="Not_A_Bucket")
    assert refused.returncode == 1
    assert refused.stderr == "s3gw: S3GW_BUCKETS: Not_A_Bucket can't be the name of a bucket\n"


@pytest.mark.parametrize(
    ("options", "settings", "names"),
    [
        pytest.param(("--listen", "192.0.2.1:1"), {}, "--listen (S3GW_LISTEN)", marks=pytest.mark.soak),
        pytest.param(
            ("--admin-listen", "192.0.2.1:1"), {}, "--admin-listen (S3GW_ADMIN_LISTEN)", marks=pytest.mark.soak
        ),
        (("--data", "file/data"), {}, "--data (S3GW_DATA)"),
        pytest.param(
            ("--database-url", "sqlite:///folder"), {}, "--database-url (S3GW_DATABASE_URL)", marks=pytest.mark.soak
        ),
        (("--database-url", "sqlite:///text"), {}, "--database-url (S3GW_DATABASE_URL)"),
        pytest.param(
            ("--database-url", "postgresql://a@127.0.0.1:1/a"),
            {},
            "--database-url (S3GW_DATABASE_URL)",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            ("--database-url", "postgresql://a@b:c/d"), {}, "--database-url (S3GW_DATABASE_URL)", marks=pytest.mark.soak
        ),
        pytest.param(("--database-url", "mysql://a"), {}, "--database-url (S3GW_DATABASE_URL)", marks=pytest.mark.soak),
        pytest.param(("--tls-cert", "none", "--tls-key", "none"), {}, "--tls-cert", marks=pytest.mark.soak),
        ((), {"S3GW_MASTER_KEY": "short"}, "S3GW_MASTER_KEY"),
        pytest.param((), {"S3GW_MASTER_KEY_FILE": "nowhere/key"}, "S3GW_MASTER_KEY_FILE", marks=pytest.mark.soak),
        pytest.param((), {"S3GW_MASTER_KEY_FILE": "folder"}, "S3GW_MASTER_KEY_FILE", marks=pytest.mark.soak),
        pytest.param((), {"S3GW_ROOT_USER": "a b"}, "S3GW_ROOT_USER", marks=pytest.mark.soak),
        pytest.param((), {"S3GW_ROOT_EMAIL": "nowhere"}, "S3GW_ROOT_EMAIL", marks=pytest.mark.soak),
        ((), {"S3GW_ROOT_PASSWORD": "password1"}, "S3GW_ROOT_PASSWORD: the password is one of those"),
        pytest.param(
            (),
            {"S3GW_ROOT_ACCESS_KEY_ID": "AKIA", "S3GW_ROOT_SECRET_ACCESS_KEY": "x"},
            "S3GW_ROOT_SECRET_ACCESS_KEY",
            marks=pytest.mark.soak,
        ),
        pytest.param((), {"S3GW_BUCKETS": "Not_A_Bucket"}, "S3GW_BUCKETS", marks=pytest.mark.soak),
    ],
)
def test_a_refused_start_is_one_line_that_names_the_setting_and_leaves_nothing_behind(
    tmp_path: Path, options: tuple[str, ...], settings: dict[str, str], names: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "text").write_text("no database\n" * 1000)
    (tmp_path / "folder").mkdir()
    refused = serve(tmp_path / "deep" / "data", *options, **settings)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.startswith("s3gw: ")
    assert names in refused.stderr
    assert "[Errno" not in refused.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "text"]


@pytest.mark.soak
def test_what_was_in_a_folder_stays_after_a_refused_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "mine").touch()
    assert serve(data, S3GW_ROOT_USER="a b").returncode == 1
    assert (data / "mine").exists()
    with running_server(tmp_path / "store", "--workers", "1"):
        pass
    before = sorted((tmp_path / "store").iterdir())
    assert serve(tmp_path / "store", S3GW_MASTER_KEY="00" * 32).returncode == 1
    assert sorted((tmp_path / "store").iterdir()) == before


def test_a_certificate_that_can_not_be_used_is_refused(tmp_path: Path) -> None:
    certificate, _ = write_certificate(tmp_path, "one")
    _, key = write_certificate(tmp_path, "other")
    refused = serve(tmp_path / "data", "--tls-cert", str(certificate), "--tls-key", str(key))
    assert refused.returncode == 1
    assert refused.stderr.startswith("s3gw: the TLS certificate or its key (--tls-cert, ")


def test_a_refusal_is_told_in_the_form_of_the_log(tmp_path: Path) -> None:
    refused = serve(tmp_path / "data", "--database-url", "sqlite:nonsense", S3GW_LOG_FORMAT="json")
    assert json.loads(refused.stderr)["level"] == "error"
