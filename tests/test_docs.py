"""What docs/ says of the code is true: generated parts, settings, commands, routes and links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from s3gw.api.app import ROUTERS
from s3gw.api.openapi import routes_of
from s3gw.cli import app
from s3gw.config import Settings
from s3gw.jobs.places import OF_PRIORITY
from s3gw.metadata.job_kinds import PRIORITIES
from tests.generated_docs import DOCS, SECTIONS, renewed

PAGES = [
    "API.md",
    "AUTHENTICATION.md",
    "DEPLOYMENT.md",
    "EXAMPLES.md",
    "JOBS.md",
    "SCANNING.md",
    "SCRUB.md",
    "backup.md",
]


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_jobs_are_told_with_their_priorities() -> None:
    told = re.findall(r"^\| `(\w+)` \| (\w+) \|", read("JOBS.md"), re.MULTILINE)
    assert dict(told) == {kind: priority.name.lower() for kind, priority in PRIORITIES.items()}
    places = re.search(r"in each job process \(([^)]*)\)", read("JOBS.md"))
    assert places is not None
    assert places[1] == ", ".join(f"{priority.name.lower()} {most}" for priority, most in OF_PRIORITY.items())


def anchor(heading: str) -> str:
    """As GitHub names it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("name", SECTIONS)
def test_the_generated_parts_are_those_of_the_code(name: str) -> None:
    assert read(name) == renewed(name), "make docs"


@pytest.mark.parametrize("name", PAGES)
def test_every_setting_that_is_named_is_one(name: str) -> None:
    known = {f"S3GW_{field.upper()}" for field in Settings.model_fields}
    named = set(re.findall(r"S3GW_[A-Z0-9_]+[A-Z0-9]", read(name)))
    assert {setting.removesuffix("_FILE") if setting not in known else setting for setting in named} <= known


@pytest.mark.parametrize("name", PAGES)
def test_every_command_that_is_named_is_one(name: str) -> None:
    for given in re.findall(r"(?:^|[`( ])s3gw ((?:[a-z-]+ ?)+)", "\n".join(code_of(name)), re.MULTILINE):
        command: Any = typer.main.get_command(app)
        for word in given.split():
            if not hasattr(command, "get_command"):
                break  # the rest are its arguments
            command = command.get_command(typer.Context(command), word)
            assert command is not None, f"s3gw {given}"


def code_of(name: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", read(name), re.DOTALL) + re.findall(r"`(s3gw [^`]+)`", read(name))


@pytest.mark.parametrize("name", PAGES)
def test_every_route_that_is_named_is_one(name: str) -> None:
    known = {(method, path) for method, path, _ in routes_of(ROUTERS)}
    named = set(re.findall(r"`(GET|POST|PUT|DELETE) (?:/api/v1)?(/[a-z][^`?]*)", read(name)))
    assert named <= known


@pytest.mark.parametrize("name", [*PAGES, "../README.md"])
def test_every_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\((?!http)([^)]+)\)", read(name)):
        file, _, heading = target.partition("#")
        page = Path(DOCS / name).parent / file if file else DOCS / name
        assert page.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in map(anchor, headings), target
