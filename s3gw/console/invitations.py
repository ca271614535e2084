"""Invitations: GET and POST /invitations, DELETE /invitations/{id}."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from s3gw.accounts.links import pages_of
from s3gw.console.actions import act
from s3gw.console.api_call import path_of
from s3gw.console.forms import Fields, first, text_of
from s3gw.console.lists import listed
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, services_of, visitor_of
from s3gw.console.visit import ask


async def page(request: Request) -> Response:
    return await _page(request, await visitor_of(request), None)


async def _page(request: Request, visitor: Visitor, made: dict[str, Any] | None) -> Response:
    found = await listed(request, visitor, path_of("invitations"), per_page=200)
    link = None if made is None else _link(request, made["invitation"])
    return shown(request, "invitations.html", visitor=visitor, found=found, made=made, link=link)


def _link(request: Request, invitation: str) -> str:
    """To the page that makes an account with it, of the console or where a setting says."""
    pages = pages_of(services_of(request).settings, f"{request.state.scheme}://{request.state.host}")
    return f"{pages}/register?{urlencode({'invitation': invitation})}"


async def change(request: Request) -> Response:
    return await act(request, {"invite": _invite, "revoke": _revoke})


async def _invite(request: Request, visitor: Visitor, fields: Fields) -> Response:
    """What lets somebody register is in this answer and in no other."""
    made = await ask(request, visitor, "POST", path_of("invitations"), body={"email": text_of(fields, "email")})
    return await _page(request, visitor, made.json())


async def _revoke(request: Request, visitor: Visitor, fields: Fields) -> str:
    await ask(request, visitor, "DELETE", path_of("invitations", first(fields, "id")))
    return "/console/admin/invitations"
