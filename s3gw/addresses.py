"""HOST:PORT and URLs, as settings give them, and whom the address of a client stands for."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

_IPV6_NETWORK = 64  # bits that one client's addresses have in common: it has as many as it likes below

# What proxies add, beside all that begins with X-Forwarded.
_FORWARDED = (
    "cf-connecting-ip",
    "cf-ray",
    "fastly-client-ip",
    "forwarded",
    "forwarded-for",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
)


def parse_address(address: str) -> tuple[str, int]:
    """HOST:PORT, [IPv6]:PORT or :PORT (every interface). Raises ValueError."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{address!r} is not HOST:PORT, with a port up to 65535")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_safe_url(url: str) -> bool:
    """https, or http to this machine: what is sent can't be read or changed on its way."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1"))


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port, as browsers tell web pages apart."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80)


def s3_address(base_url: str, s3_url: str | None, listen: str) -> str | None:
    """Where whoever reached us by `base_url` reaches S3: as the setting says, else at the same host, by the port of S3.
    None where nobody knows the port.
    """
    host, port = urlsplit(base_url), parse_address(listen)[1]
    if s3_url is not None or not port or not host.hostname:
        return s3_url
    return f"{host.scheme}://{f'[{host.hostname}]' if ':' in host.hostname else host.hostname}:{port}"


def share_address(share_url: str | None, listen: str) -> str:
    """Where the pages of share links, and those that show files, are reached."""
    return share_url or f"http://{listen}"


def was_forwarded(headers: Iterable[str]) -> bool:
    """Whether a proxy has passed the request on, by the names of its headers in lower case."""
    return any(name in _FORWARDED or name.startswith("x-forwarded") for name in headers)


def client_of(address: str) -> str:
    """What is counted as one client: the address, or of IPv6 its network of 64 bits. All that is no address (a peer
    without one) is alike: an empty text.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), _IPV6_NETWORK), strict=False).network_address)
