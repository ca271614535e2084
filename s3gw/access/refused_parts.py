"""Which part of a policy a refusal is about. AWS's words name none, and S3's door says no more; whoever asks on the
command line is told the part and what would be right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from s3gw.access.actions import matching
from s3gw.access.close_names import hint_of_action, hint_of_key
from s3gw.access.condition_keys import find_key
from s3gw.access.document import NOT_JSON
from s3gw.access.parse import rest_in_bucket, rest_of_identity
from s3gw.access.principals import read_principals

NO_PRINCIPAL = "Policy document should not specify a principal."
_PREFACED = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
_RIGHT_PRINCIPALS = (
    'right are "*" and {"AWS": [...]} of 12 digits, arn:aws:iam::ACCOUNT:root and arn:aws:iam::ACCOUNT:user/NAME'
    " (`s3gw user show NAME` tells it)"
)


def explained(message: str, statement: object, bucket: str | None) -> str:
    """AWS's message, and which part of the statement it is about where that is known."""
    find = _PARTS.get(message)
    if find is None:
        return message
    parts = list(dict.fromkeys(find(statement if isinstance(statement, dict) else {}, bucket)))
    return f"{message}: {', '.join(parts)}" if parts else message


def explained_text(message: str, text: str | bytes) -> str:
    """Of a document that can't be read: where its JSON ends to be JSON."""
    if message != NOT_JSON:
        return message
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"{message}: line {error.lineno}, column {error.colno}: {error.msg}"
    except (ValueError, RecursionError):
        return message  # bytes that are no UTF-8, or brackets that are too deep
    return f"{message}: a name is there twice in one object, or it is too deep"


def strings_of(statement: dict[str, Any], *names: str) -> Iterator[str]:
    """Of those elements, each a string or a list."""
    for name in names:
        value = statement.get(name, ())
        yield from (item for item in (value if isinstance(value, list | tuple) else [value]) if isinstance(item, str))


def _actions(statement: dict[str, Any], bucket: str | None) -> Iterator[str]:
    for action in strings_of(statement, "Action", "NotAction"):
        if not matching(action) and (bucket is not None or ":" not in action):
            yield f"{action}{hint_of_action(action)}"


def _keys(statement: dict[str, Any], bucket: str | None) -> Iterator[str]:
    conditions = statement.get("Condition")
    for keys in conditions.values() if isinstance(conditions, dict) else ():
        for name in keys if isinstance(keys, dict) else ():
            if find_key(name) is None:
                yield f"{name} is no condition key of S3{hint_of_key(name)}"


def _resources(statement: dict[str, Any], bucket: str | None) -> Iterator[str]:
    expected = f"arn:aws:s3:::{bucket or 'BUCKET'}"
    for resource in strings_of(statement, "Resource", "NotResource"):
        if (rest_of_identity(resource) if bucket is None else rest_in_bucket(resource, bucket)) is None:
            yield f"{resource} (expected is {expected} or {expected}/KEY)"


def _principals(statement: dict[str, Any], bucket: str | None) -> Iterator[str]:
    value = statement.get("Principal", statement.get("NotPrincipal"))
    wrong = [json.dumps(value)]
    if isinstance(value, dict):
        named = [
            (kind, item) for kind, items in value.items() for item in (items if isinstance(items, list) else [items])
        ]
        wrong = [json.dumps(item) for kind, item in named if read_principals({kind: item}) is None] or wrong
    yield from (f"{item} ({_RIGHT_PRINCIPALS})" for item in wrong[:1])


def _is_of_bucket(statement: dict[str, Any], bucket: str | None) -> Iterator[str]:
    yield "that is the policy of a bucket, which `aws s3api put-bucket-policy` puts and `--bucket NAME` checks"


_PARTS: dict[str, Callable[[dict[str, Any], str | None], Iterator[str]]] = {
    "Policy has invalid action": _actions,
    "Policy has an invalid condition key": _keys,
    _PREFACED: lambda statement, bucket: iter((*_actions(statement, bucket), *_keys(statement, bucket))),
    "Policy has invalid resource": _resources,
    'Resource must be in ARN format or "*".': _resources,
    "Invalid principal in policy": _principals,
    NO_PRINCIPAL: _is_of_bucket,
}
