"""What the form of a list of files does with those that are chosen. A file is one call, and folders are a job each:
POST /buckets/{id}/batch. A page's files at most are chosen, and few folders.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from s3gw.console import places
from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.forms import Fields, action_of, first, path, paths, sent_by
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.transfer import ChosenArchive
from s3gw.console.visit import ask
from s3gw.problems import FileAlreadyExists, Invalid

PER_PAGE = 100
_MOST_FOLDERS = 10
_NOT_ALL = (403, 404, 409)  # of one file: the others are done all the same


class Asked(NamedTuple):
    """`prefix` is the folder of the page, `files` are ids and `folders` prefixes."""

    request: Request
    visitor: Visitor
    fields: Fields
    bucket_id: str
    prefix: str
    files: list[str]
    folders: list[str]

    async def ask(self, method: str, *more: str, **options: Any) -> Any:
        return await ask(self.request, self.visitor, method, path_of("buckets", self.bucket_id, *more), **options)

    def back(self, **query: str) -> Response:
        return RedirectResponse(places.place_of(self.bucket_id, prefix=self.prefix, **query), 303)

    async def begin(self, **order: Any) -> str:
        """A job's id."""
        return str((await self.ask("POST", "batch", body=order)).json()["id"])


async def change(request: Request) -> Response:
    visitor = await visitor_of(request)
    fields = await sent_by(request, visitor)
    files, folders = fields.get("file", []), paths(fields, "folder")
    if len(files) > PER_PAGE or len(folders) > _MOST_FOLDERS:
        raise Invalid(f"at most {PER_PAGE} files and {_MOST_FOLDERS} folders at once")
    does = action_of(fields, _ACTIONS)
    bucket_id, prefix = request.path_params["bucket_id"], path(fields, "prefix")
    return await does(Asked(request, visitor, fields, bucket_id, prefix, files, folders))


async def _delete(asked: Asked) -> Response:
    """Files can be undone at once. One that has gone meanwhile is as one that is deleted."""
    deleted = []
    for file_id in asked.files:
        try:
            await asked.ask("DELETE", "files", file_id)
        except ApiRefusal as error:
            if error.status != 404:
                raise
        else:
            deleted.append(file_id)
    jobs = [await asked.begin(action="delete", query={"prefix": folder}) for folder in asked.folders]
    return asked.back(undo=",".join(deleted), jobs=",".join(jobs))


async def _restore(asked: Asked) -> Response:
    for file_id in asked.files:
        await asked.ask("POST", "files", file_id, "restore")
    return asked.back()


async def _rename(asked: Asked) -> Response:
    """A name with slashes is a path of the bucket: so a file is moved."""
    if len(asked.files) + len(asked.folders) != 1:
        raise Invalid("choose one file or folder to rename")
    name = first(asked.fields, "name")
    if asked.folders:
        _, job = await _renamed_folder(asked, asked.folders[0], name)
        return asked.back(jobs=job)
    body = {"file_path": name.removeprefix("/")} if "/" in name else {"filename": name}
    await asked.ask("PUT", "files", asked.files[0], body=body)
    return asked.back()


async def _rename_folder(asked: Asked) -> Response:
    """The one that the page is of. Leads to where its files will be."""
    to, job = await _renamed_folder(asked, asked.prefix, first(asked.fields, "name"))
    return RedirectResponse(places.place_of(asked.bucket_id, prefix=to, jobs=job), 303)


async def _renamed_folder(asked: Asked, folder: str, name: str) -> tuple[str, str]:
    """Where its files go, and the job that moves them. Two folders don't become one: that is what moving is for."""
    given = name.strip().strip("/")
    if not given:
        raise Invalid("a folder needs a name")
    to = f"{given}/" if "/" in name.strip().removesuffix("/") else f"{places.folder_of(folder)}{given}/"
    query = {"prefix": to, "per_page": "1", "counted": "false"}
    if (await asked.ask("GET", "files", query=query)).json()["items"]:
        raise FileAlreadyExists("there is a folder of this name")
    return to, await asked.begin(action="move", query={"prefix": folder}, destination={"prefix": to})


async def _move(asked: Asked) -> Response:
    return await _to_folder(asked, "move")


async def _copy(asked: Asked) -> Response:
    return await _to_folder(asked, "copy")


async def _to_folder(asked: Asked, action: str) -> Response:
    """Each under its own name, of a folder that is there or comes to be by that. Nothing is overwritten."""
    given = first(asked.fields, "to").strip("/")
    to = f"{given}/" if given else ""
    done = 0
    for file_id in asked.files:
        done += await _is_put(asked, action, file_id, to)
    jobs = []
    for folder in asked.folders:
        destination = {"prefix": to + folder.removeprefix(places.folder_of(folder))}
        jobs.append(await asked.begin(action=action, query={"prefix": folder}, destination=destination))
    left = len(asked.files) - done
    return asked.back(done=action, count=str(done), left=str(left or ""), to=to, jobs=",".join(jobs))


async def _is_put(asked: Asked, action: str, file_id: str, to: str) -> bool:
    try:
        file = (await asked.ask("GET", "files", file_id)).json()
        body = {"file_path": to + (file["filename"] or file["file_path"])}
        if body["file_path"] == file["file_path"]:
            return False
        if action == "move":
            await asked.ask("PUT", "files", file_id, body=body)
        else:
            await asked.ask("POST", "files", file_id, "copy", body=body)
    except ApiRefusal as error:
        if error.status not in _NOT_ALL:
            raise
        return False
    return True


async def _zip(asked: Asked) -> Response:
    """Of folders there is one zip each, which their own pages make."""
    if not asked.files:
        raise Invalid("choose files to be put into a zip; a folder's page makes one of all that is in it")
    where = path_of("buckets", asked.bucket_id, "archive")
    return ChosenArchive(asked.request, asked.visitor, where, {"files": asked.files})


async def _make_folder(asked: Asked) -> Response:
    """An empty object whose key ends with a slash, as S3's other clients make it."""
    name = first(asked.fields, "name").strip().strip("/")
    if not name:
        raise Invalid("a folder needs a name")
    folder = f"{asked.prefix}{name}/"
    plain = {"Content-Type": "application/x-directory"}
    await asked.ask("POST", "files", query={"path": folder}, headers=plain)
    return RedirectResponse(places.place_of(asked.bucket_id, prefix=folder), 303)


_ACTIONS: dict[str, Callable[[Asked], Awaitable[Response]]] = {
    "delete": _delete,
    "restore": _restore,
    "rename": _rename,
    "rename-folder": _rename_folder,
    "move": _move,
    "copy": _copy,
    "zip": _zip,
    "make-folder": _make_folder,
}
