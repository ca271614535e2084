"""The files of a bucket, a folder's page at a time: GET /buckets/{id}/files and /search. Deleting, restoring and
renaming are a call for each file, of a page's files at most.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.forms import Fields, first, sent_by
from s3gw.console.pages import shown
from s3gw.console.places import crumbs, path_of_bucket, place_of
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask
from s3gw.problems import Invalid

PER_PAGE = 100


async def page(request: Request) -> Response:
    """`prefix` is the folder, `begins` how names in it begin, `q` words to look for below it."""
    visitor, bucket_id = await visitor_of(request), request.path_params["bucket_id"]
    asked = request.query_params
    prefix, begins, q, cursor = (asked.get(name, "") for name in ("prefix", "begins", "q", "cursor"))
    query = {"per_page": str(PER_PAGE), "prefix": prefix if q else prefix + begins}
    query |= {"q": q} if q else {"delimiter": "/"}
    query |= {"cursor": cursor} if cursor else {}
    bucket = (await ask(request, visitor, "GET", path_of("buckets", bucket_id))).json()
    found = (
        await ask(request, visitor, "GET", path_of("buckets", bucket_id, "search" if q else "files"), query=query)
    ).json()
    following = found["next_cursor"]
    if following is not None:
        following = place_of(bucket_id, prefix=prefix, begins=begins, q=q, cursor=following)
    folders = [(folder[len(prefix) :], place_of(bucket_id, prefix=folder)) for folder in found["folders"]]
    return shown(
        request,
        "file_rows.html" if "hx-request" in request.headers else "files.html",
        visitor=visitor,
        bucket=bucket,
        where=path_of_bucket(bucket_id),
        prefix=prefix,
        crumbs=crumbs(bucket_id, prefix),
        begins=begins,
        q=q,
        folders=folders,
        found=found,
        following=following,
        undo=[each for each in asked.get("undo", "").split(",") if each][:PER_PAGE],
    )


async def change(request: Request) -> Response:
    """What the form of the list says: delete the chosen, restore what was deleted just now, or rename one."""
    visitor, bucket_id = await visitor_of(request), request.path_params["bucket_id"]
    fields = await sent_by(request, visitor)
    prefix, chosen = first(fields, "prefix"), fields.get("file", [])
    if len(chosen) > PER_PAGE:
        raise Invalid(f"at most {PER_PAGE} files at once")
    does = {"delete": _delete, "restore": _restore, "rename": _rename}.get(first(fields, "action"))
    if does is None:
        raise Invalid("there is no such action")
    undo = await does(request, visitor, fields, chosen)
    return RedirectResponse(place_of(bucket_id, prefix=prefix, undo=",".join(undo)), 303)


async def _delete(request: Request, visitor: Visitor, fields: Fields, chosen: list[str]) -> list[str]:
    """Those that can be restored. One that has gone meanwhile is as one that is deleted."""
    deleted = []
    for file_id in chosen:
        try:
            await ask(request, visitor, "DELETE", _file(request, file_id))
        except ApiRefusal as error:
            if error.status != 404:
                raise
        else:
            deleted.append(file_id)
    return deleted


async def _restore(request: Request, visitor: Visitor, fields: Fields, chosen: list[str]) -> list[str]:
    for file_id in chosen:
        await ask(request, visitor, "POST", f"{_file(request, file_id)}/restore")
    return []


async def _rename(request: Request, visitor: Visitor, fields: Fields, chosen: list[str]) -> list[str]:
    """A name with slashes is a path of the bucket: so a file is moved."""
    if len(chosen) != 1:
        raise Invalid("choose one file to rename")
    name = first(fields, "name")
    body: dict[str, Any] = {"file_path": name.removeprefix("/")} if "/" in name else {"filename": name}
    await ask(request, visitor, "PUT", _file(request, chosen[0]), body=body)
    return []


def _file(request: Request, file_id: str) -> str:
    return path_of("buckets", request.path_params["bucket_id"], "files", file_id)
