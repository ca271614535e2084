"""One's second factor: set up with a QR code, its recovery codes, switched off (/users/me/totp)."""

from __future__ import annotations

import segno
from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import NOTHING_SENT, Action, act, done_of
from s3gw.console.api_call import path_of
from s3gw.console.forms import Fields, first
from s3gw.console.language import marked as _
from s3gw.console.pages import shown
from s3gw.console.qr import qr_code
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask
from s3gw.console.words import Fault
from s3gw.problems import Invalid

PLACE = "/console/account/second-factor"
_TOTP = path_of("users", "me", "totp")
_LONGEST_URI = 500
DONE = {"off": _("The second factor is switched off: your password alone lets you in.")}


async def page(request: Request) -> Response:
    return await _page(request, await visitor_of(request), 200, None, NOTHING_SENT)


async def change(request: Request) -> Response:
    return await act(request, _ACTIONS, _page)


async def _page(
    request: Request,
    visitor: Visitor,
    status: int,
    fault: Fault | None,
    sent: Fields,
    *,
    uri: str = "",
    secret: str = "",
    codes: list[str] | None = None,
) -> Response:
    """Whoever mistypes the first code sees the same QR code again, as his page sends it along."""
    if fault is not None and first(sent, "action") == "confirm":
        uri, secret = first(sent, "uri"), first(sent, "secret")
    state = (await ask(request, visitor, "GET", _TOTP)).json()
    return shown(
        request,
        "second_factor.html",
        status,
        visitor=visitor,
        state=state,
        fault=fault,
        done=done_of(request, DONE),
        uri=uri,
        secret=secret,
        qr=_drawn(uri),
        codes=codes,
    )


def _drawn(uri: str) -> str:
    if not uri:
        return ""
    if not uri.startswith("otpauth://totp/") or len(uri) > _LONGEST_URI:
        raise Invalid("that is no second factor")
    try:
        return qr_code(uri)
    except segno.DataOverflowError:
        raise Invalid("that is no second factor") from None


async def _enrol(request: Request, visitor: Visitor, fields: Fields) -> Response:
    """The secret is in this answer, and in those to a wrong code."""
    made = (await ask(request, visitor, "POST", _TOTP, body={"password": first(fields, "password")})).json()
    return await _page(request, visitor, 200, None, fields, uri=made["uri"], secret=made["secret"])


async def _confirm(request: Request, visitor: Visitor, fields: Fields) -> Response:
    made = await ask(request, visitor, "POST", f"{_TOTP}/confirm", body={"totp": _code(fields)})
    return await _page(request, visitor, 200, None, fields, codes=made.json()["recovery_codes"])


async def _renew(request: Request, visitor: Visitor, fields: Fields) -> Response:
    """They are in this answer and in no other."""
    made = await _with_both(request, visitor, "POST", f"{_TOTP}/recovery-codes", fields)
    return await _page(request, visitor, 200, None, fields, codes=made)


async def _switch_off(request: Request, visitor: Visitor, fields: Fields) -> str:
    await _with_both(request, visitor, "DELETE", _TOTP, fields)
    return f"{PLACE}?done=off"


async def _with_both(request: Request, visitor: Visitor, method: str, path: str, fields: Fields) -> list[str]:
    body = {"password": first(fields, "password"), "totp": _code(fields)}
    answer = await ask(request, visitor, method, path, body=body)
    made: list[str] = answer.json()["recovery_codes"] if answer.content else []
    return made


def _code(fields: Fields) -> str:
    return first(fields, "totp").strip()


_ACTIONS: dict[str, Action] = {"enrol": _enrol, "confirm": _confirm, "renew": _renew, "off": _switch_off}
