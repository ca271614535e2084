"""Which screens the navigation names, by the visitor's role. What a role may do there the API says."""

from __future__ import annotations

from typing import NamedTuple

from s3gw.console.language import marked as _

_EVERYBODY = ("user", "auditor", "admin")
_SEES_ALL = ("auditor", "admin")


class Screen(NamedTuple):
    path: str
    name: str
    roles: tuple[str, ...] = _EVERYBODY


_SCREENS = (
    Screen("/console/buckets", _("Buckets")),
    Screen("/console/connect", _("Connect")),
    Screen("/console/keys", _("Keys")),
    Screen("/console/account", _("Account")),
    Screen("/console/admin", _("Administration"), _SEES_ALL),
)
# Below each of the screens for admins.
_FOR_ADMINS = (
    Screen("/console/admin", _("Overview"), _SEES_ALL),
    Screen("/console/admin/users", _("Users"), _SEES_ALL),
    Screen("/console/admin/groups", _("Groups"), _SEES_ALL),
    Screen("/console/admin/invitations", _("Invitations"), ("admin",)),
    Screen("/console/admin/quotas", _("Quotas"), _SEES_ALL),
    Screen("/console/admin/jobs", _("Jobs"), _SEES_ALL),
    Screen("/console/admin/schedules", _("Schedules"), ("admin",)),
    Screen("/console/admin/scrub", _("Stored chunks"), _SEES_ALL),
    Screen("/console/admin/scans", _("Virus scanning"), _SEES_ALL),
    Screen("/console/admin/targets", _("Event targets"), _SEES_ALL),
    Screen("/console/admin/audit", _("Audit log"), _SEES_ALL),
    Screen("/console/admin/nodes", _("Nodes"), _SEES_ALL),
    Screen("/console/admin/settings", _("Settings"), ("admin",)),
)


def screens_of(role: str) -> list[Screen]:
    return [screen for screen in _SCREENS if role in screen.roles]


def admin_screens_of(role: str) -> list[Screen]:
    return [screen for screen in _FOR_ADMINS if role in screen.roles]
