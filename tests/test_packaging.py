"""What surrounds the package: dependencies, Makefile, container, CI, and that the README tells the truth."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

import s3gw
from tests.certificates import write_certificate
from tests.gateways import client_of
from tests.servers import ROOT_KEY, RunningServer, environment, running_server

ROOT = Path(__file__).parent.parent
ADMIN_PASSWORD = "an admin's long password"
TARGETS = {
    "help", "run", "check", "lint", "test", "coverage", "soak", "bench", "compat", "openapi", "docs", "image", "format",
    "clean", "screenshots",
}  # fmt: skip
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name)[0]).lower()


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def run_make(*arguments: str) -> str:
    """What make prints; as if it weren't make that has started these tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def imported_modules() -> set[str]:
    """Top-level names that s3gw imports when it runs: not for type checking only."""
    names = set()
    for path in (ROOT / "s3gw").rglob("*.py"):
        for node in without_type_checking(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(str(node.module).split(".")[0])
    return names - {"s3gw"} - sys.stdlib_module_names


def without_type_checking(tree: ast.AST) -> list[ast.AST]:
    found = [tree]
    for child in ast.iter_child_nodes(tree):
        is_for_types = isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING"
        found += [] if is_for_types else without_type_checking(child)
    return found


def test_what_the_package_imports_is_a_dependency() -> None:
    """Or of an extra, for what is imported only when somebody asks for it (telemetry, auth, events, previews)."""
    extras = PROJECT["optional-dependencies"]
    optional = ("sentry", "otel", "oidc", "redis", "amqp", "celery", "previews", "parquet", "remote")
    of_extras = [name for extra in optional for name in extras[extra]]
    declared = set(map(normalize, (*PROJECT["dependencies"], *of_extras)))
    distributions = packages_distributions()
    missing = {
        module
        for module in imported_modules()
        if not declared & {normalize(distribution) for distribution in distributions.get(module, ())}
    }
    # pydantic is what pydantic-settings is made of; click is Typer's, markupsafe Jinja's.
    assert missing <= {"pydantic", "click", "markupsafe"}


def test_whoever_develops_has_what_the_extras_need() -> None:
    extras = PROJECT["optional-dependencies"]
    assert {*extras["sentry"], *extras["otel"], *extras["previews"]} <= set(extras["dev"])


def test_versions_agree() -> None:
    assert PROJECT["version"] == s3gw.__version__
    assert f"## {s3gw.__version__}" in read("CHANGELOG.md")


def test_botocore_is_pinned_to_one_version() -> None:
    pins = [requirement for requirement in PROJECT["dependencies"] if normalize(requirement) == "botocore"]
    assert len(pins) == 1
    assert re.fullmatch(r"botocore==\d+\.\d+\.\d+", pins[0])


def test_the_package_is_typed() -> None:
    assert (ROOT / "s3gw" / "py.typed").is_file()


def test_make_help_lists_every_target() -> None:
    listed = run_make("help")
    assert {line.split()[0] for line in listed.splitlines()} == TARGETS


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_make_knows_what_a_target_does(target: str) -> None:
    assert run_make("--dry-run", target)


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "scripts").glob("*.sh")))
def test_a_script_is_valid_for_a_plain_shell(script: str) -> None:
    subprocess.run(["sh", "-n", f"scripts/{script}"], cwd=ROOT, capture_output=True, check=True)


def test_ci_runs_the_readmes_test_command_and_the_static_checks() -> None:
    script = read(".ci/run")
    assert re.search(r"^ *make test$", read("README.md"), re.MULTILINE)
    assert "make test" in script
    assert "make lint" in script
    subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT, check=True)


def test_ci_covers_every_supported_python_on_linux_and_macos() -> None:
    matrix = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]["test"]["strategy"]["matrix"]
    supported = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert matrix["python"] == supported
    assert {system.split("-")[0] for system in matrix["os"]} == {"ubuntu", "macos"}


def test_the_container_serves_as_a_user_without_rights_and_tells_its_health() -> None:
    instructions = [line.split(maxsplit=1) for line in read("Containerfile").splitlines() if line and line[0].isupper()]
    stages = [rest for name, rest in instructions if name == "FROM"]
    assert len(stages) == 2
    users = [rest for name, rest in instructions if name == "USER"]
    assert users
    assert users[-1] not in ("0", "root")
    assert "HEALTHCHECK" in {name for name, _ in instructions}


def test_the_container_is_built_from_what_the_wheel_needs_only() -> None:
    admitted = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
    assert admitted == {"LICENSE", "README.md", "migrations", "pyproject.toml", "s3gw"}


def test_compose_file_starts_what_the_settings_name() -> None:
    services = yaml.safe_load(read("deploy/compose.yaml"))["services"]
    assert set(services) == {"s3gw", "postgresql"}


def test_a_password_with_any_character_reaches_the_database_of_the_compose_file() -> None:
    environment = yaml.safe_load(read("deploy/compose.yaml"))["services"]["s3gw"]["environment"]
    assert "POSTGRES_PASSWORD" not in environment["S3GW_DATABASE_URL"]
    assert environment["PGPASSWORD"].startswith("${POSTGRES_PASSWORD:")


def test_nginx_listens_on_ipv6_too() -> None:
    assert "listen [::]:443 ssl;" in read("deploy/nginx.conf")


