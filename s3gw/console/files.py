"""The files of a bucket, a folder's page at a time: GET /buckets/{id}/files and /search. What is done with files
that are chosen is in chosen.py.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console import sorting
from s3gw.console.api_call import path_of
from s3gw.console.chosen import PER_PAGE
from s3gw.console.may import may
from s3gw.console.pages import shown
from s3gw.console.places import crumbs, path_of_bucket, place_of
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.sorting import Order
from s3gw.console.visit import ask

_FORMS = frozenset(("s3:PutObject", "s3:DeleteObject"))  # what the forms of the page need
_ANY = "file"  # a name in the folder; rules may tell names apart, so all forms can be had anyhow


class Wanted(NamedTuple):
    """`prefix` is the folder, `begins` how names in it begin, `q` words to look for below it."""

    bucket_id: str
    prefix: str
    begins: str
    q: str
    cursor: str
    order: Order
    start: int

    def place(self, **more: str) -> str:
        given = {"prefix": self.prefix, "begins": self.begins, "q": self.q}
        return place_of(self.bucket_id, **given | ({} if self.order.is_natural else {"sort": self.order.told}) | more)


class Found(NamedTuple):
    """`is_sorted`: as was asked for; else as S3 lists."""

    items: list[dict[str, Any]]
    folders: list[str]
    following: str | None
    is_sorted: bool


async def page(request: Request) -> Response:
    visitor, bucket_id = await visitor_of(request), request.path_params["bucket_id"]
    asked = request.query_params
    begins, q, cursor = (asked.get(name, "") for name in ("begins", "q", "cursor"))
    # Forms send `folder`, whose line breaks are percent-encoded as in forms.paths; links have the prefix as it is.
    prefix = unquote(asked["folder"]) if "folder" in asked else asked.get("prefix", "")
    start = asked.get("from", "0")
    start_at = int(start) if start.isascii() and start.isdigit() and len(start) < 5 else 0
    wanted = Wanted(bucket_id, prefix, begins, q, cursor, sorting.order_of(asked.get("sort", "")), start_at)
    bucket, found = await asyncio.gather(
        ask(request, visitor, "GET", path_of("buckets", bucket_id)), _found(request, visitor, wanted)
    )
    is_part = "hx-request" in request.headers
    shows_all = is_part or asked.get("forms") == "all"
    mays = _FORMS if shows_all else await may(request, visitor, bucket_id, f"{prefix}{_ANY}", *sorted(_FORMS))
    return shown(
        request,
        "file_rows.html" if is_part else "files.html",
        may_put="s3:PutObject" in mays,
        may_delete="s3:DeleteObject" in mays,
        with_all=wanted.place(forms="all"),
        visitor=visitor,
        bucket=bucket.json(),
        where=path_of_bucket(bucket_id),
        wanted=wanted,
        prefix=prefix,
        crumbs=crumbs(bucket_id, prefix),
        found=found,
        folders=[(folder, folder[len(prefix) :], place_of(bucket_id, prefix=folder)) for folder in found.folders],
        undo=_ids(asked.get("undo", "")),
        jobs=_ids(asked.get("jobs", "")),
        told={name: asked.get(name, "") for name in ("done", "count", "left", "to")},
    )


def _ids(given: str) -> list[str]:
    return [each for each in given.split(",") if each][:PER_PAGE]


async def _found(request: Request, visitor: Visitor, wanted: Wanted) -> Found:
    if not wanted.order.is_natural and not wanted.q and not wanted.cursor:
        found = await _asked(request, visitor, wanted, sorting.MOST)
        if found["next_cursor"] is None:
            return _sorted(wanted, found)
    found = await _asked(request, visitor, wanted, PER_PAGE)
    following = found["next_cursor"]
    if following is not None:
        following = wanted.place(cursor=following)
    return Found(found["items"], found["folders"], following, wanted.order.is_natural)


async def _asked(request: Request, visitor: Visitor, wanted: Wanted, count: int) -> dict[str, Any]:
    query = {"per_page": str(count), "prefix": wanted.prefix if wanted.q else wanted.prefix + wanted.begins}
    query |= {"q": wanted.q} if wanted.q else {"delimiter": "/", "counted": "false"}
    query |= {"cursor": wanted.cursor} if wanted.cursor else {}
    path = path_of("buckets", wanted.bucket_id, "search" if wanted.q else "files")
    found: dict[str, Any] = (await ask(request, visitor, "GET", path, query=query)).json()
    return found


def _sorted(wanted: Wanted, found: dict[str, Any]) -> Found:
    """A page of it, folders first."""
    files, folders = wanted.order.sort(found["items"], found["folders"])
    end, count = wanted.start + PER_PAGE, len(files) + len(folders)
    following = wanted.place(**{"from": str(end)}) if end < count else None
    before = len(folders)
    of_page = files[max(wanted.start - before, 0) : max(end - before, 0)]
    return Found(of_page, folders[wanted.start : end], following, True)
