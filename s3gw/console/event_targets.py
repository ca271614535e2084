"""Targets of events: GET and POST /event-targets; of one GET, PUT, DELETE, what it couldn't be told, and again."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import act
from s3gw.console.api_call import Answer, path_of
from s3gw.console.forms import Fields, as_seen, first
from s3gw.console.lists import listed, template_for
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask

_HERE = "/console/admin/targets"


async def page(request: Request) -> Response:
    visitor = await visitor_of(request)
    found = await listed(request, visitor, path_of("event-targets"))
    return shown(request, template_for(request, "targets"), visitor=visitor, found=found)


async def change_list(request: Request) -> Response:
    return await act(request, {"create": _create})


async def _create(request: Request, visitor: Visitor, fields: Fields) -> Response:
    """Its secret is in this answer and in no other."""
    body = {name: first(fields, name).strip() for name in ("name", "url")}
    shared = {"is_shared": first(fields, "is_shared") == "on"}
    made = await ask(request, visitor, "POST", path_of("event-targets"), body=body | shared)
    return await _details(request, visitor, made)


async def details(request: Request) -> Response:
    visitor = await visitor_of(request)
    path = path_of("event-targets", request.path_params["target_id"])
    return await _details(request, visitor, await ask(request, visitor, "GET", path))


async def _details(request: Request, visitor: Visitor, answer: Answer) -> Response:
    target, etag = answer.json(), answer.headers.get("etag", "")
    dead = await listed(request, visitor, path_of("event-targets", target["id"], "dead"))
    place = f"{_HERE}/{target['id']}"
    values = {"target": target, "etag": etag, "found": dead, "place": place}
    return shown(request, template_for(request, "target"), visitor=visitor, **values)


async def change(request: Request) -> Response:
    return await act(
        request,
        {
            "update": _update,
            "secret": _new_secret,
            "retry": _retry,
            "retry-one": _retry_one,
            "drop": _drop,
            "test": _test,
            "delete": _delete,
        },
    )


async def _update(request: Request, visitor: Visitor, fields: Fields) -> str:
    """Its URL stays where none was entered: it may have a secret in it, which isn't shown again."""
    body: dict[str, Any] = {name: first(fields, name) == "on" for name in ("is_enabled", "is_shared")}
    url = first(fields, "url").strip()
    body |= {"url": url} if url else {}
    target_id = request.path_params["target_id"]
    await ask(request, visitor, "PUT", path_of("event-targets", target_id), body=body, headers=as_seen(fields))
    return f"{_HERE}/{target_id}"


async def _new_secret(request: Request, visitor: Visitor, fields: Fields) -> Response:
    path = path_of("event-targets", request.path_params["target_id"])
    return await _details(request, visitor, await ask(request, visitor, "PUT", path, body={"new_secret": True}))


async def _retry(request: Request, visitor: Visitor, fields: Fields) -> str:
    target_id = request.path_params["target_id"]
    await ask(request, visitor, "POST", path_of("event-targets", target_id, "retry"))
    return f"{_HERE}/{target_id}"


async def _retry_one(request: Request, visitor: Visitor, fields: Fields) -> str:
    target_id = request.path_params["target_id"]
    await ask(request, visitor, "POST", path_of("event-targets", target_id, "dead", first(fields, "event"), "retry"))
    return f"{_HERE}/{target_id}"


async def _drop(request: Request, visitor: Visitor, fields: Fields) -> str:
    target_id = request.path_params["target_id"]
    await ask(request, visitor, "DELETE", path_of("event-targets", target_id, "dead", first(fields, "event")))
    return f"{_HERE}/{target_id}"


async def _test(request: Request, visitor: Visitor, fields: Fields) -> str:
    target_id = request.path_params["target_id"]
    await ask(request, visitor, "POST", path_of("event-targets", target_id, "test"))
    return f"{_HERE}/{target_id}"


async def _delete(request: Request, visitor: Visitor, fields: Fields) -> str:
    await ask(request, visitor, "DELETE", path_of("event-targets", request.path_params["target_id"]))
    return _HERE
