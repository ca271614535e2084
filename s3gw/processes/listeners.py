"""Listening sockets."""

from __future__ import annotations

import os
import socket

from s3gw.addresses import parse_address

_BACKLOG = 2048


class CannotListen(Exception):
    """The address can't be bound."""


def bind(address: str, setting: str = "--listen (S3GW_LISTEN)") -> socket.socket:
    """A listening socket that doesn't block; port 0 takes a free one. `setting` is what chose the address."""
    host, port = parse_address(address)
    try:
        if not host and socket.has_dualstack_ipv6():
            listener = socket.create_server(("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
        else:
            found = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            listener = socket.create_server(found[0][4][:2], family=found[0][0], backlog=_BACKLOG)
    except OSError as error:
        number = 0 if error.errno is None or isinstance(error, socket.gaierror) else error.errno
        # Python writes the address into the text of this error, as a tuple; getaddrinfo's numbers aren't the system's.
        reason = os.strerror(number) if number else error.strerror or error
        raise CannotListen(f"can't listen on {address}: {reason}; choose another by {setting}") from None
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket, scheme: str) -> str:
    """Where a client on this machine reaches it."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
