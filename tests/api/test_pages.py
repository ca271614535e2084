"""Places in lists, and the cursors that lead from one to the next."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from s3gw.api import pages
from s3gw.api.pages import Place
from s3gw.problems import Invalid

NAMES = [f"näme {number}:" for number in range(7)]


def place_of(*given: Any) -> Place:
    return asyncio.run(pages.place_of(*given))


def page(place: Place, names: list[str], *, by_name: bool) -> tuple[list[str], int, str | None]:
    behind = [name for name in names if place.after is None or name > place.after]
    found = behind[: place.limit] if place.after is not None else names[place.offset : place.offset + place.limit]
    made = place.page_of(found, len(names), str, (lambda name: name) if by_name else None)
    return list(made.items), made.page, made.next_cursor


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("per_page", [1, 3, 7, 8])
def test_cursors_lead_to_each_once_and_end(by_name: bool, per_page: int) -> None:
    items, number, cursor = page(place_of(1, per_page), NAMES, by_name=by_name)
    walked, last = items, 1
    while cursor is not None:
        items, number, cursor = page(place_of(1, per_page, cursor), NAMES, by_name=by_name)
        assert (number, bool(items)) == (last + 1, True)  # a page that follows has something
        walked, last = walked + items, number
    assert walked == NAMES


def test_what_was_removed_before_a_cursor_shifts_nothing() -> None:
    _, _, cursor = page(place_of(1, 3), NAMES, by_name=True)
    assert page(place_of(1, 3, cursor), NAMES[2:], by_name=True)[0] == NAMES[3:6]


@pytest.mark.parametrize("cursor", ["?", "eA==", "MA==", "LTE6YQ==", "MTAwMDAwMTo=", "MToA", "gA==", "MTo", "w7E6"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        place_of(1, 50, cursor)
