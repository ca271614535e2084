"""The ACL of a file in plain words, and set to one that has a name: GET and PUT /buckets/{id}/files/{id}/acl."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from s3gw.console import places
from s3gw.console.api_call import ApiRefusal
from s3gw.console.bucket_place import in_api
from s3gw.console.forms import Fields, first
from s3gw.console.language import marked as _
from s3gw.console.session import Visitor
from s3gw.console.visit import ask

PERMISSIONS = {
    "FULL_CONTROL": _("everything"),
    "READ": _("read the file"),
    "WRITE": _("nothing (files have no such permission)"),
    "READ_ACP": _("see this ACL"),
    "WRITE_ACP": _("change this ACL"),
}
CANNED = (
    ("private", _("nobody but the owner")),
    ("public-read", _("everybody reads the file")),
    ("authenticated-read", _("everybody who has an access key reads the file")),
)


async def acl_of(request: Request, visitor: Visitor) -> dict[str, Any] | None:
    """With its ETag; None for who may not see it."""
    try:
        answer = await ask(request, visitor, "GET", _path(request))
    except ApiRefusal as error:
        if error.status in (403, 404):
            return None
        raise
    return {**answer.json(), "etag": answer.headers["etag"]}


def _path(request: Request) -> str:
    return in_api(request, "files", request.path_params["file_id"], "acl")


async def put_acl(request: Request, visitor: Visitor, fields: Fields) -> str:
    body, more = {"canned": first(fields, "canned")}, {"If-Match": first(fields, "etag")}
    await ask(request, visitor, "PUT", _path(request), body=body, headers=more)
    return places.page_of_file(request.path_params["bucket_id"], request.path_params["file_id"], done="acl")
