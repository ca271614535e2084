"""What a policy says, statement by statement, as people would: who may do what, on what, and when.

Codes, so that a page can say them in its own language, with the English for each. What decides is evaluate.py's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from s3gw.access.actions import ACTIONS, ON_BUCKETS, ON_OBJECTS
from s3gw.access.parse import Dialect, read_envelope, read_statement, rest_in_bucket, rest_of_identity
from s3gw.access.policy import Condition, Statement
from s3gw.access.principals import read_principals
from s3gw.access.public import is_public_statement
from s3gw.access.refused_parts import strings_of
from s3gw.errors import MalformedPolicy, MalformedPolicyDocument, S3Error

WHO = {
    "everybody": "everybody, without a login too",
    "account": "all users of the account",
    "user": "the user",
    "canonical_user": "the account with the canonical ID",
    "nobody": "nobody who is here:",
    "holder": "whoever has this policy",
}
DOES = {
    "everything": "do everything",
    "list": "list files",
    "read": "read files",
    "write": "write files",
    "delete": "delete files",
    "read_tags": "read tags",
    "write_tags": "change tags",
    "read_acl": "see ACLs",
    "write_acl": "change ACLs",
    "read_settings": "see settings",
    "write_settings": "change settings",
    "nothing": "do nothing that there is here",
}
ON = {
    "everything": "everything",
    "bucket": "the bucket",
    "files": "all files",
    "below": "all files whose paths begin with",
    "file": "the file",
    "pattern": "what fits the pattern",
    "elsewhere": "nothing that is here:",
}
OPERATORS = {
    "StringEquals": "is",
    "StringNotEquals": "isn't",
    "StringEqualsIgnoreCase": "is, in whatever case,",
    "StringNotEqualsIgnoreCase": "isn't, in whatever case,",
    "StringLike": "is like",
    "StringNotLike": "isn't like",
    "NumericEquals": "is",
    "NumericNotEquals": "isn't",
    "NumericLessThan": "is less than",
    "NumericLessThanEquals": "is at most",
    "NumericGreaterThan": "is more than",
    "NumericGreaterThanEquals": "is at least",
    "DateEquals": "is",
    "DateNotEquals": "isn't",
    "DateLessThan": "is before",
    "DateLessThanEquals": "is at the latest",
    "DateGreaterThan": "is after",
    "DateGreaterThanEquals": "is at the earliest",
    "Bool": "is",
    "BinaryEquals": "is",
    "IpAddress": "is in",
    "NotIpAddress": "isn't in",
    "ArnEquals": "is",
    "ArnLike": "is like",
    "ArnNotEquals": "isn't",
    "ArnNotLike": "isn't like",
    "Null": "is missing:",
}
KEYS = {
    "aws:SourceIp": "the address that it comes from",
    "aws:SecureTransport": "whether it comes over TLS",
    "aws:CurrentTime": "the time",
    "aws:Referer": "the page that it comes from",
    "aws:UserAgent": "the program",
    "aws:username": "the user's name",
    "s3:prefix": "the prefix of the list",
    "s3:delimiter": "the delimiter of the list",
    "s3:max-keys": "the length of the list",
    "s3:TlsVersion": "the version of TLS",
    "s3:signatureversion": "the version of the signature",
}
MAY, MAY_NOT, ALL_BUT, WHEN, OR, AND = "may", "may not", "all but", "when", "or", "and"
NEVER = "(never applies: it asks for what can't be known here)"
IF_EXISTS = "(or isn't told)"
TABLES = (WHO, DOES, ON, OPERATORS, KEYS)
_WILD = re.compile(r"[*?]|\$\{")


class Named(NamedTuple):
    """A code of WHO or ON, and who or which; "" where the code says all."""

    kind: str
    name: str = ""


class Limit(NamedTuple):
    """`operator` as the policy writes it; any of `values` fulfils it, or none may, as the operator says."""

    key: str
    operator: str
    values: tuple[str, ...]


class StatementInWords(NamedTuple):
    """`does` are codes of DOES. `who_but` and `on_but`: all others are meant."""

    name: str
    effect: str
    is_public: bool
    is_never_applied: bool
    who: tuple[Named, ...]
    who_but: bool
    does: tuple[str, ...]
    on: tuple[Named, ...]
    on_but: bool
    when: tuple[Limit, ...]

    @property
    def text(self) -> str:
        """In English."""
        who = _listed([_phrase(WHO, one) for one in self.who], AND)
        on = _listed([_phrase(ON, one) for one in self.on], AND)
        who, on = (f"{ALL_BUT} {who}" if self.who_but else who), (f"{ALL_BUT} {on}" if self.on_but else on)
        does = _listed([DOES[code] for code in self.does], OR if self.effect == "Deny" else AND)
        said = f"{who} {MAY if self.effect == 'Allow' else MAY_NOT} {does}: {on}"
        if self.when:
            said += f", {WHEN} {_listed([_limit(one) for one in self.when], AND)}"
        return said[:1].upper() + said[1:] + (f" {NEVER}" if self.is_never_applied else "")


def in_words(text: str | bytes, bucket: str | None) -> list[StatementInWords]:
    """Of the statements that can be read; none of what is no policy. `bucket`: whose it is; None: of an identity."""
    dialect = Dialect(bucket, MalformedPolicyDocument if bucket is None else MalformedPolicy)
    try:
        version, raw = read_envelope(text, dialect)
    except S3Error:
        return []
    told = []
    for number, item in enumerate(raw, 1):
        try:
            statement = read_statement(item, str(number), version, dialect)
        except S3Error:
            continue
        told.append(_told(statement, item, bucket))
    return told


def _told(statement: Statement, item: dict[str, Any], bucket: str | None) -> StatementInWords:
    return StatementInWords(
        statement.name,
        statement.effect,
        is_public_statement(statement),
        statement.is_never_applied,
        tuple(dict.fromkeys(_who(item))),
        "NotPrincipal" in item,
        tuple(_does(statement.actions)),
        tuple(dict.fromkeys(_on(resource, bucket) for resource in strings_of(item, "Resource", "NotResource"))),
        statement.is_not_resource,
        tuple(_limits(statement)),
    )


def _who(item: dict[str, Any]) -> Iterator[Named]:
    value = item.get("Principal", item.get("NotPrincipal"))
    if value is None:
        yield Named("holder")
    elif not isinstance(value, dict):
        yield Named("everybody")
    else:
        for kind, items in value.items():
            for name in items if isinstance(items, list) else [items]:
                yield _principal(kind, name)


def _principal(kind: str, name: str) -> Named:
    found = read_principals({kind: name})
    if found is None or found.foreign:
        return Named("nobody", name)
    if found.everybody:
        return Named("everybody")
    if found.accounts:
        return Named("account", *found.accounts)
    if found.users:
        ((_, user),) = found.users
        return Named("user", user)
    return Named("canonical_user", *found.canonical)


def _does(actions: frozenset[str]) -> Iterator[str]:
    if actions >= ON_OBJECTS | ON_BUCKETS:
        yield "everything"
        return
    codes = {_code_of(action) for action in actions}
    yield from (code for code in DOES if code in codes)
    if not actions & ACTIONS:
        yield "nothing"


def _code_of(action: str) -> str:
    name, reads = action.partition(":")[2], action.partition(":")[2].startswith(("Get", "List", "Describe"))
    if name.startswith("List") and not name.startswith("ListTags"):
        return "list"
    if name.endswith("Acl"):
        return "read_acl" if reads else "write_acl"
    if action not in ON_OBJECTS:
        return "read_settings" if reads else "write_settings"
    if "Tagging" in name or name.endswith("Tags"):
        return "read_tags" if reads else "write_tags"
    if name.startswith(("DeleteObject", "ReplicateDelete")):
        return "delete"
    return "read" if name.startswith("Get") else "write"


def _on(resource: str, bucket: str | None) -> Named:
    rest = rest_of_identity(resource) if bucket is None else rest_in_bucket(resource, bucket)
    if not rest:
        return Named("elsewhere", resource)
    name, slash, path = rest.partition("/")
    prefix = "" if name == bucket else f"{name}/"
    if rest == "*" or (name == "*" and path in ("", "*")):
        return Named("everything" if rest == "*" or path == "*" else "bucket")
    if _WILD.search(name):
        return Named("pattern", rest)
    if not slash:
        return Named("bucket", "" if name == bucket else name)
    if path == "*":
        return Named("files") if name == bucket else Named("below", prefix)
    if path.endswith("*") and not _WILD.search(path[:-1]):
        return Named("below", prefix + path[:-1])
    return Named("pattern" if _WILD.search(path) else "file", prefix + path)


def _limits(statement: Statement) -> Iterator[Limit]:
    for condition in (*statement.conditions, *statement.unknowable):
        yield Limit(condition.key.name, _written(condition), condition.written)


def _written(condition: Condition) -> str:
    named = condition.operator
    prefix = f"{named.quantifier}:" if named.quantifier else ""
    return f"{prefix}{named.name}{'IfExists' if named.if_exists else ''}"


def plain_operator(written: str) -> str:
    """Of OPERATORS, of one as a policy writes it."""
    return written.rpartition(":")[2].removesuffix("IfExists")


def _limit(limit: Limit) -> str:
    said = f"{KEYS.get(limit.key, limit.key)} {OPERATORS[plain_operator(limit.operator)]}"
    if limit.operator.endswith("IfExists"):
        said += f" {IF_EXISTS}"
    return f"{said} {_listed([json.dumps(value, ensure_ascii=False) for value in limit.values], OR)}"


def _phrase(phrases: dict[str, str], named: Named) -> str:
    return f"{phrases[named.kind]} {named.name}".rstrip() if named.name else phrases[named.kind].rstrip(":")


def _listed(phrases: list[str], last: str) -> str:
    return f" {last} ".join(filter(None, (", ".join(phrases[:-1]), *phrases[-1:])))
