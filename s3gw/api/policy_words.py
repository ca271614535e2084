"""Policies as requests bring them, and what they say in words and what is wrong with them, as answers tell it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from s3gw.access.in_words import StatementInWords, in_words
from s3gw.access.lint import lint
from s3gw.access.parse import parse_bucket_policy, parse_identity_policy
from s3gw.access.public import is_public
from s3gw.api.models import Body, Text
from s3gw.errors import LimitExceeded, MalformedPolicy, MalformedPolicyDocument, S3Error
from s3gw.operations.table import actions_of
from s3gw.problems import Fault, Invalid

_LONGEST = 64 * 1024  # characters: longer than any that is taken, so that the policy's own words say so


class PutPolicy(Body):
    policy: dict[str, Any] | Annotated[Text, Field(max_length=_LONGEST)] = Field(
        description="The document, or its text, which is kept as it is written."
    )

    @property
    def text(self) -> str:
        return self.policy if isinstance(self.policy, str) else json.dumps(self.policy, ensure_ascii=False)


class FindingModel(BaseModel):
    severity: Literal["error", "warning", "note"]
    statement: str = Field(description="Its Sid or number; empty: the policy.")
    message: str


class Part(BaseModel):
    """`kind` is a word for programs; `name` who or which, empty where the kind says all."""

    kind: str
    name: str


class LimitModel(BaseModel):
    key: str
    operator: str
    values: list[str]


class PolicyStatement(BaseModel):
    """`text` is all of it, in English."""

    name: str = Field(description="Its Sid, or its number.")
    effect: Literal["Allow", "Deny"]
    is_public: bool
    is_never_applied: bool
    who: list[Part]
    who_but: bool = Field(description="All others are meant.")
    does: list[str]
    on: list[Part]
    on_but: bool = Field(description="All else is meant.")
    when: list[LimitModel]
    text: str


class CheckedPolicy(BaseModel):
    """With an error it would be refused. Statements that can't be read aren't told in words."""

    is_valid: bool
    is_public: bool = Field(description="Whether it gives something to everybody, as AWS means it.")
    statements: list[PolicyStatement]
    findings: list[FindingModel]


def checked(text: str, bucket: str | None) -> dict[str, Any]:
    """The members of a CheckedPolicy: of the policy of a bucket, or (None) of an identity."""
    try:
        found = bucket is not None and is_public(parse_bucket_policy(text, bucket))
        if bucket is None:
            parse_identity_policy(text)
        is_valid = True
    except (MalformedPolicy, MalformedPolicyDocument, LimitExceeded):
        is_valid = found = False
    statements = statements_of(text, bucket)
    return {
        "is_valid": is_valid,
        "is_public": found or any(one.is_public for one in statements),
        "statements": statements,
        "findings": [
            FindingModel(severity=severity, statement=where, message=what)
            for severity, where, what in lint(text, bucket, actions_of)
        ],
    }


def refused(error: S3Error, text: str, bucket: str | None) -> S3Error | Invalid:
    """An error by which a policy was refused, with all that is wrong with it; as it is, if that is nothing."""
    found = [one for one in lint(text, bucket, actions_of) if one.severity == "error"]
    faults = [Fault("policy", f"statement {one.where}: {one.what}" if one.where else one.what) for one in found]
    return Invalid(error.message, faults=faults) if faults else error


def statements_of(text: str, bucket: str | None) -> list[PolicyStatement]:
    """Of the policy of a bucket, or (None) of an identity: those that can be read."""
    return [_model(one) for one in in_words(text, bucket)]


def _model(one: StatementInWords) -> PolicyStatement:
    return PolicyStatement(
        name=one.name,
        effect=one.effect,  # type: ignore[arg-type]
        is_public=one.is_public,
        is_never_applied=one.is_never_applied,
        who=[Part(kind=kind, name=name) for kind, name in one.who],
        who_but=one.who_but,
        does=list(one.does),
        on=[Part(kind=kind, name=name) for kind, name in one.on],
        on_but=one.on_but,
        when=[LimitModel(key=limit.key, operator=limit.operator, values=list(limit.values)) for limit in one.when],
        text=one.text,
    )
