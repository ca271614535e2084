"""Policies, people and facts for the tests of the policy language."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from s3gw.access.evaluate import decide_policy
from s3gw.access.parse import parse_bucket_policy, parse_identity_policy
from s3gw.access.principals import Who
from s3gw.access.templates import Facts

BUCKET = "pictures"
KEY_ARN = "arn:aws:s3:::pictures/cats/tom.jpg"
BUCKET_ARN = "arn:aws:s3:::pictures"

ROOT = Who(False, "111122223333", "a" * 64, "u-root", "owner", "arn:aws:iam::111122223333:root", True)
ALICE = Who(False, "111122223333", "a" * 64, "u-alice", "alice", "arn:aws:iam::111122223333:user/alice", False)
STRANGER = Who(False, "444455556666", "b" * 64, "u-bob", "bob", "arn:aws:iam::444455556666:root", True)
NOBODY = Who(True, "", "", "", "anonymous", "", False)


def facts_of(values: Mapping[str, str | Sequence[str]]) -> Facts:
    def facts(key: str) -> Sequence[str]:
        value = values.get(key, ())
        return (value,) if isinstance(value, str) else value

    return facts


NO_FACTS = facts_of({})


def statement(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    """Of a bucket's policy, for everybody; an element that is None is left out."""
    made = {"Effect": effect, "Principal": "*", "Action": "s3:GetObject", "Resource": f"{BUCKET_ARN}/*", **elements}
    return {name: value for name, value in made.items() if value is not None}


def document(*statements: Any, version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": list(statements)})


def of_identity(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    return statement(effect, **{"Principal": None, **elements})


def effect_of(
    text: str,
    who: Who = STRANGER,
    action: str = "s3:GetObject",
    resource: str = KEY_ARN,
    facts: Mapping[str, str | Sequence[str]] | None = None,
    *,
    bucket: str | None = BUCKET,
) -> str | None:
    policy = parse_identity_policy(text) if bucket is None else parse_bucket_policy(text, bucket)
    return decide_policy(policy, who, action, resource, facts_of(facts or {})).effect


def condition_holds(condition: Any, facts: Mapping[str, str | Sequence[str]], **elements: Any) -> bool:
    """Whether a statement with it applies, asked of an Allow and of a Deny, which must agree."""
    texts = [document(statement(effect, Condition=condition, **elements)) for effect in ("Allow", "Deny")]
    action = elements.get("Action", "s3:GetObject")
    resource = KEY_ARN if elements.get("Resource", "/").count("/") else BUCKET_ARN
    allowed, denied = (effect_of(text, action=action, resource=resource, facts=facts) for text in texts)
    assert (allowed == "Allow") == (denied == "Deny")
    return allowed == "Allow"
