"""Limits of what the console takes, each gone over by one; others have their tests beside what they are about."""

from __future__ import annotations

import pytest

from s3gw.console import chosen, forms, language, second_factor
from s3gw.console.chosen import PER_PAGE
from s3gw.console.file import _MOST_TAGS, _rows
from s3gw.operations.tagging import MOST_OF_AN_OBJECT
from s3gw.problems import Invalid
from tests.console.test_files import Folder
from tests.console.test_files import folder as folder


def test_an_amount_is_one_that_the_database_can_keep() -> None:
    largest = forms._LARGEST_AMOUNT
    assert forms.amount_of({"a": [str(largest)]}, "a") == largest
    for over in (str(largest + 1), f"{(1 << 13)}P", "9" * 20, "9" * 100_000):
        with pytest.raises(Invalid):
            forms.amount_of({"a": [over]}, "a")


def test_of_the_languages_that_a_browser_names_200_characters_are_looked_at() -> None:
    within = "x" * (language._LONGEST - 3)
    assert language.language_of(f"{within},de") == "de"
    assert language.language_of(f"{within}xx,de") == "en"


def test_of_a_second_factor_500_characters_are_drawn() -> None:
    uri = "otpauth://totp/"
    longest = uri + "x" * (second_factor._LONGEST_URI - len(uri))
    assert second_factor._drawn(longest).startswith("<svg")
    with pytest.raises(Invalid):
        second_factor._drawn(longest + "x")


def test_a_file_with_as_many_tags_as_it_may_have_is_asked_for_no_more() -> None:
    assert _MOST_TAGS == MOST_OF_AN_OBJECT
    for count, rows in ((_MOST_TAGS - 1, _MOST_TAGS), (_MOST_TAGS, _MOST_TAGS)):
        found = _rows({f"tag{number}": "x" for number in range(count)}, _MOST_TAGS)
        assert found is not None and len(found) == rows


def test_so_many_files_and_folders_are_chosen_at_once(folder: Folder) -> None:
    for field, most in (("folder", chosen._MOST_FOLDERS), ("file", PER_PAGE)):
        for count, status in ((most, (303, 404)), (most + 1, (422,))):
            names = [f"none{number}/" for number in range(count)]
            sent = {"csrf": folder.csrf, "action": "restore", "prefix": "", field: names}
            assert folder.browser.post(folder.where, sent).status_code in status, (field, count)
