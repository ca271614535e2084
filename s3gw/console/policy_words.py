"""What policies say, in the visitor's language: of the codes in which the API tells it, the phrases of access/."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request

from s3gw.access import in_words as words
from s3gw.console.pages import in_words

Part = tuple[str, str]  # a phrase, and the name that follows it


class Limit(NamedTuple):
    phrase: str
    values: list[str]


class Said(NamedTuple):
    """A statement. Names and values are somebody's text, phrases are ours. `who` is empty of a policy of a key."""

    name: str
    allows: bool
    is_public: bool
    is_never_applied: bool
    who: list[Part]
    who_but: bool
    does: list[str]
    on: list[Part]
    on_but: bool
    when: list[Limit]


def said(request: Request, statements: Sequence[dict[str, Any]]) -> list[Said]:
    def phrase(text: str) -> str:
        return in_words(request, text)

    return [_said(phrase, one) for one in statements]


def _said(phrase: Callable[[str], str], one: dict[str, Any]) -> Said:
    return Said(
        name=one["name"],
        allows=one["effect"] == "Allow",
        is_public=one["is_public"],
        is_never_applied=one["is_never_applied"],
        who=[(phrase(words.WHO[part["kind"]]), part["name"]) for part in one["who"] if part["kind"] != "holder"],
        who_but=one["who_but"],
        does=[phrase(words.DOES[code]) for code in one["does"]],
        on=[(phrase(words.ON[part["kind"]]), part["name"]) for part in one["on"]],
        on_but=one["on_but"],
        when=[_limit(phrase, limit) for limit in one["when"]],
    )


def _limit(phrase: Callable[[str], str], limit: dict[str, Any]) -> Limit:
    key = words.KEYS.get(limit["key"])
    told = [
        limit["key"] if key is None else phrase(key),
        phrase(words.OPERATORS[words.plain_operator(limit["operator"])]),
    ]
    if limit["operator"].endswith("IfExists"):
        told.append(phrase(words.IF_EXISTS))
    return Limit(" ".join(told), limit["values"])
