"""What was deleted or overwritten in a bucket: GET /buckets/{id}/files?deleted=true, POST …/files/{id}/restore, DELETE
…/files/{id}?permanent=true, DELETE …/trash.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from s3gw.console import places
from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.forms import Fields, action_of, first, sent_by
from s3gw.console.forms import path as prefix_of
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask
from s3gw.problems import Conflict

_PER_PAGE = "100"
_EMPTIED_AT_ONCE = 20  # calls, of 10000 files each


async def page(request: Request) -> Response:
    visitor, bucket_id = await visitor_of(request), request.path_params["bucket_id"]
    prefix, cursor = request.query_params.get("prefix", ""), request.query_params.get("cursor", "")
    query = {"deleted": "true", "prefix": prefix, "per_page": _PER_PAGE} | ({"cursor": cursor} if cursor else {})
    bucket, answer = await asyncio.gather(
        ask(request, visitor, "GET", path_of("buckets", bucket_id)),
        ask(request, visitor, "GET", path_of("buckets", bucket_id, "files"), query=query),
    )
    found = answer.json()
    following = found["next_cursor"]
    if following is not None:
        following = places.page_of_bucket(bucket_id, "trash", prefix=prefix, cursor=following)
    return shown(
        request,
        "trash_rows.html" if "hx-request" in request.headers else "trash.html",
        visitor=visitor,
        bucket=bucket.json(),
        where=places.path_of_bucket(bucket_id),
        prefix=prefix,
        found=found,
        following=following,
        done=request.query_params.get("done", ""),
    )


async def change(request: Request) -> Response:
    visitor, bucket_id = await visitor_of(request), request.path_params["bucket_id"]
    fields = await sent_by(request, visitor)
    does = action_of(fields, {"restore": _restore, "delete": _delete, "empty": _empty})
    done = await does(request, visitor, fields)
    return RedirectResponse(
        places.page_of_bucket(bucket_id, "trash", prefix=prefix_of(fields, "prefix"), done=done), 303
    )


async def _restore(request: Request, visitor: Visitor, fields: Fields) -> str:
    query = {"trash_id": first(fields, "trash_id"), "overwrite": first(fields, "overwrite") or "false"}
    await ask(request, visitor, "POST", f"{_file(request, fields)}/restore", query=query)
    return "restored"


async def _delete(request: Request, visitor: Visitor, fields: Fields) -> str:
    """With all that is in the trash of the file, and so not while the file itself is there, which would go too."""
    try:
        await ask(request, visitor, "GET", _file(request, fields))
    except ApiRefusal as error:
        if error.status != 404:
            raise
    else:
        raise Conflict("the file is there again, with another content: empty the trash to drop what it was before")
    await ask(request, visitor, "DELETE", _file(request, fields), query={"permanent": "true"})
    return "deleted"


async def _empty(request: Request, visitor: Visitor, fields: Fields) -> str:
    path = path_of("buckets", request.path_params["bucket_id"], "trash")
    for _ in range(_EMPTIED_AT_ONCE):
        answer = await ask(request, visitor, "DELETE", path, query={"prefix": prefix_of(fields, "prefix")})
        if answer.json()["is_empty"]:
            return "emptied"
    return "partly"


def _file(request: Request, fields: Fields) -> str:
    return path_of("buckets", request.path_params["bucket_id"], "files", first(fields, "file"))
