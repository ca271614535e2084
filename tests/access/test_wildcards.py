"""The matcher finds what a naive one finds, and hostile patterns cost it no more than others."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3gw.access.wildcards import Wild, compile_pattern, matcher_of, tokens_of


def naive(pattern: str, text: str) -> bool:
    """One row of the table of prefixes after the other."""
    row = [True] + [False] * len(text)
    for char in pattern:
        if char == "*":
            for index in range(1, len(row)):
                row[index] = row[index] or row[index - 1]
        else:
            row = [False, *(row[i] and char in ("?", text[i]) for i in range(len(text)))]
    return row[-1]


@settings(max_examples=400)
@given(st.text("ab*?", max_size=14), st.text("ab", max_size=12))
def test_it_matches_what_the_table_of_prefixes_matches(pattern: str, text: str) -> None:
    made = compile_pattern(tokens_of(pattern))
    assert made.matches(text) == matcher_of(made)(text) == naive(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("a*a", "a", False),
        ("*?*", "", False),
        ("*?b*", "b", False),
        ("*b?*", "b", False),
        ("*b?d*", "abcd", True),
        ("*b?d*", "abd", False),
        ("ümlaut/?", "ümlaut/ß", True),
        ("a\n*", "a\nb", True),
        ("[a]", "a", False),
    ],
)
def test_a_pattern_matches_the_whole_text(pattern: str, text: str, expected: bool) -> None:
    made = compile_pattern(tokens_of(pattern))
    assert (made.matches(text), matcher_of(made)(text)) == (expected, expected)


def test_wildcards_of_a_value_are_plain_characters() -> None:
    assert compile_pattern(["a*?", Wild.MANY]).matches("a*?b")
    assert not compile_pattern(["a*?", Wild.MANY]).matches("axyb")


@pytest.mark.parametrize("unit", ["*a", "*a?", "*?a?", "?*", "*?", "*a?a?a?a?a?a?a?b", "a*"])
def test_a_hostile_pattern_of_20_kb_costs_milliseconds(unit: str) -> None:
    patterns = [compile_pattern(tokens_of(unit * (500 // len(unit)) + "c*")) for _ in range(40)]
    started = process_time()
    assert not any(pattern.matches("a" * 1024) for pattern in patterns)
    assert process_time() - started < 0.25  # 1 to 5 ms on a machine that does nothing else
