"""Which page of a list is asked for: by its number, or by the cursor that the page before ended with."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Query

from s3gw.api.models import MOST_PER_PAGE
from s3gw.problems import Fault, Invalid

_LAST_PAGE = 1_000_000


class PageQuery(NamedTuple):
    page: int
    per_page: int

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page

    def members(self, items: Sequence[Any], total: int) -> dict[str, Any]:
        """Of a models.Page."""
        more = self.offset + len(items) < total and bool(items)
        cursor = base64.urlsafe_b64encode(str(self.page + 1).encode()).decode() if more else None
        return {"items": items, "total": total, "page": self.page, "per_page": self.per_page, "next_cursor": cursor}


def _asked(
    page: Annotated[int, Query(ge=1, le=_LAST_PAGE)] = 1,
    per_page: Annotated[int, Query(ge=1, le=MOST_PER_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=64, description="Instead of page: next_cursor of a page.")] = None,
) -> PageQuery:
    if cursor is None:
        return PageQuery(page, per_page)
    try:
        number = int(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        number = 0
    if not 1 <= number <= _LAST_PAGE:
        raise Invalid("the cursor isn't one", faults=(Fault("cursor", "isn't one of ours"),))
    return PageQuery(number, per_page)


ThePage = Annotated[PageQuery, Depends(_asked)]
