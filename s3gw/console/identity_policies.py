"""Policies of a user or a group, with the editor that buckets' policies have: GET, PUT and DELETE of
/users/{id}/policies/{name} and /groups/{id}/policies/{name}, and POST /policies/check.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from s3gw.access.parse import VERSIONS
from s3gw.console.actions import NOTHING_SENT, Action, act, done_of
from s3gw.console.api_call import Answer, ApiRefusal, path_of
from s3gw.console.forms import Fields, as_seen, first, sent_by
from s3gw.console.key_scope import LIST, LOCATE, READ, WRITE
from s3gw.console.language import marked as _
from s3gw.console.pages import shown
from s3gw.console.policy_words import Said, said
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask
from s3gw.console.words import Fault

DONE = {"saved": _("The policy is saved. It counts from the next request on.")}
_BUCKET, _FILES = "arn:aws:s3:::BUCKET", "arn:aws:s3:::BUCKET/*"
_LISTS = {"Effect": "Allow", "Action": [*LIST, *LOCATE], "Resource": _BUCKET}
BEGINNINGS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "read": (
        _("List and read the files of a bucket"),
        [_LISTS, {"Effect": "Allow", "Action": READ, "Resource": _FILES}],
    ),
    "write": (
        _("List, read, write and delete the files of a bucket"),
        [_LISTS, {"Effect": "Allow", "Action": [*READ, *WRITE], "Resource": _FILES}],
    ),
    "keep": (
        _("Delete nothing"),
        [{"Effect": "Deny", "Action": ["s3:DeleteObject*", "s3:DeleteBucket*"], "Resource": "*"}],
    ),
    "all": (_("Do everything in the account"), [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]),
}


class _Holder(NamedTuple):
    """`told` is the API's document of the user or group; `page` the address of its page."""

    kind: str
    told: dict[str, Any]
    page: str

    @property
    def name(self) -> str:
        return str(self.told["username" if self.kind == "users" else "name"])

    @property
    def has_none(self) -> bool:
        """Of the root of an account, who may do everything there."""
        return self.kind == "users" and self.told["owner_id"] is None


async def policies_of(request: Request, visitor: Visitor) -> list[tuple[str, list[Said]]]:
    """Name and words of each that the user or the group has, for its page."""
    found = (await ask(request, visitor, "GET", f"{_path(request)}/policies")).json()["items"]
    return [(one["name"], said(request, one["statements"])) for one in found]


async def page(request: Request) -> Response:
    return await _page(request, await visitor_of(request), 200, None, NOTHING_SENT)


async def change(request: Request) -> Response:
    actions: dict[str, Action] = {"save": _save, "check": _check, "delete": _delete}
    return await act(request, actions, _page)


async def check(request: Request) -> Response:
    """What is written so far, as one writes: a part of the page."""
    visitor = await visitor_of(request)
    fields = await sent_by(request, visitor)
    checked = await _checked(request, visitor, first(fields, "policy"))
    return shown(request, "policy_words.html", visitor=visitor, **_words(request, checked))


def _path(request: Request, *more: str) -> str:
    """The API's, of the user or the group that the address names."""
    given = request.path_params
    kind, holder_id = ("users", given["user_id"]) if "user_id" in given else ("groups", given["group_id"])
    return path_of(kind, holder_id, *more)


async def _holder(request: Request, visitor: Visitor) -> _Holder:
    told = (await ask(request, visitor, "GET", _path(request))).json()
    kind = "users" if "user_id" in request.path_params else "groups"
    return _Holder(kind, told, f"/console/admin/{kind}/{told['id']}")


def _words(request: Request, checked: dict[str, Any] | None) -> dict[str, Any]:
    """Nobody is locked out by an identity's policy who could have put it, so TLS isn't asked about."""
    statements = said(request, checked["statements"]) if checked else []
    return {"checked": checked, "statements": statements, "needs_tls": False, "has_tls": True, "is_of_identity": True}


async def _checked(request: Request, visitor: Visitor, text: str) -> dict[str, Any] | None:
    if not text.strip():
        return None
    answer = await ask(request, visitor, "POST", path_of("policies", "check"), body={"policy": text})
    found: dict[str, Any] = answer.json()
    return found


async def _stored(request: Request, visitor: Visitor, name: str, sent: Fields) -> Answer | None:
    """The policy of that name. That it is gone meanwhile doesn't take what somebody has written from him."""
    if not name:
        return None
    try:
        return await ask(request, visitor, "GET", _path(request, "policies", name))
    except ApiRefusal as error:
        if error.status == 404 and sent:
            return None
        raise


async def _page(request: Request, visitor: Visitor, status: int, fault: Fault | None, sent: Fields) -> Response:
    name, holder = request.query_params.get("name", ""), await _holder(request, visitor)
    stored = await _stored(request, visitor, name, sent)
    policy: dict[str, Any] | None = None if stored is None else stored.json()
    kept = "" if policy is None else policy["text"]
    text = first(sent, "policy") if "policy" in sent else kept or _beginning(request.query_params.get("begin", ""))
    checked = policy if text == kept else await _checked(request, visitor, text)
    return shown(
        request,
        "identity_policy.html",
        status,
        visitor=visitor,
        holder=holder,
        name=name,
        sent_name=first(sent, "name"),
        is_there=policy is not None,
        etag=first(sent, "etag") or ("" if stored is None else stored.headers["etag"]),
        text=text,
        is_draft=text != kept,
        beginnings={key: words for key, (words, _statements) in BEGINNINGS.items()},
        fault=fault,
        done=done_of(request, DONE),
        **_words(request, checked),
    )


def _beginning(name: str) -> str:
    if name not in BEGINNINGS:
        return ""
    return json.dumps({"Version": VERSIONS[-1], "Statement": BEGINNINGS[name][1]}, indent=2)


async def _check(request: Request, visitor: Visitor, fields: Fields) -> Response:
    return await _page(request, visitor, 200, None, fields)


def _name(request: Request, fields: Fields) -> str:
    """That of the policy that is shown, or of a new one."""
    return request.query_params.get("name", "") or first(fields, "name").strip()


async def _save(request: Request, visitor: Visitor, fields: Fields) -> str:
    """A new one takes no other's place."""
    name, seen = _name(request, fields), as_seen(fields) or {"If-None-Match": "*"}
    path = _path(request, "policies", name)
    await ask(request, visitor, "PUT", path, body={"policy": first(fields, "policy")}, headers=seen)
    return f"{request.url.path}?{urlencode({'name': name, 'done': 'saved'})}"


async def _delete(request: Request, visitor: Visitor, fields: Fields) -> str:
    await ask(request, visitor, "DELETE", _path(request, "policies", _name(request, fields)), headers=as_seen(fields))
    return request.url.path.removesuffix("/policy")
