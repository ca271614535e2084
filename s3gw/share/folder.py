"""The page of a folder: what is in it, one page after the other, as ListObjectsV2 tells its maker."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from s3gw.metadata.grants import LONGEST_PATH
from s3gw.operations.call import Input
from s3gw.pages import ObjectRow
from s3gw.share import pages
from s3gw.share.download import name_of
from s3gw.share.visit import Gone, Visit

_PER_PAGE = 200


class _Entry(NamedTuple):
    """`path` is what leads there from the folder of the link."""

    name: str
    path: str
    size: int | None = None
    at: str = ""


async def folder_page(request: Request, visit: Visit) -> Response:
    """A place further on is told by the path that the page before ended with: a token of S3's would have in it where
    the folder lies.
    """
    path, after = request.query_params.get("path", ""), request.query_params.get("after", "")
    if path and not path.endswith("/"):
        raise Gone
    input: Input = {"Prefix": within(visit, path), "Delimiter": "/", "MaxKeys": _PER_PAGE}
    if after:
        input["ContinuationToken"] = base64.urlsafe_b64encode(within(visit, after).encode()).decode()
    output = await visit.perform("ListObjectsV2", input)
    root = len(visit.link.prefix)
    folders = [_Entry(name_of(prefix), prefix[root:]) for prefix in output["CommonPrefixes"].prefixes]
    files = [_file(row, root) for row in output["Contents"].rows if row[0] != input["Prefix"]]
    keys = [*output["CommonPrefixes"].prefixes, *(row[0] for row in output["Contents"].rows)]
    return pages.shown(
        request,
        "folder.html",
        name=name_of(visit.link.prefix) if visit.link.prefix else "Shared files",
        above=_above(path),
        path=path,
        folders=folders,
        files=files,
        after=max(keys, key=str.encode)[root:] if output["IsTruncated"] else "",
    )


def within(visit: Visit, path: str) -> str:
    """A key: text that begins with the link's folder, so nothing outside of it. Raises Gone."""
    try:
        size = len(f"{visit.link.prefix}{path}".encode())
    except UnicodeEncodeError:
        raise Gone from None
    if "\0" in path or size > LONGEST_PATH:
        raise Gone
    return f"{visit.link.prefix}{path}"


def _file(given: Sequence[Any], root: int) -> _Entry:
    row = ObjectRow._make(given)
    at = datetime.fromtimestamp(row.last_modified / 1_000_000, UTC)
    return _Entry(name_of(row.key), row.key[root:], row.size, f"{at:%Y-%m-%d %H:%M}")


def _above(path: str) -> list[_Entry]:
    """The folders on the way to this one."""
    names = path.split("/")[:-1]
    return [_Entry(name or "/", "/".join(names[: place + 1]) + "/") for place, name in enumerate(names)]
