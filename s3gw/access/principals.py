"""Whom a statement of a bucket's policy means, and how it names who asks.

IAM User Guide, "AWS JSON policy elements: Principal" and "NotPrincipal". Roles, sessions, services and federated
identities can be named, and nobody here is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

How = Literal["everybody", "account", "user", "canonical user"]


class Who(NamedTuple):
    """Who asks. `canonical_id` is the account's; `arn` is arn:aws:iam::ACCOUNT:root or …:user/NAME."""

    is_anonymous: bool
    account_id: str
    canonical_id: str
    user_id: str
    name: str
    arn: str
    is_root: bool


class Principals(NamedTuple):
    """`users` has the account ("" for that of any user of this name) and what follows `user/`. Those who were there
    when the policy was put are in `user_ids` instead: it means them whatever they are called later, and no namesake.
    """

    everybody: bool = False
    accounts: frozenset[str] = frozenset()
    users: frozenset[tuple[str, str]] = frozenset()
    user_ids: frozenset[str] = frozenset()
    canonical: frozenset[str] = frozenset()
    foreign: frozenset[str] = frozenset()
    has_federated: bool = False
    is_negated: bool = False

    def naming(self, who: Who) -> How | None:
        """The closest way in which `who` is named; a user's own name is closer than his account's."""
        if not who.is_anonymous:
            if who.user_id in self.user_ids or (self.users and self._names_user(who)):
                return "user"
            if self.everybody:
                return "everybody"
            if who.canonical_id in self.canonical:
                return "canonical user"
            return "account" if who.account_id in self.accounts else None
        return "everybody" if self.everybody else None

    def tied(self, ids: Mapping[tuple[str, str], str]) -> Principals:
        """`ids` are the users' that were there when the policy was put."""
        found = self.users & ids.keys()
        return self._replace(users=self.users - found, user_ids=frozenset(ids[user] for user in found))

    def excepts(self, who: Who) -> bool:
        """Whether NotPrincipal leaves `who` alone. An account in it is the account's root and none of its users."""
        named = self.naming(who)
        return named in ("user", "everybody") or (named is not None and who.is_root)

    def _names_user(self, who: Who) -> bool:
        own = who.arn.partition(":user/")[2] or who.name
        return any(
            (account, own) in self.users or (account, who.user_id) in self.users for account in (who.account_id, "")
        )


# The account may be missing, or be the name of a tenant, which no account here has: ceph/s3-tests writes such ARNs.
_ACCOUNT = "([0-9]{12}|[A-Za-z][A-Za-z0-9_-]*)"
_NAME = r"((?:[!-)+->@-~]+/)?[\w+=,.@-]+)"  # with a path, in which neither * nor ? may be
_ROOT = re.compile(f"arn:aws:iam::{_ACCOUNT}:root", re.ASCII)
_USER = re.compile(f"arn:aws:iam::{_ACCOUNT}?:user/{_NAME}", re.ASCII)
_ROLE = re.compile(
    rf"arn:aws:iam::{_ACCOUNT}:role/{_NAME}|arn:aws:sts::[0-9]{{12}}:[a-z]+-[a-z]+/[\w+=,.@/-]+", re.ASCII
)
_BARE_ACCOUNT = re.compile("[0-9]{12}", re.ASCII)
_CANONICAL = re.compile("[0-9a-f]{64}")
_SERVICE = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_FEDERATED = re.compile(r"[\w.:/+=,@-]+", re.ASCII)

Entry = tuple[str, str | tuple[str, str]]


def _aws(name: str) -> Entry | None:
    if name == "*":
        return "everybody", name
    if _BARE_ACCOUNT.fullmatch(name):
        return "accounts", name
    if found := _ROOT.fullmatch(name):
        return "accounts", found[1]
    if found := _USER.fullmatch(name):
        return "users", (found[1] or "", found[2])
    return ("foreign", name) if _ROLE.fullmatch(name) else None


def _canonical(name: str) -> Entry | None:
    return ("canonical", name) if _CANONICAL.fullmatch(name) else None


def _service(name: str) -> Entry | None:
    return ("foreign", name) if _SERVICE.fullmatch(name) else None


def _federated(name: str) -> Entry | None:
    return ("foreign", name) if _FEDERATED.fullmatch(name) else None


_READERS: dict[str, Callable[[str], Entry | None]] = {
    "AWS": _aws,
    "CanonicalUser": _canonical,
    "Service": _service,
    "Federated": _federated,
}


def read_principals(value: object, is_negated: bool = False) -> Principals | None:
    """None if AWS would say "Invalid principal in policy". Whether the users exist isn't looked at."""
    if value == "*":
        return Principals(everybody=True, is_negated=is_negated)
    if not isinstance(value, dict) or not value:
        return None
    entries: list[Entry] = []
    for kind, named in value.items():
        names = named if isinstance(named, list) else [named]
        read = _READERS.get(kind)
        found = [read(name) for name in names if isinstance(name, str)] if read else []
        if not names or len(found) != len(names) or None in found:
            return None
        entries += [entry for entry in found if entry]

    def strings(field: str) -> frozenset[str]:
        return frozenset(name for where, name in entries if where == field and isinstance(name, str))

    return Principals(
        everybody=bool(strings("everybody")),
        accounts=strings("accounts"),
        users=frozenset(name for _, name in entries if isinstance(name, tuple)),
        canonical=strings("canonical"),
        foreign=strings("foreign"),
        has_federated="Federated" in value,
        is_negated=is_negated,
    )
