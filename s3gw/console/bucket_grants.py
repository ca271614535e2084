"""Who was granted what in a bucket (/buckets/{id}/share and /access), and why somebody may do something there
(/access/explain).
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import NOTHING_SENT, Action, act, done_of, sent_again
from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.bucket_place import bucket_of, in_api, page_of
from s3gw.console.forms import Fields, first, until
from s3gw.console.language import marked as _
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask
from s3gw.console.words import Fault, fault_of
from s3gw.problems import Invalid

_PER_PAGE = "50"
_FOUND = "8"  # that are offered as one types
DONE = {
    "given": _("That was granted. It counts from the next request on."),
    "changed": _("The grant is changed."),
    "revoked": _("The grant is taken back. It counts from the next request on."),
}
# What one asks about most; any action of S3 can be entered.
ACTIONS = (
    ("s3:ListBucket", _("list files")),
    ("s3:GetObject", _("read a file")),
    ("s3:PutObject", _("write a file")),
    ("s3:DeleteObject", _("delete a file")),
    ("s3:GetObjectVersion", _("read an old version of a file")),
    ("s3:PutObjectAcl", _("change the ACL of a file")),
    ("s3:PutBucketPolicy", _("change the policy of the bucket")),
    ("s3:DeleteBucket", _("delete the bucket")),
)


async def page(request: Request) -> Response:
    return await _page(request, await visitor_of(request), 200, None, NOTHING_SENT)


async def change(request: Request) -> Response:
    actions: dict[str, Action] = {"give": _give, "change": _change, "revoke": _revoke}
    return await act(request, actions, _page)


async def _page(request: Request, visitor: Visitor, status: int, fault: Fault | None, sent: Fields) -> Response:
    cursor = request.query_params.get("cursor", "")
    query = {"per_page": _PER_PAGE} | ({"cursor": cursor} if cursor else {})
    bucket, grants, groups = await asyncio.gather(
        bucket_of(request, visitor),
        ask(request, visitor, "GET", in_api(request, "access"), query=query),
        ask(request, visitor, "GET", path_of("groups"), query={"per_page": "100"}),
    )
    found = grants.json()
    asked = {name: request.query_params.get(name, "") for name in ("user", "does", "key")}
    explained, unexplained = await _explained(request, visitor, bucket.told["name"], asked)
    return shown(
        request,
        "bucket_grants.html",
        status,
        visitor=visitor,
        bucket=bucket.told,
        where=page_of(request),
        found=found,
        groups=groups.json()["items"],
        fault=fault,
        done=done_of(request, DONE),
        sent=sent_again(sent),
        actions=ACTIONS,
        asked=asked,
        explained=explained,
        unexplained=unexplained,
        following=f"{page_of(request, 'access')}?cursor={found['next_cursor']}" if found["next_cursor"] else None,
    )


async def _explained(
    request: Request, visitor: Visitor, bucket: str, asked: dict[str, str]
) -> tuple[dict[str, Any] | None, Fault | None]:
    if not asked["does"]:
        return None, None
    query = {"action": asked["does"], "bucket": bucket}
    query |= {name: asked[name] for name in ("user", "key") if asked[name]}
    try:
        return (await ask(request, visitor, "GET", path_of("access", "explain"), query=query)).json(), None
    except ApiRefusal as error:
        if error.status == 401:
            raise
        return None, fault_of(request, error)


async def people(request: Request) -> Response:
    """Names for a field, as one types: for who may list users."""
    visitor = await visitor_of(request)
    asked = request.query_params
    search = asked.get("who") or asked.get("user", "")
    found: list[dict[str, Any]] = []
    if search and visitor.role != "user":
        query = {"search": search, "per_page": _FOUND}
        found = (await ask(request, visitor, "GET", path_of("users"), query=query)).json()["items"]
    return shown(request, "people.html", visitor=visitor, people=found)


async def _give(request: Request, visitor: Visitor, fields: Fields) -> str:
    kind, path = first(fields, "on"), first(fields, "path")
    group, name = first(fields, "group"), first(fields, "who").strip()
    if bool(group) == bool(name):
        raise Invalid(_("Say to whom: enter a name, or choose a group."))
    if kind != "bucket" and not path:
        raise Invalid(_("Say on which path."))
    body: dict[str, Any] = {"permission": first(fields, "permission"), "expires_at": until(fields, "until")}
    body |= {"group_id": group} if group else {"username": name}
    if kind != "bucket":
        body["key" if kind == "file" else "prefix"] = path
    await ask(request, visitor, "POST", in_api(request, "share"), body=body)
    return f"{page_of(request, 'access')}?done=given"


async def _change(request: Request, visitor: Visitor, fields: Fields) -> str:
    body = {"permission": first(fields, "permission")}
    await ask(request, visitor, "PUT", _grant(request, fields), query=_which(fields), body=body)
    return f"{page_of(request, 'access')}?done=changed"


async def _revoke(request: Request, visitor: Visitor, fields: Fields) -> str:
    await ask(request, visitor, "DELETE", _grant(request, fields), query=_which(fields))
    return f"{page_of(request, 'access')}?done=revoked"


def _grant(request: Request, fields: Fields) -> str:
    return in_api(request, "access", first(fields, "grantee"))


def _which(fields: Fields) -> dict[str, str]:
    return {"grant_id": first(fields, "grant")}
