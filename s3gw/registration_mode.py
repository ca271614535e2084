"""Who may register, as the settings say it: asked at each registration, and told at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from s3gw.addresses import is_loopback, parse_address

if TYPE_CHECKING:
    from s3gw.config import Settings

Mode = Literal["open", "invite", "closed"]


def registration_of(settings: Settings) -> Mode:
    """What holds for a request that came straight to the listener. Where nobody has set it, everybody on this machine
    may register, and whoever was invited otherwise.
    """
    if settings.registration is not None:
        return settings.registration
    host = parse_address(settings.admin_listen)[0]
    return "open" if is_loopback(host) and not settings.trusted_proxies else "invite"


def mode_of(settings: Settings, *, was_forwarded: bool) -> Mode:
    """What holds for a request."""
    mode = registration_of(settings)
    return "invite" if mode == "open" and was_forwarded and settings.registration is None else mode
