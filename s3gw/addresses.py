"""HOST:PORT and URLs, as settings give them."""

from __future__ import annotations

from urllib.parse import urlsplit


def parse_address(address: str) -> tuple[str, int]:
    """HOST:PORT, [IPv6]:PORT or :PORT (every interface). Raises ValueError."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{address!r} is not HOST:PORT, with a port up to 65535")
    return host, int(port)


def is_safe_url(url: str) -> bool:
    """https, or http to this machine: what is sent can't be read or changed on its way."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1"))
