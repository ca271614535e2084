"""Text of a policy with wildcards and policy variables: `home/${aws:username}/*`.

IAM User Guide, "IAM policy elements: Variables and tags". A variable stands for what the request says, in which `*` and
`?` are plain characters; `${*}`, `${?}` and `${$}` are the characters themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from s3gw.access.condition_keys import ConditionKey, find_key
from s3gw.access.wildcards import Pattern, Wild, compile_pattern, matcher_of, tokens_of

# Condition key -> its values, none where the request has no such fact.
Facts = Callable[[str], Sequence[str]]

# Nothing is given back once it is taken, so that text is read once whatever it says.
_VARIABLE = re.compile(r"\$\{(?:(?P<char>[*?$])|\s*+(?P<name>[^}{,'*?$]++)(?:,\s*+'(?P<default>[^']*+)'\s*+)?+)\}")


def plain(text: str) -> str:
    """As a policy writes a text that has neither wildcards nor variables."""
    return re.sub(r"[*?$]", lambda found: f"${{{found[0]}}}", text)


class Variable(NamedTuple):
    """`key` is None for a name that is no condition key: it never has a value."""

    key: ConditionKey | None
    default: str | None

    @property
    def is_unknowable(self) -> bool:
        return self.key is not None and self.key.is_unknowable

    def value(self, facts: Facts) -> str | None:
        """None where there isn't exactly one: AWS replaces no variable of a multivalued key."""
        key = self.key
        values = () if key is None or key.is_absent or key.is_unknowable else facts(key.name)
        return values[0] if len(values) == 1 else self.default


Token = str | Wild | Variable


class Template(NamedTuple):
    """`pattern` and its matcher `fits` are there where nothing has to be asked for first."""

    tokens: tuple[Token, ...]
    pattern: Pattern | None
    fits: Callable[[str], bool] | None

    @property
    def is_unknowable(self) -> bool:
        return any(isinstance(token, Variable) and token.is_unknowable for token in self.tokens)

    @property
    def is_costly(self) -> bool:
        return any(isinstance(token, Variable) and token.key and token.key.is_costly for token in self.tokens)

    @property
    def beginning(self) -> str:
        """What each text that matches begins with; it may begin with more."""
        first = self.tokens[0] if self.tokens else ""
        return first if isinstance(first, str) else ""

    def matches(self, text: str, facts: Facts, unresolved_fits: bool = False) -> bool:
        """`unresolved_fits` is the answer where a variable has neither a value nor a default."""
        if self.fits is not None:
            return self.fits(text)
        resolved = self.resolve(facts)
        if resolved is None:
            return unresolved_fits
        # A variable may stand there a thousand times, for what a client may make as long as a request can be.
        return least_length(resolved) <= len(text) and compile_pattern(resolved).matches(text)

    def resolve(self, facts: Facts) -> list[str | Wild] | None:
        """With the variables' values; None where one has neither a value nor a default."""
        resolved: list[str | Wild] = []
        for token in self.tokens:
            if isinstance(token, Variable):
                value = token.value(facts)
                if value is None:
                    return None
                token = value
            resolved.append(token)
        return resolved

    def with_unknowable_as_anything(self) -> Template:
        if not self.is_unknowable:
            return self
        return template_of(
            Wild.MANY if isinstance(token, Variable) and token.is_unknowable else token for token in self.tokens
        )


def compile_any(templates: Sequence[Template], unresolved_fits: bool) -> Callable[[str, Facts], bool]:
    """Whether one of them matches, as `Template.matches`. Texts and beginnings of texts, which most of them are, are
    looked for together, and how the others begin.
    """
    patterns = [template.pattern for template in templates if template.pattern is not None]
    texts = frozenset(pattern.text for pattern in patterns if pattern.text is not None)
    beginnings = tuple(pattern.beginning for pattern in patterns if pattern.beginning is not None)
    others = [pattern for pattern in patterns if pattern.text is None and pattern.beginning is None]
    heads, fits = tuple(pattern.before_wildcards for pattern in others), [matcher_of(pattern) for pattern in others]
    variable = [template for template in templates if template.pattern is None]
    if not others and not variable:
        return lambda text, facts: text.startswith(beginnings) or text in texts

    def matches(text: str, facts: Facts) -> bool:
        if text in texts or text.startswith(beginnings):
            return True
        if text.startswith(heads):
            for fit in fits:
                if fit(text):
                    return True
        return any(template.matches(text, facts, unresolved_fits) for template in variable)

    return matches


def least_length(resolved: Iterable[str | Wild]) -> int:
    """Of a text that matches."""
    return sum(len(token) for token in resolved if isinstance(token, str))


def template_of(tokens: Sequence[Token] | Iterator[Token]) -> Template:
    kept = tuple(tokens)
    plain = [token for token in kept if not isinstance(token, Variable)]
    if len(plain) < len(kept):
        return Template(kept, None, None)
    pattern = compile_pattern(plain)
    return Template(kept, pattern, matcher_of(pattern))


def read_template(text: str, *, has_variables: bool, has_wildcards: bool = True) -> Template:
    """`has_variables`: those are of Version 2012-10-17; with 2008-10-17 they are plain text."""
    return template_of(_tokens(text, has_variables, has_wildcards))


def read_components(text: str, *, has_variables: bool) -> list[Template] | None:
    """The six components of an ARN, each a template; None if there are fewer."""
    components: list[list[Token]] = [[]]
    for token in _tokens(text, has_variables, True):
        while isinstance(token, str) and ":" in token and len(components) < 6:
            first, _, token = token.partition(":")
            components[-1].append(first)
            components.append([])
        components[-1].append(token)
    return [template_of(component) for component in components] if len(components) == 6 else None


def _tokens(text: str, has_variables: bool, has_wildcards: bool) -> Iterator[Token]:
    start = 0
    for found in _VARIABLE.finditer(text) if has_variables else ():
        yield from _plain(text[start : found.start()], has_wildcards)
        start = found.end()
        if char := found["char"]:
            yield char
        else:
            yield Variable(find_key(found["name"].rstrip()), found["default"])
    yield from _plain(text[start:], has_wildcards)


def _plain(text: str, has_wildcards: bool) -> Iterator[Token]:
    if has_wildcards:
        yield from tokens_of(text)
    elif text:
        yield text
