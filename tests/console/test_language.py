"""Messages in other languages: none is left out, and none is made of another's markup."""

from __future__ import annotations

import ast
import threading
import uuid
from importlib.resources import files
from io import BytesIO
from itertools import chain
from pathlib import Path
from unittest.mock import Mock

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import s3gw
from s3gw.access import in_words
from s3gw.console import pages
from s3gw.console.details import DETAILS
from s3gw.console.language import LANGUAGES, InWords, language_of
from tests.console.conftest import Browser

CONSOLE = files("s3gw.console")
_METHODS = [("**/templates/**.html", "jinja2"), ("**.py", "python")]


def messages() -> set[str]:
    found = extract_from_dir(str(CONSOLE), _METHODS, keywords={"_": None, "ngettext": (1, 2)})
    ours = {message if isinstance(message, str) else message[0] for _, _, message, _, _ in found}
    phrases = chain(*(table.values() for table in in_words.TABLES), [in_words.IF_EXISTS])
    return ours | set(phrases)  # which the console translates: policy_words.py


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_a_catalogue_has_every_message_of_the_source_and_no_other(language: str) -> None:
    source = (CONSOLE / "locales" / f"{language}.po").read_bytes()
    catalogue = read_po(BytesIO(source), locale=language, abort_invalid=True)
    assert {one.id if isinstance(one.id, str) else one.id[0] for one in catalogue if one.id} == messages()
    assert all(one.string and not one.fuzzy and not list(one.check()) for one in catalogue if one.id)


def test_details_are_those_that_the_api_says_word_for_word() -> None:
    root = Path(s3gw.__file__).parent
    said: set[str] = set()
    for path in (path for room in ("accounts", "api", "metadata", "operations") for path in (root / room).glob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text()))
        said |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert DETAILS - said == set()


def test_why_something_is_refused_is_told_in_the_language_of_who_looks(browser: Browser) -> None:
    nowhere = f"/console/buckets/{uuid.uuid4()}"
    german = browser.get(nowhere, headers={"Accept-Language": "de"}).text
    assert "Einen solchen Bucket gibt es nicht." in german and "there is no such bucket" not in german
    english = browser.get(nowhere).text
    assert '<p lang="en">there is no such bucket</p>' in english


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "en"), ("de-AT,en", "de"), ("fr,de;q=0.5", "de"), ("fr", "en"), ("*;;,=", "en"), ("x" * 10_000, "en")],
)
def test_the_first_language_that_there_is_is_taken(accepted: str, language: str) -> None:
    assert language_of(accepted) == language


def test_sizes_and_times_are_written_as_the_language_does() -> None:
    assert InWords("de").size(1536) == "1,5 KiB" and InWords("en").size(0) == "0 B"
    assert InWords("de").number(1_234_567) == "1.234.567"
    assert InWords("de").moment("2026-11-28T07:05:00Z") == "28.11.26, 07:05"


def test_templates_are_compiled_before_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pages.begin_to_compile()
    (compiling,) = [thread for thread in threading.enumerate() if thread.name == "s3gw-templates"]
    compiling.join(60)
    for language in LANGUAGES:
        found = pages.environment(language)
        monkeypatch.setattr(found, "compile", Mock(side_effect=AssertionError("compiled when it was asked for")))
        for name in found.list_templates():
            assert found.get_template(name).name == name
