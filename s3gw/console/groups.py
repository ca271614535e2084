"""Groups and their members: GET and POST /groups, PUT and DELETE /groups/{id}, and /groups/{id}/members/{user_id}."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import act
from s3gw.console.api_call import path_of
from s3gw.console.forms import Fields, first
from s3gw.console.identity_policies import policies_of
from s3gw.console.lists import listed, template_for
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask
from s3gw.problems import NotFound

_HERE = "/console/admin/groups"


async def page(request: Request) -> Response:
    visitor = await visitor_of(request)
    found = await listed(request, visitor, path_of("groups"))
    return shown(request, template_for(request, "groups"), visitor=visitor, found=found)


async def change_list(request: Request) -> Response:
    return await act(request, {"create": _create})


async def _create(request: Request, visitor: Visitor, fields: Fields) -> str:
    made = await ask(request, visitor, "POST", path_of("groups"), body={"name": first(fields, "name").strip()})
    return f"{_HERE}/{made.json()['id']}"


async def details(request: Request) -> Response:
    visitor = await visitor_of(request)
    group = (await ask(request, visitor, "GET", path_of("groups", request.path_params["group_id"]))).json()
    policies = await policies_of(request, visitor)
    return shown(request, "group.html", visitor=visitor, group=group, policies=policies)


async def change(request: Request) -> Response:
    return await act(request, {"rename": _rename, "add": _add, "remove": _remove, "delete": _delete})


async def _rename(request: Request, visitor: Visitor, fields: Fields) -> str:
    group_id = request.path_params["group_id"]
    await ask(request, visitor, "PUT", path_of("groups", group_id), body={"name": first(fields, "name").strip()})
    return f"{_HERE}/{group_id}"


async def _add(request: Request, visitor: Visitor, fields: Fields) -> str:
    """By name, which the list of users finds."""
    group_id, name = request.path_params["group_id"], first(fields, "username").strip()
    found = (await ask(request, visitor, "GET", path_of("users"), query={"search": name, "per_page": "100"})).json()
    user_id = next((user["id"] for user in found["items"] if user["username"] == name), None)
    if user_id is None:
        raise NotFound("there is no user of that name")
    await ask(request, visitor, "PUT", path_of("groups", group_id, "members", user_id))
    return f"{_HERE}/{group_id}"


async def _remove(request: Request, visitor: Visitor, fields: Fields) -> str:
    group_id = request.path_params["group_id"]
    await ask(request, visitor, "DELETE", path_of("groups", group_id, "members", first(fields, "user")))
    return f"{_HERE}/{group_id}"


async def _delete(request: Request, visitor: Visitor, fields: Fields) -> str:
    await ask(request, visitor, "DELETE", path_of("groups", request.path_params["group_id"]))
    return _HERE
