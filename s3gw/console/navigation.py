"""Which screens the navigation names, by the visitor's role. What a role may do there the API says."""

from __future__ import annotations

from typing import NamedTuple

from s3gw.console.language import marked as _

_EVERYBODY = ("user", "auditor", "admin")


class Screen(NamedTuple):
    path: str
    name: str
    roles: tuple[str, ...] = _EVERYBODY


_SCREENS = (
    Screen("/console/buckets", _("Buckets")),
    Screen("/console/connect", _("Connect")),
    Screen("/console/keys", _("Keys")),
    Screen("/console/account", _("Account")),
)


def screens_of(role: str) -> list[Screen]:
    return [screen for screen in _SCREENS if role in screen.roles]
