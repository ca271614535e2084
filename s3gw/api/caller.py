"""Who calls, as routes ask for it.

What routes depend on is `async`: FastAPI runs anything else in a thread, and beside a busy event loop the way there and
back costs more than all else that a small answer needs.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from s3gw.accounts import login
from s3gw.accounts.login import Caller
from s3gw.accounts.origin import Origin
from s3gw.problems import NotAuthenticated, PermissionDenied
from s3gw.services import Services

token_of = OAuth2PasswordBearer("/api/v1/users/login", auto_error=False)
Token = Annotated[str | None, Depends(token_of)]


def services_of(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


def origin_of(request: Request) -> Origin:
    found: Origin = request.state.origin
    return found


async def caller_of(request: Request, token: Token) -> Caller:
    if token is None:
        raise NotAuthenticated("an access token is needed")
    caller = await login.caller_of(services_of(request), token, origin_of(request))
    request.state.user, request.state.role = caller.principal.name, caller.principal.role
    return caller


async def admin_of(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
    if caller.principal.role != "admin":
        raise PermissionDenied("only an admin may do this")
    return caller


async def viewer_of(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
    if not caller.principal.sees_all:
        raise PermissionDenied("only an admin or an auditor may see this")
    return caller


async def _services(request: Request) -> Services:
    return services_of(request)


async def _origin(request: Request) -> Origin:
    return origin_of(request)


TheServices = Annotated[Services, Depends(_services)]
TheOrigin = Annotated[Origin, Depends(_origin)]
TheCaller = Annotated[Caller, Depends(caller_of)]
TheAdmin = Annotated[Caller, Depends(admin_of)]
TheViewer = Annotated[Caller, Depends(viewer_of)]
