"""What one policy says of one request. The order of all policies and other rules is decide.py's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from s3gw.access.actions import ACTIONS
from s3gw.access.conditions import compile_condition
from s3gw.access.policy import OF_BUCKET, Effect, Policy, Statement
from s3gw.access.principals import How, Principals, Who
from s3gw.access.templates import Facts, compile_any

_S3 = "arn:aws:s3:::"
_CLOSEST_LAST: tuple[How | None, ...] = ("account", "canonical user", "everybody", "user", None)


class Verdict(NamedTuple):
    """`effect` is None where no statement applies. `statement` is its Sid or its number, from 1. `named` is how an
    Allow of a bucket's policy named who asks, in the closest way of all that apply; None in an identity policy.
    `policy` is the policy's title.
    """

    effect: Effect | None
    statement: str = ""
    named: How | None = None
    policy: str = OF_BUCKET

    def __str__(self) -> str:
        """The rule that decided. A Sid may hold anything, so what a terminal would act on is escaped."""
        return f"statement {self.statement!r} of {self.policy}"


class _Group(NamedTuple):
    """Statements for the same resources. `fits` asks of one, an ARN without its beginning; `members` are their
    conditions, the statements, and how these name who asks.
    """

    fits: Callable[[str, Facts], bool]
    members: tuple[tuple[tuple[Callable[[Facts], bool], ...], Statement, How | None], ...]


class _Found(NamedTuple):
    denies: tuple[_Group, ...]
    allows: tuple[_Group, ...]


class _Concerning(NamedTuple):
    """Many statements are for some keys only, so where the resource begins with none of `beginnings`, those `elsewhere`
    are all that can apply.
    """

    everywhere: _Found
    beginnings: tuple[str, ...]
    elsewhere: _Found


_NOTHING = Verdict(None)
_MOST_REMEMBERED = 256  # of one policy


def decide_policy(policy: Policy, who: Who, action: str, resource_arn: str, facts: Facts) -> Verdict:
    """`resource_arn`: arn:aws:s3:::bucket, arn:aws:s3:::bucket/key, or "*" for what acts on no bucket.

    Deny wins. What `facts` raises is passed on: a statement that needs an object's tags comes after those that don't,
    and what a statement needs is asked for when all else of it fits.
    """
    if action not in ACTIONS:
        raise KeyError(action)
    resource = resource_arn.removeprefix(_S3)
    concerning = policy.concerning.get((action, who)) or _find_concerning(policy, who, action)
    denies, allows = concerning.everywhere if resource.startswith(concerning.beginnings) else concerning.elsewhere
    for fits, members in denies:  # not by `_applying`: most requests look at these alone
        if fits(resource, facts):
            for conditions, statement, _ in members:
                for holds in conditions:
                    if not holds(facts):
                        break
                else:
                    return Verdict("Deny", statement.name, None, policy.title)
    best = _NOTHING
    for statement, named in _applying(allows, resource, facts) if allows else ():
        if best.effect is None or _CLOSEST_LAST.index(named) > _CLOSEST_LAST.index(best.named):
            best = Verdict("Allow", statement.name, named, policy.title)
        if who.is_root or named in ("everybody", "user", None):
            break
    return best


def _applying(groups: tuple[_Group, ...], resource: str, facts: Facts) -> Iterator[tuple[Statement, How | None]]:
    for fits, members in groups:
        if fits(resource, facts):
            for conditions, statement, named in members:
                if all(holds(facts) for holds in conditions):
                    yield statement, named


def unmet_allows(policy: Policy, who: Who, action: str, resource_arn: str, facts: Facts) -> Iterator[str]:
    """The statements that would allow it but for their conditions, each with the keys of these: for people."""
    for statement in policy.statements:
        if statement.effect == "Deny" or action not in statement.actions or not _names(statement.principals, who):
            continue
        if _fits(statement)(resource_arn.removeprefix(_S3), facts):
            of_request = (one for one in statement.conditions if not compile_condition(one, True)(facts))
            unmet = [*statement.unknowable, *of_request]
            if unmet:
                keys = " and ".join(dict.fromkeys(condition.key.name for condition in unmet))
                would = Verdict("Allow", statement.name, None, policy.title)
                yield f"{would} would allow it if its condition on {keys} held"


def _find_concerning(policy: Policy, who: Who, action: str) -> _Concerning:
    """Which statements name who asks and the action, compiled: it depends on nothing else, so it is remembered with the
    policy.

    Threads need no lock: each step on the dict is atomic, and what one of them loses it finds again.
    """
    able = [one for one in (*policy.denies, *policy.allows) if action in one.actions and _names(one.principals, who)]
    of_some_keys = [one for one in able if (begins := _beginnings(one)) and all(map(_is_of_keys, begins))]
    found = _Concerning(
        _find(able, who),
        tuple({beginning for one in of_some_keys for beginning in _beginnings(one)}),
        _find([one for one in able if one not in of_some_keys], who),
    )
    if len(policy.concerning) >= _MOST_REMEMBERED:
        policy.concerning.clear()
    policy.concerning[action, who] = found
    return found


def _find(statements: Sequence[Statement], who: Who) -> _Found:
    denies, allows = ([one for one in statements if one.effect == effect] for effect in ("Deny", "Allow"))
    return _Found(_grouped(denies, who), _grouped(allows, who))


def _grouped(statements: Sequence[Statement], who: Who) -> tuple[_Group, ...]:
    """In order of cost, as they are."""
    groups: dict[tuple[Any, ...], list[Statement]] = {}
    for one in statements:
        groups.setdefault((one.cost, one.is_not_resource, one.resources), []).append(one)
    return tuple(
        _Group(
            _fits(members[0]),
            tuple(
                (
                    tuple(compile_condition(condition, one.effect == "Allow") for condition in one.conditions),
                    one,
                    None if one.principals is None or one.effect == "Deny" else one.principals.naming(who),
                )
                for one in members
            ),
        )
        for members in groups.values()
    )


def _beginnings(statement: Statement) -> set[str]:
    """With one of which each resource begins that it applies to; none where that can't be told."""
    return set() if statement.is_not_resource else {template.beginning for template in statement.resources}


def _is_of_keys(beginning: str) -> bool:
    return beginning.partition("/")[2] != ""


def _names(principals: Principals | None, who: Who) -> bool:
    if principals is None:
        return True
    return not principals.excepts(who) if principals.is_negated else principals.naming(who) is not None


def _fits(statement: Statement) -> Callable[[str, Facts], bool]:
    """Whether it is for a resource."""
    is_not = statement.is_not_resource
    fits = compile_any(statement.resources, is_not and statement.effect == "Allow")
    return (lambda resource, facts: not fits(resource, facts)) if is_not else fits
