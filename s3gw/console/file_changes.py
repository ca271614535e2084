"""What the forms of a file's page do: PUT and DELETE /buckets/{id}/files/{id}, …/copy, …/versions/{id}, …/acl."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console import places
from s3gw.console.actions import Action, act
from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.file_acl import put_acl
from s3gw.console.forms import Fields, first
from s3gw.console.session import Visitor
from s3gw.console.visit import ask
from s3gw.problems import Invalid


async def change(request: Request) -> Response:
    return await act(request, _ACTIONS)


def _given(request: Request) -> tuple[str, str, str]:
    """The ids of bucket and file, and the file's path at the API."""
    bucket_id, file_id = request.path_params["bucket_id"], request.path_params["file_id"]
    return bucket_id, file_id, path_of("buckets", bucket_id, "files", file_id)


async def _move(request: Request, visitor: Visitor, fields: Fields) -> str:
    bucket_id, file_id, where = _given(request)
    body = {"file_path": first(fields, "path")}
    await ask(request, visitor, "PUT", where, body=body)
    return places.page_of_file(bucket_id, file_id, done="moved")


async def _copy(request: Request, visitor: Visitor, fields: Fields) -> str:
    """Leads to the copy."""
    bucket_id, _, where = _given(request)
    to = first(fields, "bucket") or bucket_id
    body: dict[str, Any] = {"file_path": first(fields, "path"), "bucket_id": to}
    body["overwrite"] = first(fields, "overwrite") == "true"
    made = (await ask(request, visitor, "POST", f"{where}/copy", body=body)).json()
    return places.page_of_file(to, made["id"], done="copied")


async def _describe(request: Request, visitor: Visitor, fields: Fields) -> str:
    """As it was when the form was opened, or not at all. What isn't in the form stays."""
    bucket_id, file_id, where = _given(request)
    body: dict[str, Any] = {}
    if "mime_type" in fields:
        body["mime_type"] = first(fields, "mime_type").strip()
    for kind in ("tags", "metadata"):
        if f"{kind}_name" in fields:
            body[kind] = _pairs(fields, kind)
    changed = {name: value for name, value in body.items() if value != ""}
    await ask(request, visitor, "PUT", where, body=changed, headers={"If-Match": first(fields, "etag")})
    return places.page_of_file(bucket_id, file_id, done="described")


def _pairs(fields: Fields, kind: str) -> dict[str, str]:
    """Rows without a name are left out. Names of metadata are headers', of which the case doesn't count."""
    names, values = fields[f"{kind}_name"], fields.get(f"{kind}_value", [])
    if len(names) != len(values):
        raise Invalid("each name has a value")
    plain = (name.strip() if kind == "tags" else name.strip().lower() for name in names)
    found = [(name, value) for name, value in zip(plain, values, strict=True) if name]
    if len(dict(found)) < len(found):
        raise Invalid("a name is there twice")
    return dict(found)


async def _delete(request: Request, visitor: Visitor, fields: Fields) -> str:
    """Leads to its folder, where it can be undone."""
    bucket_id, file_id, where = _given(request)
    file = (await ask(request, visitor, "GET", where)).json()
    await ask(request, visitor, "DELETE", where)
    return places.place_of(bucket_id, prefix=places.folder_of(file["file_path"]), undo=file_id)


async def _restore_version(request: Request, visitor: Visitor, fields: Fields) -> str:
    bucket_id, file_id, _ = _given(request)
    await ask(request, visitor, "POST", f"{_version(request, fields)}/restore")
    return places.page_of_file(bucket_id, file_id, done="restored")


async def _delete_version(request: Request, visitor: Visitor, fields: Fields) -> str:
    bucket_id, file_id, where = _given(request)
    await ask(request, visitor, "DELETE", _version(request, fields))
    try:
        await ask(request, visitor, "GET", where)
    except ApiRefusal as error:  # it was the last, or the one before it is a delete marker
        if error.status != 404:
            raise
        return places.place_of(bucket_id)
    return places.page_of_file(bucket_id, file_id, done="version-deleted")


def _version(request: Request, fields: Fields) -> str:
    bucket_id, file_id, _ = _given(request)
    return path_of("buckets", bucket_id, "files", file_id, "versions", first(fields, "version"))


_ACTIONS: dict[str, Action] = {
    "move": _move,
    "copy": _copy,
    "describe": _describe,
    "delete": _delete,
    "restore-version": _restore_version,
    "delete-version": _delete_version,
    "acl": put_acl,
}
