"""Users: GET and POST /users; and of one GET, PUT and DELETE /users/{id}, its sessions, second factor, quota and
keys.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import act
from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.forms import Fields, amount_of, as_seen, first, text_of
from s3gw.console.identity_policies import policies_of
from s3gw.console.lists import listed, template_for
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask

_HERE = "/console/admin/users"
_FILTERS = ("search", "role", "is_active", "deleted")
_ROLES = ("user", "auditor", "admin")
_SESSIONS = "50"  # of a page
_KEYS = "20"  # of a page


async def page(request: Request) -> Response:
    visitor = await visitor_of(request)
    found = await listed(request, visitor, path_of("users"), _FILTERS)
    return shown(request, template_for(request, "users"), visitor=visitor, found=found, roles=_ROLES)


async def change_list(request: Request) -> Response:
    return await act(request, {"create": _create, "restore": _restore})


async def _create(request: Request, visitor: Visitor, fields: Fields) -> str:
    body = {name: first(fields, name).strip() for name in ("username", "email", "role")}
    made = await ask(request, visitor, "POST", path_of("users"), body=body | {"password": text_of(fields, "password")})
    return f"{_HERE}/{made.json()['id']}"


async def _restore(request: Request, visitor: Visitor, fields: Fields) -> str:
    user_id = first(fields, "user")
    await ask(request, visitor, "POST", f"{path_of('users', user_id)}/restore")
    return f"{_HERE}/{user_id}"


async def details(request: Request) -> Response:
    visitor, path = await visitor_of(request), path_of("users", request.path_params["user_id"])
    user, quota, sessions, keys, policies = await asyncio.gather(
        ask(request, visitor, "GET", path),
        ask(request, visitor, "GET", f"{path}/quota"),
        ask(request, visitor, "GET", f"{path}/sessions", query={"per_page": _SESSIONS}),
        _keys(request, visitor),
        policies_of(request, visitor),
    )
    values = {"user": user.json(), "quota": quota.json(), "sessions": sessions.json()["items"], "keys": keys}
    values["policies"] = policies
    values |= {"etag": user.headers.get("etag", ""), "quota_etag": quota.headers.get("etag", "")}
    return shown(request, "user.html", visitor=visitor, roles=_ROLES, **values)


async def _keys(request: Request, visitor: Visitor) -> dict[str, Any] | None:
    """A page of the user's access keys; None for who may not see them."""
    cursor = request.query_params.get("keys", "")
    query = {"user_id": request.path_params["user_id"], "per_page": _KEYS} | ({"cursor": cursor} if cursor else {})
    try:
        found: dict[str, Any] = (await ask(request, visitor, "GET", path_of("keys"), query=query)).json()
    except ApiRefusal as error:
        if error.status in (403, 404):
            return None
        raise
    return found


async def change(request: Request) -> Response:
    actions = {
        "update": _update,
        "disable": _disable,
        "enable": _enable,
        "quota": _quota,
        "totp": _reset_second_factor,
        "session": _end_session,
        "key-on": _switch_key,
        "key-off": _switch_key,
        "delete": _delete,
    }
    return await act(request, actions)


def _of(request: Request) -> tuple[str, str]:
    """The API's path of the user, and the page's."""
    user_id = request.path_params["user_id"]
    return path_of("users", user_id), f"{_HERE}/{user_id}"


async def _update(request: Request, visitor: Visitor, fields: Fields) -> str:
    """An address that is cleared is taken away."""
    path, here = _of(request)
    body = {name: text_of(fields, name) for name in ("username", "role")}
    changed = {name: value for name, value in body.items() if value is not None}
    if "email" in fields:
        changed["email"] = first(fields, "email").strip()
    await ask(request, visitor, "PUT", path, body=changed, headers=as_seen(fields))
    return here


async def _disable(request: Request, visitor: Visitor, fields: Fields) -> str:
    path, here = _of(request)
    await ask(request, visitor, "PUT", path, body={"is_active": False})
    return here


async def _enable(request: Request, visitor: Visitor, fields: Fields) -> str:
    path, here = _of(request)
    await ask(request, visitor, "PUT", path, body={"is_active": True})
    return here


async def _quota(request: Request, visitor: Visitor, fields: Fields) -> str:
    path, here = _of(request)
    body = {name: amount_of(fields, name) for name in ("storage_quota", "object_quota")}
    await ask(request, visitor, "PUT", f"{path}/quota", body=body, headers=as_seen(fields))
    return here


async def _reset_second_factor(request: Request, visitor: Visitor, fields: Fields) -> str:
    path, here = _of(request)
    await ask(request, visitor, "DELETE", f"{path}/totp")
    return here


async def _end_session(request: Request, visitor: Visitor, fields: Fields) -> str:
    _path, here = _of(request)
    await ask(
        request, visitor, "DELETE", path_of("users", request.path_params["user_id"], "sessions", first(fields, "id"))
    )
    return here


async def _switch_key(request: Request, visitor: Visitor, fields: Fields) -> str:
    _path, here = _of(request)
    body = {"is_active": first(fields, "action") == "key-on"}
    await ask(request, visitor, "PUT", path_of("keys", first(fields, "id")), body=body)
    return here


async def _delete(request: Request, visitor: Visitor, fields: Fields) -> str:
    path, _here = _of(request)
    await ask(
        request, visitor, "DELETE", path, query={"data": "delete" if first(fields, "data") == "delete" else "keep"}
    )
    return f"{_HERE}?deleted=true"
