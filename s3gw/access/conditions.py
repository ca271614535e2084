"""The Condition element: read once, in the canonical spelling of its keys, and evaluated against a request's facts.

IAM User Guide, "Condition operators" and "Set operators for multivalued context keys" have the rules of absent keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from s3gw.access.condition_keys import ConditionKey, find_key
from s3gw.access.operators import OPERATORS, Test, name_operator, read_network
from s3gw.access.policy import Condition
from s3gw.access.templates import Facts, read_template

_REMEMBERED = 256  # characters of values: a header may be long, and there are many conditions


class MalformedCondition(Exception):
    """Its message is AWS's."""


def read_conditions(element: object, *, has_variables: bool, is_of_bucket: bool) -> Iterator[Condition]:
    if not isinstance(element, dict):
        raise MalformedCondition("Invalid Condition")
    for operator, keys in element.items():
        if not isinstance(keys, dict):
            raise MalformedCondition(f"Invalid Condition type : {operator}")
        for key, values in keys.items():
            yield _read(operator, key, values, has_variables, is_of_bucket)


def _read(operator: str, name: str, values: object, has_variables: bool, is_of_bucket: bool) -> Condition:
    named = name_operator(operator)
    if named is None:
        raise MalformedCondition(f"Invalid Condition type : {operator}")
    key = find_key(name)
    if key is None and not is_of_bucket and ":" in name and not name.lower().startswith("s3:"):
        key = ConditionKey(name, is_absent=True)  # another service's: its requests have it, S3's don't
    if key is None:
        raise MalformedCondition("Policy has an invalid condition key")
    written = tuple(_text(value) for value in (values if isinstance(values, list) else [values]))
    kind = OPERATORS[named.name]
    if named.name in ("IpAddress", "NotIpAddress") and not all(map(read_network, written)):
        raise MalformedCondition("Invalid IP address in Conditions")
    tests = tuple(test for value in written if (test := kind.read(value, has_variables)) is not None)
    templates = [read_template(value, has_variables=has_variables) for value in written if "${" in value]
    return Condition(
        named,
        kind.is_negated,
        key,
        written,
        tests,
        is_unknowable=key.is_unknowable or any(template.is_unknowable for template in templates),
        is_costly=key.is_costly or any(template.is_costly for template in templates),
    )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise MalformedCondition("This policy contains invalid Json")


def compile_condition(condition: Condition, is_allow: bool) -> Callable[[Facts], bool]:
    """Whether it holds. Made once, because it is asked at each request."""
    named, is_negated, name = condition.operator, condition.is_negated, condition.key.name
    if condition.key.is_absent:
        return partial(_holds_without_value, condition, is_allow)
    if named.name == "Null" or named.quantifier:
        return partial(_holds_for_all_values, condition, is_allow)
    # A variable without a value makes no Allow apply, and keeps no Deny of a negated operator from applying.
    tests, unresolved, without = condition.tests, is_negated and is_allow, named.if_exists or is_negated
    is_fixed = not any("${" in value for value in condition.written)
    # Values, and what they came to: most requests say the same. Replaced by one atomic step, for threads ask too.
    last: tuple[Sequence[str], bool] = (), without

    def holds(facts: Facts) -> bool:
        nonlocal last
        values = facts(name)
        if values == last[0]:
            return last[1]
        # Of a key with many values, which needs a set operator on AWS, a negated operator holds if no value is named.
        found = _names(tests, values, facts, unresolved) is not is_negated if values else without
        if is_fixed and sum(map(len, values)) <= _REMEMBERED:
            last = values, found
        return found

    return holds


def _holds_without_value(condition: Condition, is_allow: bool, facts: Facts) -> bool:
    if condition.operator.name == "Null":
        return _names_any(condition, ("true",), facts, is_allow)
    quantifier, if_exists = condition.operator.quantifier, condition.operator.if_exists
    return if_exists or (quantifier == "ForAllValues" if quantifier else condition.is_negated)


def _holds_for_all_values(condition: Condition, is_allow: bool, facts: Facts) -> bool:
    named, values = condition.operator, facts(condition.key.name)
    if named.name == "Null":  # of all values together: a set operator changes nothing
        return _names_any(condition, ("false" if values else "true",), facts, is_allow)
    # "or if the key values resolve to a null data set, such as an empty string"
    satisfied = [
        _names_any(condition, (value,), facts, is_allow) is not condition.is_negated for value in values if value
    ]
    if named.quantifier == "ForAllValues":
        return all(satisfied)
    return any(satisfied) or (named.if_exists and not satisfied)


def _names_any(condition: Condition, values: Sequence[str], facts: Facts, is_allow: bool) -> bool:
    return _names(condition.tests, values, facts, condition.is_negated and is_allow)


def _names(tests: Sequence[Test], values: Sequence[str], facts: Facts, unresolved: bool) -> bool:
    for value in values:
        for test in tests:
            if test(value, facts, unresolved):
                return True
    return False
