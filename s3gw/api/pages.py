"""Pages of lists: by number, or by the opaque cursor that the page before ended with.

A cursor holds the number of its page and, where the list is in the order of something unique, what the page before
ended with: then a page deep in a long list costs as little as the first, and rows that come or go meanwhile shift none.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple, TypeVar

from fastapi import Depends, Query

from s3gw.api.models import MOST_PER_PAGE, Page
from s3gw.problems import Fault, Invalid

Row = TypeVar("Row")
T = TypeVar("T")
_LAST_PAGE = 1_000_000


class Place(NamedTuple):
    """Which page; `after` is what the one before ended with, and counts more than the number."""

    page: int
    per_page: int
    after: str | None = None

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page

    @property
    def limit(self) -> int:
        """One row more than the page has, which tells that another page follows."""
        return self.per_page + 1

    def page_of(
        self, found: Sequence[Row], total: int, told: Callable[[Row], T], last: Callable[[Row], str] | None = None
    ) -> Page[T]:
        """`found` are up to `limit` rows. `last`: what the next page comes after; by its number alone for None."""
        rows = found[: self.per_page]
        cursor = None
        if len(found) > self.per_page:
            cursor = self.cursor("" if last is None else last(rows[-1]))
        items = [told(row) for row in rows]
        return Page(items=items, total=total, page=self.page, per_page=self.per_page, next_cursor=cursor)

    def cursor(self, after: str) -> str | None:
        """To the next page, after what this one ends with; None where no page has a greater number."""
        return _written(self.page + 1, after) if self.page < _LAST_PAGE else None


async def place_of(
    page: Annotated[int, Query(ge=1, le=_LAST_PAGE)] = 1,
    per_page: Annotated[int, Query(ge=1, le=MOST_PER_PAGE)] = 50,
    cursor: Annotated[
        str | None, Query(max_length=4096, description="Instead of page: `next_cursor` of the page before.")
    ] = None,
) -> Place:
    if cursor is None:
        return Place(page, per_page)
    number, after = _read(cursor)
    return Place(number, per_page, after or None)


def _written(page: int, after: str) -> str:
    return base64.urlsafe_b64encode(f"{page}:{after}".encode()).decode()


def _read(cursor: str) -> tuple[int, str]:
    try:
        number, _, after = base64.b64decode(cursor, b"-_", validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise not_a_cursor() from None
    if not (number.isascii() and number.isdigit() and len(number) <= 7) or "\0" in after:  # PostgreSQL's text has none
        raise not_a_cursor()
    if not 1 <= int(number) <= _LAST_PAGE:
        raise not_a_cursor()
    return int(number), after


def not_a_cursor() -> Invalid:
    return Invalid("the cursor isn't one", faults=(Fault("cursor", "isn't one that a page had"),))


def too_far(most: int) -> Invalid:
    return Invalid("the page is too far behind", faults=(Fault("page", f"not beyond {most}: use a cursor"),))


ThePlace = Annotated[Place, Depends(place_of)]
