"""Hypothesis strategies for the values of AWS's shapes, read from the same model as the codec."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from s3gw.wire.model import Member, Shape

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=12)
TOKEN = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="=?,"), min_size=1, max_size=12
)
NAME = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
MOMENT = st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
# XML can't carry these and they aren't what these tests are about.
UNSENT = {"Body", "AnnotationPayload", "Payload"}
# Deprecated, and on the wire the same element as `Events`.
AMBIGUOUS = {"Event"}


def members(shape: Shape) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: value(member) for name, member in shape.members.items() if name not in UNSENT | AMBIGUOUS}
    required = {name: strategy for name, strategy in fields.items() if name in shape.required}
    return st.fixed_dictionaries(
        required, optional={name: strategy for name, strategy in fields.items() if name not in required}
    )


def value(member: Member) -> st.SearchStrategy[Any]:
    shape = member.shape
    if member.location == "uri":
        return st.just("bucket") if member.name == "Bucket" else TEXT.filter(bool)
    if member.name in ("Policy", "RequestRoute"):  # a body can't be empty, a part of the host name must be one
        return NAME
    if member.location == "headers":
        return st.dictionaries(NAME, TOKEN, min_size=1, max_size=3)
    if shape.kind == "list":
        assert shape.item is not None
        return st.lists(value(shape.item), min_size=1, max_size=3)
    if shape.kind == "structure":
        return st.deferred(lambda: members(shape))
    if shape.kind == "string":
        if shape.enum:
            return st.sampled_from(sorted(shape.enum))
        plain = member.location == "header" or member.wire_name.startswith("response-")
        return TOKEN if plain or member.attribute else TEXT
    numbers = {"integer": 2**31 - 1, "long": 2**63 - 1}
    if shape.kind in numbers:
        return st.integers(0, numbers[shape.kind])
    return {"boolean": st.booleans(), "timestamp": MOMENT}[shape.kind]
