"""A bucket's policy: its editor, what it says in words, and what of it is public (/buckets/{id}/policy)."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import NOTHING_SENT, Action, act, done_of
from s3gw.console.bucket_place import bucket_of, in_api, page_of
from s3gw.console.forms import Fields, first, sent_by
from s3gw.console.language import marked as _
from s3gw.console.pages import shown
from s3gw.console.policy_words import said
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask
from s3gw.console.words import Fault

DONE = {
    "saved": _("The policy is saved. It counts from the next request on."),
    "deleted": _("The policy is deleted. It counts from the next request on."),
}
BEGINNINGS = {
    "public": _("Everybody reads all files"),
    "tls": _("Nothing without TLS"),
    "network": _("Files are read from one network only"),
}


async def page(request: Request) -> Response:
    return await _page(request, await visitor_of(request), 200, None, NOTHING_SENT)


async def change(request: Request) -> Response:
    actions: dict[str, Action] = {"save": _save, "check": _check, "delete": _delete}
    return await act(request, actions, _page)


async def check(request: Request) -> Response:
    """What is written so far, as one writes: a part of the page."""
    visitor = await visitor_of(request)
    fields = await sent_by(request, visitor)
    return _part(request, visitor, await _checked(request, visitor, first(fields, "policy")))


def _part(request: Request, visitor: Visitor, checked: dict[str, Any] | None) -> Response:
    statements = said(request, checked["statements"]) if checked else []
    return shown(
        request,
        "policy_words.html",
        visitor=visitor,
        checked=checked,
        statements=statements,
        needs_tls=_needs_tls(checked or {}),
        has_tls=_has_tls(request),
    )


def _needs_tls(checked: dict[str, Any]) -> bool:
    """Whether it denies something to whoever comes without TLS."""
    denied = [one for one in checked.get("statements") or () if one["effect"] == "Deny"]
    limits = [limit for one in denied for limit in one["when"]]
    return any(limit["key"] == "aws:SecureTransport" and "false" in limit["values"] for limit in limits)


def _has_tls(request: Request) -> bool:
    return bool(request.state.scheme == "https")


async def _checked(request: Request, visitor: Visitor, text: str) -> dict[str, Any] | None:
    if not text.strip():
        return None
    answer = await ask(request, visitor, "POST", in_api(request, "policy", "check"), body={"policy": text})
    found: dict[str, Any] = answer.json()
    return found


async def _page(
    request: Request,
    visitor: Visitor,
    status: int,
    fault: Fault | None,
    sent: Fields,
    *,
    asks_to_confirm: str = "",
) -> Response:
    bucket = (await bucket_of(request, visitor)).told
    answer = await ask(request, visitor, "GET", in_api(request, "policy"))
    policy: dict[str, Any] = answer.json()
    text, checked = first(sent, "policy") if "policy" in sent else policy["text"] or "", policy
    beginning = request.query_params.get("begin", "")
    if beginning in BEGINNINGS and not sent:
        text = _beginning(beginning, bucket["name"])
    if text != policy["text"]:
        checked = await _checked(request, visitor, text) or {}
    return shown(
        request,
        "bucket_policy.html",
        status,
        visitor=visitor,
        bucket=bucket,
        where=page_of(request),
        has_policy=policy["policy"] is not None,
        is_draft=text != (policy["text"] or ""),
        etag=first(sent, "etag") or answer.headers["etag"],
        text=text,
        checked=checked if checked.get("statements") is not None and text else None,
        statements=said(request, checked.get("statements") or ()),
        beginnings=BEGINNINGS,
        fault=fault,
        done=done_of(request, DONE),
        needs_tls=bool(text) and _needs_tls(checked),
        has_tls=_has_tls(request),
        asks_to_confirm=asks_to_confirm,
    )


def _beginning(name: str, bucket: str) -> str:
    files, all_of_it = f"arn:aws:s3:::{bucket}/*", [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    reads = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": files}
    statement = {
        "public": {"Sid": "PublicRead", **reads},
        "tls": {
            "Sid": "OnlyTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": all_of_it,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        "network": {"Sid": "OneNetwork", **reads, "Condition": {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}}},
    }[name]
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)


async def _check(request: Request, visitor: Visitor, fields: Fields) -> Response:
    return await _page(request, visitor, 200, None, fields)


async def _save(request: Request, visitor: Visitor, fields: Fields) -> str | Response:
    """What would be public, or closed to who has come as the visitor has, is asked about once more."""
    text = first(fields, "policy")
    checked = await _checked(request, visitor, text)
    if checked and checked["is_valid"] and first(fields, "confirmed") != "yes":
        locks_out = "tls" if _needs_tls(checked) and not _has_tls(request) else ""
        if asks := "public" if checked["is_public"] else locks_out:
            return await _page(request, visitor, 200, None, fields, asks_to_confirm=asks)
    more = {"If-Match": first(fields, "etag")}
    await ask(request, visitor, "PUT", in_api(request, "policy"), body={"policy": text}, headers=more)
    return f"{page_of(request, 'access', 'policy')}?done=saved"


async def _delete(request: Request, visitor: Visitor, fields: Fields) -> str:
    await ask(request, visitor, "DELETE", in_api(request, "policy"), headers={"If-Match": first(fields, "etag")})
    return f"{page_of(request, 'access', 'policy')}?done=deleted"
