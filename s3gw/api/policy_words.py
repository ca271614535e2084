"""What policies say in words, as answers tell it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from s3gw.access.in_words import StatementInWords, in_words


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
