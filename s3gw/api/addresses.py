"""Whom an address stands for where nobody has said who he is."""

from __future__ import annotations

import ipaddress

_IPV6_NETWORK = 64  # bits that one client's addresses have in common: it has as many as it likes below


def subject_of(address: str) -> str:
    """The address, or of IPv6 its network of 64 bits. What is no address (a socket's peer without one) is all alike."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "address:"
    if found.version == 4:
        return f"address:{found}"
    if found.ipv4_mapped is not None:
        return f"address:{found.ipv4_mapped}"
    return f"address:{ipaddress.ip_network((int(found), _IPV6_NETWORK), strict=False).network_address}"