def test_the_containers_health_command_knows_tls(tmp_path: Path) -> None:
    assert 'CMD ["python", "-m", "s3gw.processes.health"]' in read("Containerfile")
    certificate, key = write_certificate(tmp_path, "server")
    options = ("--tls-cert", str(certificate), "--tls-key", str(key), "--workers", "1")
    command = [sys.executable, "-m", "s3gw.processes.health"]
    with running_server(tmp_path / "data", *options) as server:
        address = server.admin.removeprefix("https://")
        tls = {"S3GW_TLS_CERT": str(certificate), "S3GW_TLS_KEY": str(key)}
        for settings, outcome in ((tls, 0), ({}, 1)):
            known = environment(S3GW_ADMIN_LISTEN=address, PYTHONPATH=os.pathsep.join(sys.path), **settings)
            done = subprocess.run(command, cwd=tmp_path, env=known, capture_output=True)
            assert done.returncode == outcome, done.stderr


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """For what the README and the documents run."""
    data = tmp_path_factory.mktemp("documents") / "data"
    with running_server(data, "--workers", "1", S3GW_BUCKETS="pictures", S3GW_ROOT_PASSWORD=ADMIN_PASSWORD) as running:
        yield running


def blocks_of(name: str, language: str, server: RunningServer) -> list[str]:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", read(name), re.DOTALL | re.MULTILINE)
    addresses = {"http://127.0.0.1:9000": server.s3, "http://127.0.0.1:9001": server.admin}
    return [re.sub("|".join(addresses), lambda found: addresses[found[0]], block) for block in blocks]


def run_with_our_commands(source: str, *command: str, cwd: Path, **variables: str) -> str:
    """What it prints. Our commands and Python are those of the environment that it is told to make."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    known = environment(PATH=path, **variables)
    done = subprocess.run(command, input=source, cwd=cwd, env=known, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.soak  # twenty seconds
def test_the_examples_run_as_they_stand(server: RunningServer, tmp_path: Path) -> None:
    name = "docs/EXAMPLES.md"
    shell = "\n".join(blocks_of(name, "sh", server))
    variables = {"ADMIN_PASSWORD": ADMIN_PASSWORD, "S3GW_DATA": str(server.data)}
    printed = run_with_our_commands(shell, "bash", "-e", "-o", "pipefail", cwd=tmp_path, **variables)
    for told in (
        "The sea was warm.",
        "a code is needed",
        '"allowed":true',
        "it was changed meanwhile",
        '"error_code":"PRECONDITION_FAILED"',
    ):
        assert told in printed
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    keys = [line for line in lines if line["action"] == "key.create" and line["actor"] == "ada"]
    assert len(keys) == 4  # the repeated create was done once
    scripts = blocks_of(name, "python", server)
    assert len(scripts) == 2
    for script in scripts:
        run_with_our_commands(script, sys.executable, "-W", "ignore::ResourceWarning", "-", cwd=tmp_path)


def lines_of_readme(language: str) -> list[str]:
    blocks = re.findall(rf"```{language}\n(.*?)```", read("README.md"), re.DOTALL)
    return [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_the_readmes_lines_are_commands_that_there_are() -> None:
    lines = lines_of_readme("sh")
    commands = {line.split()[0] for line in lines if line[0] not in '{"' and line != "END"}  # without the documents
    assert commands == {"make", ".", "aws", "cat", "curl", "s3gw"}
    assert {line.split()[1] for line in lines if line.startswith("make ")} <= TARGETS
    assert not any("…" in line for line in lines), "a line that doesn't run as it stands"


def test_the_readmes_lines_for_clients_name_versions_that_fit_ours() -> None:
    (boto3,) = re.findall(r"pip install (boto3==[\d.]+)", read("README.md"))
    assert boto3 in PROJECT["optional-dependencies"]["dev"]


def test_the_readmes_lines_run_as_they_stand(server: RunningServer, tmp_path: Path) -> None:
    """In their order, from where `make run` has installed. aws and curl are programs of others: boto3 does the same."""
    lines = lines_of_readme("sh")
    assert lines[:2] == ["make run", ". .venv/bin/activate"]
    assert run_make("--dry-run", "run").splitlines()[-1].split()[:3] == ["exec", ".venv/bin/s3gw", "serve"]
    keys = {"AWS_ACCESS_KEY_ID": ROOT_KEY[0], "AWS_SECRET_ACCESS_KEY": ROOT_KEY[1], "AWS_REGION": "us-east-1"}
    ours = "\n".join(line for line in lines if line.split()[0] not in ("make", ".", "aws", "curl"))
    run_with_our_commands(ours, "bash", "-e", cwd=tmp_path, S3GW_DATA=str(server.data))
    source = "\n".join(blocks_of("README.md", "python", server))
    run_with_our_commands(source, sys.executable, "-", cwd=tmp_path, **keys)
    s3 = client_of(server)
    s3.delete_public_access_block(Bucket="pictures")
    s3.put_bucket_policy(Bucket="pictures", Policy=(tmp_path / "public.json").read_text())
    assert server.get(f"{server.s3}/pictures/hello") == (200, b"world")


def test_serving_installs_nothing_that_only_develops() -> None:
    makefile = read("Makefile")
    assert re.search(r"^run: \.venv/\.runtime ", makefile, re.MULTILINE)
    (recipe,) = re.findall(r"^\.venv/\.runtime:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert "pip install" in recipe
    assert "[dev]" not in recipe


def test_the_licence_is_apache_2() -> None:
    assert "Apache License" in read("LICENSE")
    assert PROJECT["license"] == "Apache-2.0"
