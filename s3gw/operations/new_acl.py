"""The ACL that a request asks for, by a canned name, by header grants or by a document; and whose a new object is.

Sources: Amazon S3 User Guide, "Access control list (ACL) overview" and "Controlling ownership of objects and disabling
ACLs for your bucket".
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from s3gw.access import acl
from s3gw.access.acl import Acl, Grant
from s3gw.access.public_access_block import PublicAccessBlock
from s3gw.access.rules import BucketRules
from s3gw.errors import (
    AccessControlListNotSupported,
    AccessDenied,
    InvalidArgument,
    InvalidRequest,
    MalformedACLError,
    MethodNotAllowed,
)
from s3gw.metadata import identities
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Database
from s3gw.operations.call import Call
from s3gw.problems import BlockedAsPublic

_logger = logging.getLogger("s3gw.access")
_HEADERS = {
    "GrantRead": "READ",
    "GrantWrite": "WRITE",
    "GrantReadACP": "READ_ACP",
    "GrantWriteACP": "WRITE_ACP",
    "GrantFullControl": "FULL_CONTROL",
}
MEMBERS = frozenset(("ACL", *_HEADERS))
_GRANTEE_TYPES = {"CanonicalUser": "id", "Group": "uri", "AmazonCustomerByEmail": "emailAddress"}
_MOST_GRANTS = 100
_GRANTEE = re.compile(r"""\s*(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s,"']+))\s*(?:,|$)""", re.ASCII)
_FULL_TO_BUCKET_OWNER = "bucket-owner-full-control"


class NewAcl(NamedTuple):
    """Columns of `objects` and `uploads`."""

    owner_id: str
    acl: str | None


async def acl_of_new(call: Call, input: Mapping[str, Any]) -> NewAcl:
    """Of an object that the call writes. Raises what is wrong with what it asks for, or forbidden here."""
    if MEMBERS.isdisjoint(input):
        return NewAcl(call.owner_of_new, None)
    bucket, rules, owner_id = call.the_bucket, call.rules, call.owner_of_new
    owner = bucket.owner_canonical_id if call.principal.is_anonymous else call.principal.canonical_id
    if rules.ownership != "ObjectWriter" and input.get("ACL") == _FULL_TO_BUCKET_OWNER:
        owner_id, owner = bucket.owner_id, bucket.owner_canonical_id
    asked = await asked_acl(call.services.database, input, owner, bucket.owner_canonical_id)
    require_allowed(rules, asked, bucket)
    return NewAcl(owner_id, acl.to_json(asked, owner))


async def asked_acl(database: Database, input: Mapping[str, Any], owner: str, bucket_owner: str) -> Acl:
    """Of the headers and the document, by canonical ids. Raises what is wrong with it."""
    document = input.get("AccessControlPolicy")
    grants = [
        Grant(grantee, _HEADERS[name]) for name in _HEADERS if name in input for grantee in _grantees(input, name)
    ]
    if "ACL" in input and grants:
        raise InvalidRequest("Specifying both Canned ACLs and Header Grants is not allowed")
    if document is not None and ("ACL" in input or grants):
        raise InvalidRequest("This request does not support content")
    if "ACL" in input:
        if input["ACL"] not in acl.CANNED:
            # AWS's message is empty, on which its own command line ends with a traceback.
            raise InvalidArgument("This is no canned ACL", ArgumentName="x-amz-acl", ArgumentValue=input["ACL"])
        return acl.canned(input["ACL"], owner, bucket_owner)
    if document is not None:
        grants = list(_of_document(document, owner))
    if len(grants) > _MOST_GRANTS:
        raise MalformedACLError()
    await _require_known(database, grants)
    return tuple(grants)


def require_allowed(rules: BucketRules, asked: Acl, bucket: Bucket) -> None:
    """Raises AccessControlListNotSupported where ACLs are disabled: then only what everything has can be asked for."""
    if not rules.has_acls and asked != acl.of_owner(bucket.owner_canonical_id):
        raise AccessControlListNotSupported()
    if acl.is_public(asked) and PublicAccessBlock.BLOCK_PUBLIC_ACLS in rules.public_access_block:
        raise blocked(rules, PublicAccessBlock.BLOCK_PUBLIC_ACLS, bucket.name)


def blocked(rules: BucketRules, switch: PublicAccessBlock, bucket: str) -> AccessDenied:
    """The refusal of what would be public. As of other rules (authorize.py), the log alone tells which it was."""
    _logger.debug("bucket=%s %s refuses what is public", bucket, rules.blocking(switch))
    return BlockedAsPublic()


def _grantees(input: Mapping[str, Any], name: str) -> Iterator[str]:
    """`id="…", uri="…"`: of a header x-amz-grant-…"""
    text, position = input[name], 0
    while position < len(text):
        match = _GRANTEE.match(text, position)
        if match is None:
            raise InvalidArgument("Argument format not recognized", ArgumentName=name, ArgumentValue=text)
        position = match.end()
        yield _grantee(match[1], match[2] or match[3] or match[4] or "")


def _grantee(kind: str, value: str) -> str:
    if kind.lower() == "emailaddress":
        raise MethodNotAllowed("Email grantees are not supported.", ResourceType="ACL")
    if kind == "uri":
        if value not in acl.GROUPS:
            raise InvalidArgument("Invalid group uri", ArgumentName="uri", ArgumentValue=value)
    elif kind != "id":
        raise InvalidArgument("Argument format not recognized", ArgumentName=kind, ArgumentValue=value)
    return value


def _of_document(document: Mapping[str, Any], owner: str) -> Iterator[Grant]:
    if "Owner" in document and document["Owner"].get("ID") not in (None, owner):
        raise AccessDenied()
    for grant in document.get("Grants", ()):
        grantee, permission = grant.get("Grantee") or {}, grant.get("Permission")
        if permission not in acl.PERMISSIONS:
            raise MalformedACLError()
        kind = _GRANTEE_TYPES.get(grantee.get("Type", ""))
        value = "" if kind == "emailAddress" else grantee.get("ID" if kind == "id" else "URI")
        if kind is None or value is None:
            raise MalformedACLError()
        yield Grant(_grantee(kind, value), permission)


async def _require_known(database: Database, grants: list[Grant]) -> None:
    canonical = {grant.grantee for grant in grants} - acl.GROUPS
    unknown = canonical - (await database.read(identities.names_by_canonical_id, canonical)).keys() if canonical else ()
    for canonical_id in sorted(unknown):
        raise InvalidArgument("Invalid id", ArgumentName="CanonicalUser/ID", ArgumentValue=canonical_id)
