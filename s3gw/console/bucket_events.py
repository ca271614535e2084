"""What a bucket tells whom: its notification rules (GET and PUT /buckets/{id}/notifications, all at once), and which
targets they may name (GET /event-targets).

A form has one rule. It is put among those that the API has now, and only if they are those that the form was made from.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import NOTHING_SENT, act, done_of, sent_again
from s3gw.console.api_call import path_of
from s3gw.console.bucket_place import bucket_of, in_api, page_of
from s3gw.console.forms import Fields, first
from s3gw.console.language import marked as _
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask
from s3gw.console.words import Fault
from s3gw.problems import Invalid

_TARGETS = "100"  # of an account, as the API has it
DONE = {
    "saved": _("The rules are saved. A target that is new here is sent a test message."),
    "removed": _("The rule is removed."),
}
# Those that happen here, each with what it is called; of a group first all of it.
EVENTS = {
    "s3:ObjectCreated:*": _("a file is written, in any way"),
    "s3:ObjectCreated:Put": _("it is uploaded at once"),
    "s3:ObjectCreated:Post": _("it is uploaded by a form"),
    "s3:ObjectCreated:Copy": _("it is copied or renamed"),
    "s3:ObjectCreated:CompleteMultipartUpload": _("it is uploaded in parts"),
    "s3:ObjectRemoved:*": _("a file is deleted, in any way"),
    "s3:ObjectRemoved:Delete": _("it, or one version of it, is deleted for good"),
    "s3:ObjectRemoved:DeleteMarkerCreated": _("it is hidden, and its versions are kept"),
    "s3:ObjectTagging:*": _("tags of a file change"),
    "s3:ObjectAcl:Put": _("the ACL of a file changes"),
    "s3gw:Quota:Threshold": _("much of the quota is used"),
    "s3gw:Scan:*": _("a file was looked through for viruses"),
    "s3gw:Scan:Infected": _("a virus was found"),
}
WHOLE = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")


async def page(request: Request) -> Response:
    return await _page(request, await visitor_of(request), 200, None, NOTHING_SENT)


async def change(request: Request) -> Response:
    return await act(request, {"add": _add, "change": _change, "remove": _remove}, _page)


async def _page(request: Request, visitor: Visitor, status: int, fault: Fault | None, sent: Fields) -> Response:
    bucket, answer, found = await asyncio.gather(
        bucket_of(request, visitor),
        ask(request, visitor, "GET", in_api(request, "notifications")),
        ask(request, visitor, "GET", path_of("event-targets"), query={"per_page": _TARGETS}),
    )
    targets = found.json()["items"]
    return shown(
        request,
        "bucket_events.html",
        status,
        visitor=visitor,
        bucket=bucket.told,
        where=page_of(request),
        rules=answer.json()["rules"],
        etag=answer.headers["etag"],
        targets=[one for one in targets if one["is_shared"] or one["owner_id"] == bucket.told["owner_id"]],
        by_arn={one["arn"]: one for one in targets},
        events=EVENTS,
        whole=WHOLE,
        fault=fault,
        done=done_of(request, DONE),
        sent=sent_again(sent),
        sent_events=sent.get("events", []),
    )


async def _add(request: Request, visitor: Visitor, fields: Fields) -> str:
    return await _put(request, visitor, fields, [*await _rules(request, visitor), _rule(fields)])


async def _change(request: Request, visitor: Visitor, fields: Fields) -> str:
    rule_id = first(fields, "rule")
    changed = _rule(fields) | {"id": rule_id}
    rules = [changed if rule["id"] == rule_id else rule for rule in await _rules(request, visitor)]
    return await _put(request, visitor, fields, rules)


async def _remove(request: Request, visitor: Visitor, fields: Fields) -> str:
    rule_id = first(fields, "rule")
    rules = [rule for rule in await _rules(request, visitor) if rule["id"] != rule_id]
    return await _put(request, visitor, fields, rules, "removed")


async def _rules(request: Request, visitor: Visitor) -> list[dict[str, Any]]:
    answer = (await ask(request, visitor, "GET", in_api(request, "notifications"))).json()
    return list(answer["rules"])


async def _put(
    request: Request, visitor: Visitor, fields: Fields, rules: list[dict[str, Any]], done: str = "saved"
) -> str:
    more = {"If-Match": first(fields, "etag")}
    await ask(request, visitor, "PUT", in_api(request, "notifications"), body={"rules": rules}, headers=more)
    return f"{page_of(request, 'events')}?done={done}"


def _rule(fields: Fields) -> dict[str, Any]:
    """What a group has in it isn't named beside the whole group. Raises Invalid."""
    chosen = fields.get("events", [])
    groups = tuple(name.removesuffix("*") for name in chosen if name.endswith(":*"))
    events = [name for name in chosen if name.endswith(":*") or not name.startswith(groups)]
    if not events:
        raise Invalid(_("Choose at least one thing that is told."))
    target = first(fields, "target").strip()
    if not target:
        raise Invalid(_("Say who is told."))
    return {
        "target": target,
        "events": events,
        "prefix": first(fields, "prefix"),
        "suffix": first(fields, "suffix"),
    }
