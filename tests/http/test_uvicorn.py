"""Holds what we override of uvicorn's private classes to the source that it was written against.

The table of what is overridden, why, and which test shows it is the docstring of s3gw/http/__init__.py.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

import s3gw.http
from s3gw.http.connection import Connection
from s3gw.http.exchange import HttpExchange

ROOT = Path(__file__).parent.parent.parent
OURS = {HttpToolsProtocol: Connection, RequestResponseCycle: HttpExchange}

# The first digits of SHA-256 of the source of what is overridden, and of `__init__`, whose attributes we use.
SOURCES = {
    "HttpToolsProtocol.__init__": "4f08999410347141",
    "HttpToolsProtocol.connection_made": "6efb565ff3d36b91",
    "HttpToolsProtocol.connection_lost": "c91a4c9bf2e29c55",
    "HttpToolsProtocol.data_received": "010a7ae59a5d3b1a",
    "HttpToolsProtocol.on_message_begin": "96d377fdc7c2baef",
    "HttpToolsProtocol.on_header": "65d62c044f61fdbd",
    "HttpToolsProtocol.on_headers_complete": "1ea8589acfad92d8",
    "HttpToolsProtocol._start_asgi_task": "9c08c2571ae9b038",
    "HttpToolsProtocol.on_body": "dba9c32aeba35b6a",
    "HttpToolsProtocol.on_response_complete": "64e254f28e389e76",
    "RequestResponseCycle.__init__": "4d2f220910c33c12",
    "RequestResponseCycle.run_asgi": "0f33f2449a444bc2",
    "RequestResponseCycle.send": "abdd8601b326a8da",
    "RequestResponseCycle.receive": "8124ae006be71184",
}

WHAT_TO_DO = """
uvicorn's source of {name} isn't what {ours} was written against (now {digest}). Compare it with the version that
pyproject.toml named before: take over what it mends or renames, run tests/http and `make bench`, then write the
new digest into SOURCES.
"""


def overridden() -> list[tuple[type[Any], str]]:
    """Class of uvicorn and name of a method, derived from what our classes define themselves."""
    return [
        (theirs, name)
        for theirs, our in OURS.items()
        for name in vars(theirs)
        if callable(getattr(theirs, name)) and (name in vars(our) or name == "__init__")
    ]


def table() -> dict[str, str]:
    """Name of a method → name of the test, or its beginning and `…`."""
    lines = re.findall(r"^(\w+) +[^_\n]+ (\w+_\w+…?)$", str(s3gw.http.__doc__), re.MULTILINE)
    return dict(lines)


@pytest.mark.parametrize(("theirs", "name"), overridden(), ids=lambda value: getattr(value, "__name__", value))
def test_the_source_of_what_is_overridden_is_the_one_that_was_read(theirs: type[Any], name: str) -> None:
    digest = hashlib.sha256(inspect.getsource(getattr(theirs, name)).encode()).hexdigest()[:16]
    what = f"{theirs.__name__}.{name}"
    assert SOURCES.get(what) == digest, WHAT_TO_DO.format(name=what, ours=OURS[theirs].__name__, digest=digest)


def test_what_is_overridden_is_in_the_table_and_nothing_else() -> None:
    ours = [name for theirs, name in overridden() if name in vars(OURS[theirs])]
    assert sorted(table()) == sorted(ours)
    assert set(SOURCES) == {f"{theirs.__name__}.{name}" for theirs, name in overridden()}


@pytest.mark.parametrize("named", sorted(set(table().values())))
def test_the_table_names_tests_that_there_are(named: str) -> None:
    tests = [name for path in Path(__file__).parent.glob("test_*.py") for name in read_names(path)]
    beginning = named.removesuffix("…")
    assert len([name for name in tests if name == named or (beginning != named and name.startswith(beginning))]) == 1


def read_names(path: Path) -> list[str]:
    return re.findall(r"^(?:async )?def test_(\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_only_these_classes_of_uvicorn_are_extended() -> None:
    other = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "s3gw").rglob("*.py")
        if "uvicorn.protocols" in path.read_text(encoding="utf-8")
    ]
    assert sorted(other) == ["s3gw/http/connection.py", "s3gw/http/exchange.py"]


def test_the_minor_version_of_uvicorn_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (pinned,) = [line for line in project["project"]["dependencies"] if line.startswith("uvicorn")]
    assert pinned == f"uvicorn=={'.'.join(version('uvicorn').split('.')[:2])}.*"
