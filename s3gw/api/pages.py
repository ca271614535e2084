"""Pages of lists: by number, or by an opaque cursor that leads to the next one however many there are."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, NamedTuple

from fastapi import Depends, Query

from s3gw.api.models import MOST_PER_PAGE
from s3gw.problems import Fault, Invalid


class Place(NamedTuple):
    """Which page; `after` is what the one before ended with, and counts more than the number."""

    page: int
    per_page: int
    after: str | None

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page


def place_of(
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    per_page: Annotated[int, Query(ge=1, le=MOST_PER_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=4096, description="`next_cursor` of the page before.")] = None,
) -> Place:
    return Place(page, per_page, None if cursor is None else _read(cursor))


def cursor_after(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _read(cursor: str) -> str:
    try:
        return base64.b64decode(cursor, b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Invalid("the cursor isn't one", faults=(Fault("cursor", "isn't one that a page had"),)) from None


ThePlace = Annotated[Place, Depends(place_of)]
