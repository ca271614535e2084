"""Connections to targets, which users name: only to addresses that are allowed, and to the very one that was looked at.

What isn't on the public internet (loopback, link-local and private addresses) is allowed where a setting names its
network: behind it are services that trust whoever can reach them, the JSON API of this server among them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpcore

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_UNICAST = ipaddress.IPv6Network("2000::/3")  # what IANA gives away; elsewhere are site-local addresses, too
_DOCUMENTATION = ipaddress.IPv6Network("3fff::/20")  # RFC 9637
# Threads of their own: a name whose servers are silent holds one for as long as the resolver is patient, and whoever
# makes targets names it. asyncio's few do what all other work of the process waits for.
_LOOKUPS = ThreadPoolExecutor(64, thread_name_prefix="lookup")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


class NotAllowed(Exception):
    """The host has no address to which connections are allowed."""


def networks_of(names: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(name, strict=False) for name in names)


def is_allowed(address: str, networks: Sequence[Network]) -> bool:
    """Whether it is on the public internet, or in one of the networks."""
    found = _meant(ipaddress.ip_address(address.partition("%")[0]))
    if any(found.version == network.version and found in network for network in networks):
        return True
    if isinstance(found, ipaddress.IPv6Address) and (found not in _UNICAST or found in _DOCUMENTATION):
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def _meant(address: Address) -> Address:
    """The IPv4 address that an address of IPv6 stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


async def allowed_address(host: str, port: int, networks: Sequence[Network]) -> str:
    """One that the host has now. Raises NotAllowed, and OSError where it has none."""
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, look_up)
    for _, _, _, _, place in found:
        if is_allowed(str(place[0]), networks):
            return str(place[0])
    raise NotAllowed(f"{host} has no address that events may be sent to: see S3GW_EVENT_NETWORKS")


class Backend(httpcore.AsyncNetworkBackend):
    """Looks at the address of a host when it connects, and connects to that address: a name that points elsewhere a
    moment later changes nothing.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                address = await allowed_address(host, port, self._networks)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"no address of {host}") from error
        except (OSError, UnicodeError) as error:  # the latter for what is no name of a host, such as an endless label
            raise httpcore.ConnectError(f"no address of {host}: {error}") from error
        return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, path: str, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        raise NotAllowed("no target is a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)
