"""Messages in other languages: none is left out, and none is made of another's markup."""

from __future__ import annotations

from importlib.resources import files
from io import BytesIO
from itertools import chain

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from s3gw.access import in_words
from s3gw.console.language import LANGUAGES, InWords, language_of

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
