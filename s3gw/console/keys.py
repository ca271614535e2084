"""One's access keys: GET and POST /keys, and GET, PUT and DELETE /keys/{id}."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import NOTHING_SENT, Action, act, done_of, sent_again
from s3gw.console.api_call import path_of
from s3gw.console.forms import Fields, first, until
from s3gw.console.key_scope import scope_of
from s3gw.console.language import marked as _
from s3gw.console.pages import shown
from s3gw.console.policy_words import said
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask
from s3gw.console.words import Fault
from s3gw.problems import Invalid

PLACE = "/console/keys"
_PER_PAGE = "50"
DONE = {
    "saved": _("The key is changed. That counts from the next request on."),
    "deleted": _("The key is deleted, with all that it has signed."),
}


async def page(request: Request) -> Response:
    return await _page(request, await visitor_of(request), 200, None, NOTHING_SENT)


async def _page(
    request: Request,
    visitor: Visitor,
    status: int,
    fault: Fault | None,
    sent: Fields,
    made: dict[str, Any] | None = None,
) -> Response:
    cursor = request.query_params.get("cursor", "")
    query = {"per_page": _PER_PAGE} | ({"cursor": cursor} if cursor else {})
    found = (await ask(request, visitor, "GET", path_of("keys"), query=query)).json()
    return shown(
        request,
        "key_rows.html" if "hx-request" in request.headers and request.method == "GET" else "keys.html",
        status,
        visitor=visitor,
        found=found,
        fault=fault,
        done=done_of(request, DONE),
        made=made,
        sent=sent_again(sent if fault else NOTHING_SENT),
    )


async def make(request: Request) -> Response:
    return await act(request, {"make": _make}, _page)


async def _make(request: Request, visitor: Visitor, fields: Fields) -> Response:
    """Its secret is in this answer and in no other."""
    body: dict[str, Any] = {"description": first(fields, "description"), "expires_at": until(fields, "until")}
    body["policy"] = scope_of(fields)
    made = (await ask(request, visitor, "POST", path_of("keys"), body=body)).json()
    return await _page(request, visitor, 200, None, fields, made)


async def page_of_one(request: Request) -> Response:
    return await _page_of_one(request, await visitor_of(request), 200, None, NOTHING_SENT)


async def _page_of_one(request: Request, visitor: Visitor, status: int, fault: Fault | None, sent: Fields) -> Response:
    answer = await ask(request, visitor, "GET", _api(request))
    key = answer.json()
    return shown(
        request,
        "key.html",
        status,
        visitor=visitor,
        key=key,
        etag=answer.headers["etag"],
        policy=first(sent, "policy") or "\n".join(_text(one["document"]) for one in key["policies"]),
        statements=[one for policy in key["policies"] for one in said(request, policy["statements"])],
        fault=fault,
        done=done_of(request, DONE),
        sent=sent_again(sent if fault else NOTHING_SENT),
    )


def _text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


async def change(request: Request) -> Response:
    actions: dict[str, Action] = {"save": _save, "scope": _scope, "on": _switch, "off": _switch, "delete": _delete}
    return await act(request, actions, _page_of_one)


async def _save(request: Request, visitor: Visitor, fields: Fields) -> str:
    body = {"description": first(fields, "description"), "expires_at": until(fields, "until")}
    if body["expires_at"] == until(fields, "old_until"):
        del body["expires_at"]  # one that was set to a time of that day stays so
    return await _put(request, visitor, fields, body)


async def _scope(request: Request, visitor: Visitor, fields: Fields) -> str:
    if not first(fields, "may"):
        raise Invalid(_("Choose what the key may."))
    return await _put(request, visitor, fields, {"policy": scope_of(fields)})


async def _switch(request: Request, visitor: Visitor, fields: Fields) -> str:
    return await _put(request, visitor, fields, {"is_active": first(fields, "action") == "on"})


async def _put(request: Request, visitor: Visitor, fields: Fields, body: dict[str, Any]) -> str:
    await ask(request, visitor, "PUT", _api(request), body=body, headers={"If-Match": first(fields, "etag")})
    return f"{PLACE}/{quote(request.path_params['key_id'], safe='')}?done=saved"


async def _delete(request: Request, visitor: Visitor, fields: Fields) -> str:
    await ask(request, visitor, "DELETE", _api(request))
    return f"{PLACE}?done=deleted"


def _api(request: Request) -> str:
    return path_of("keys", request.path_params["key_id"])
