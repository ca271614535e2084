"""No limit without a test: what tests/test_limits.py says it tests, and where it says the others are, is all that there
is.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from s3gw import config
from tests.test_limits import ELSEWHERE, TESTED

ROOT = Path(__file__).parent.parent
_ROOMS = (
    ".",
    "access",
    "archives",
    "auth",
    "console",
    "events",
    "manifests",
    "metadata",
    "operations",
    "previews",
    "reports",
    "s3",
)
_ROOMS += ("scanning", "share", "wire")


def settings_in_sections_named(beginning: str) -> Iterator[str]:
    section = ""
    for line in inspect.getsource(config.Settings).splitlines():
        if comment := re.fullmatch(r"    # (.*)", line):
            section = comment[1]
        elif (field := re.match(r"    (\w+): ", line)) and section.startswith(beginning):
            yield field[1]


def constants(name: re.Pattern[str]) -> Iterator[str]:
    for path in (path for folder in _ROOMS for path in (ROOT / "s3gw" / folder).glob("*.py")):
        module = ".".join(path.relative_to(ROOT / "s3gw").with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for assigned in node.targets if isinstance(node, ast.Assign) else []:
                if isinstance(assigned, ast.Name) and name.match(assigned.id):
                    yield f"{module}.{assigned.id}"


def test_every_limit_among_the_settings_has_a_test() -> None:
    limits = set(settings_in_sections_named("Limits of")) | {"clock_skew"}
    assert {"inline_limit", "max_put", "max_xml_body", "shutdown_timeout"} < limits < set(config.Settings.model_fields)
    assert limits - TESTED - set(ELSEWHERE) == set()


def test_every_limit_among_the_constants_has_a_test() -> None:
    limits = set(constants(re.compile("_?(MAX|MIN|MOST|LARGEST|LONGEST)(_|$)")))
    assert {"wire.decode._MOST_ITEMS", "names.MAX_KEY_BYTES"} < limits
    assert limits - TESTED - set(ELSEWHERE) == set()


def test_what_is_said_to_be_tested_is_there() -> None:
    known = set(config.Settings.model_fields)
    known |= set(constants(re.compile("_?[A-Z]")))
    assert TESTED | set(ELSEWHERE) <= known
