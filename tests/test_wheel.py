"""Builds the wheel, installs it into an empty environment in another folder, and serves from it.

Takes the way of a stranger: nothing of the checkout is on the path, so a file that the wheel lacks (a migration, an
asset) shows. In the soak nothing of this environment is either, so a dependency that it lacks does too: to install
them all takes a minute, and tests/test_packaging.py compares what is imported with what is declared.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

ROOT = Path(__file__).parent.parent
MINUTES = 60.0


def clean_environment(**settings: str) -> dict[str, str]:
    """This process's environment without what would lead back to it."""
    ours = ("PYTHON", "COVERAGE", "COV_", "S3GW_", "VIRTUAL_ENV", "AWS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | settings


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=clean_environment(), capture_output=True, text=True, timeout=8 * MINUTES
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module", params=["borrowed", pytest.param("its own", marks=pytest.mark.soak)])
def environment(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that has the wheel and its dependencies, and nothing else.

    Borrowed dependencies are those of the tests: a line of a .pth file adds the folder, but not what is installed
    there as editable.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    programs = folder / "bin"
    install = ["install", "--quiet", "--no-compile", "--disable-pip-version-check", wheel]
    if request.param == "borrowed":
        install.append("--no-deps")
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(sys.executable, "-m", "pip", "--python", programs / "python", *install, cwd=folder)
    return programs


@pytest.fixture
def server(environment: Path, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A server that was started in an empty folder, and what it said when it was ready."""
    settings = clean_environment(
        S3GW_ROOT_ACCESS_KEY_ID="AKIAWHEEL", S3GW_ROOT_SECRET_ACCESS_KEY="a-secret-of-the-test"
    )
    command = [environment / "s3gw", "serve", "--data", "data", "--workers", "1", "--json"]
    command += ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
    command += ["--share-listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, cwd=tmp_path, env=settings, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=MINUTES) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_an_installed_wheel_is_complete_and_serves(
    wheel: Path, environment: Path, server: dict[str, Any], tmp_path: Path
) -> None:
    """One test: in parallel, each of several would build and install its own."""
    holds_code_migrations_and_licence_and_nothing_else(wheel)
    where = "import s3gw; print(s3gw.__file__)"
    assert str(environment.parent) in run(environment / "python", "-P", "-c", where, cwd=tmp_path)
    assert len(json.loads(run(environment / "s3gw", "operations", "--json", cwd=tmp_path))) == 118
    serves(server)


def holds_code_migrations_and_licence_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"s3gw"}
    packed = {name for name in names if name.startswith("s3gw/_migrations/")}
    tree = [path for path in (ROOT / "migrations").rglob("*") if path.is_file() and path.suffix in (".py", ".mako")]
    assert packed == {f"s3gw/_migrations/{path.relative_to(ROOT / 'migrations')}" for path in tree}
    assert "s3gw/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.endswith((".pyc", ".db")) for name in names)


def serves(server: dict[str, Any]) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=server["s3"],
        region_name="us-east-1",
        aws_access_key_id="AKIAWHEEL",
        aws_secret_access_key="a-secret-of-the-test",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )
    with_chunks = os.urandom(3 << 20)
    client.create_bucket(Bucket="wheel")
    client.put_object(Bucket="wheel", Key="small", Body=b"inline")
    client.put_object(Bucket="wheel", Key="large", Body=with_chunks)
    assert client.get_object(Bucket="wheel", Key="small")["Body"].read() == b"inline"
    assert client.get_object(Bucket="wheel", Key="large")["Body"].read() == with_chunks
    assert [item["Key"] for item in client.list_objects_v2(Bucket="wheel")["Contents"]] == ["large", "small"]
    client.close()
