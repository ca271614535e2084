"""What is set for a bucket about access beside its policy, and what else is set for it: public access block, ownership,
ACL, CORS, versioning, trash and quotas (/buckets/{id} and what is below it).

Each form is one call; what one may not see isn't shown.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import NOTHING_SENT, Action, act, done_of, sent_again
from s3gw.console.api_call import ApiRefusal
from s3gw.console.bucket_place import bucket_of, in_api, page_of
from s3gw.console.forms import Fields, first
from s3gw.console.language import marked as _
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask
from s3gw.console.words import Fault
from s3gw.problems import Invalid

DONE = {"saved": _("Saved. It counts from the next request on.")}
_PARTS = ("public-access-block", "ownership", "acl", "cors")
SWITCHES = (
    ("block_public_acls", _("Refuse ACLs that are public")),
    ("ignore_public_acls", _("Ignore what ACLs give to everybody")),
    ("block_public_policy", _("Refuse a policy that is public")),
    ("restrict_public_buckets", _("Keep other accounts out where the policy is public")),
)
OWNERSHIPS = (
    ("BucketOwnerEnforced", _("All files are the bucket owner's, and ACLs are disabled (recommended)")),
    ("BucketOwnerPreferred", _("A file is the bucket owner's if its ACL gives him full control")),
    ("ObjectWriter", _("A file is whose account wrote it")),
)
PERMISSIONS = {
    "FULL_CONTROL": _("everything"),
    "READ": _("list the files"),
    "WRITE": _("write files"),
    "READ_ACP": _("see this ACL"),
    "WRITE_ACP": _("change this ACL"),
}
GROUPS = {
    "everybody": _("everybody, without a login too"),
    "authenticated": _("everybody who has an access key"),
    "log_delivery": _("the delivery of logs"),
}
CANNED = (
    ("private", _("nobody but the owner")),
    ("public-read", _("everybody lists the files")),
    ("public-read-write", _("everybody lists and writes files")),
    ("authenticated-read", _("everybody who has an access key lists the files")),
)
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
_GIB, _DAY = 1 << 30, 86_400


async def page(request: Request) -> Response:
    return await _page(request, await visitor_of(request), 200, None, NOTHING_SENT)


async def change(request: Request) -> Response:
    return await act(request, _ACTIONS, _page)


async def _page(request: Request, visitor: Visitor, status: int, fault: Fault | None, sent: Fields) -> Response:
    parts = (_part(request, visitor, name) for name in _PARTS)
    bucket, *seen_parts = await asyncio.gather(bucket_of(request, visitor), *parts)
    seen = dict(zip(("block", "ownership", "acl", "cors"), seen_parts, strict=True))
    return shown(
        request,
        "bucket_settings.html",
        status,
        visitor=visitor,
        bucket=bucket.told,
        etag=bucket.etag,
        where=page_of(request),
        **seen,
        switches=SWITCHES,
        ownerships=OWNERSHIPS,
        permissions=PERMISSIONS,
        groups=GROUPS,
        canned=CANNED,
        methods=METHODS,
        fault=fault,
        done=done_of(request, DONE),
        sent=sent_again(sent),
        days=bucket.told["trash_seconds"] / _DAY,
        gib=None if bucket.told["storage_quota"] is None else bucket.told["storage_quota"] / _GIB,
    )


async def _part(request: Request, visitor: Visitor, name: str) -> dict[str, Any] | None:
    """With its ETag; None where the visitor may not see it."""
    try:
        answer = await ask(request, visitor, "GET", in_api(request, name))
    except ApiRefusal as error:
        if error.status == 403:
            return None
        raise
    return {**answer.json(), "etag": answer.headers["etag"]}


async def _put(request: Request, visitor: Visitor, fields: Fields, name: str, body: Any) -> str:
    more = {"If-Match": first(fields, "etag")}
    await ask(request, visitor, "PUT", in_api(request, *filter(None, (name,))), body=body, headers=more)
    return f"{page_of(request, 'access', 'settings')}?done=saved"


async def _block(request: Request, visitor: Visitor, fields: Fields) -> str:
    body = {name: name in fields for name, _words in SWITCHES}
    return await _put(request, visitor, fields, "public-access-block", body)


async def _ownership(request: Request, visitor: Visitor, fields: Fields) -> str:
    body = {"object_ownership": first(fields, "object_ownership")}
    return await _put(request, visitor, fields, "ownership", body)


async def _acl(request: Request, visitor: Visitor, fields: Fields) -> str:
    return await _put(request, visitor, fields, "acl", {"canned": first(fields, "canned")})


async def _cors(request: Request, visitor: Visitor, fields: Fields) -> str:
    """A rule without origins is none: so one is taken away."""
    numbers = [number for number in fields.get("rule", []) if number.isascii() and number.isdigit()]
    rules = [_rule(fields, number) for number in numbers if _lines(fields, f"origins-{number}")]
    return await _put(request, visitor, fields, "cors", {"rules": rules})


def _rule(fields: Fields, number: str) -> dict[str, Any]:
    age, rule_id = first(fields, f"age-{number}").strip(), first(fields, f"id-{number}")
    rule: dict[str, Any] = {
        "allowed_origins": _lines(fields, f"origins-{number}"),
        "allowed_methods": fields.get(f"methods-{number}", []),
        "allowed_headers": _lines(fields, f"headers-{number}"),
        "expose_headers": _lines(fields, f"expose-{number}"),
    }
    if age:
        rule["max_age_seconds"] = _number(age)
    return rule | ({"id": rule_id} if rule_id else {})


def _lines(fields: Fields, name: str) -> list[str]:
    return [line.strip() for line in first(fields, name).splitlines() if line.strip()]


def _number(text: str, factor: int = 1) -> int:
    """Raises Invalid."""
    try:
        return int(float(text.replace(",", ".")) * factor)
    except (ValueError, OverflowError):
        raise Invalid(_("A number isn't one.")) from None


async def _versioning(request: Request, visitor: Visitor, fields: Fields) -> str:
    return await _put(request, visitor, fields, "", {"versioning": first(fields, "versioning")})


async def _trash(request: Request, visitor: Visitor, fields: Fields) -> str:
    return await _put(request, visitor, fields, "", {"trash_seconds": _number(first(fields, "days"), _DAY)})


async def _quota(request: Request, visitor: Visitor, fields: Fields) -> str:
    """An empty field is no quota."""
    gib, objects = first(fields, "gib").strip(), first(fields, "objects").strip()
    body = {"storage_quota": _number(gib, _GIB) if gib else None, "object_quota": _number(objects) if objects else None}
    return await _put(request, visitor, fields, "", body)


async def _delete(request: Request, visitor: Visitor, fields: Fields) -> str:
    """Whose name was typed. With all that is in it, a job does it, soon."""
    bucket = (await bucket_of(request, visitor)).told
    if first(fields, "name").strip() != bucket["name"]:
        raise Invalid(_("That isn't the bucket's name."))
    query = {"force": "true"} if "all" in fields else {}
    await ask(request, visitor, "DELETE", in_api(request), query=query)
    return "/console/buckets"


_ACTIONS: dict[str, Action] = {
    "block": _block,
    "ownership": _ownership,
    "acl": _acl,
    "cors": _cors,
    "versioning": _versioning,
    "trash": _trash,
    "quota": _quota,
    "delete": _delete,
}
