"""Where the parts of a cluster are: on loopback, each node at an address of its own; or each node in a network
namespace with a link to HAProxy, one to the database and one to the store, each of which can be cut.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest

LINKS = ("front", "database", "store")


class Network:
    """All on loopback, in a range that other runs of the tests don't use."""

    trusted: Sequence[str] = ()  # of PostgreSQL, besides loopback
    store_bind = "127.0.0.1"

    def __init__(self) -> None:
        self._number = os.getpid() % 25_000

    @property
    def haproxy(self) -> str:
        return self._loopback(10)

    def _loopback(self, host: int) -> str:
        return f"127.{100 + self._number // 250}.{1 + self._number % 250}.{host}"

    def node(self, number: int) -> str:
        return self._loopback(number)

    def proxy_of(self, number: int) -> str:
        """As whom HAProxy comes to this node."""
        return "127.0.0.1"

    def database_of(self, number: int) -> str:
        """Where this node reaches it."""
        return "127.0.0.1"

    def store_of(self, number: int) -> str:
        return "127.0.0.1"

    def under(self, number: int) -> list[str]:
        """The command under which this node runs."""
        return []

    @contextmanager
    def made(self) -> Iterator[None]:
        yield


class Namespaces(Network):
    """Node N has a namespace and three links, each a network of its own: the first address is ours, the second its."""

    _ALL = "10.213.0.0/16"
    trusted = (_ALL,)
    store_bind = "0.0.0.0"

    def node(self, number: int) -> str:
        return self._address(number, "front", 2)

    def proxy_of(self, number: int) -> str:
        return self._address(number, "front", 1)

    def database_of(self, number: int) -> str:
        return self._address(number, "database", 1)

    def store_of(self, number: int) -> str:
        return self._address(number, "store", 1)

    def under(self, number: int) -> list[str]:
        return ["ip", "netns", "exec", self._namespace(number)]

    @contextmanager
    def made(self) -> Iterator[None]:
        reason = _why_not()
        if reason:
            pytest.skip(reason)
        with ExitStack() as stack:
            # So that nothing leaves this machine while a link is down.
            _ip("route", "add", "blackhole", self._ALL)
            stack.callback(_ip, "route", "del", "blackhole", self._ALL)
            for number in (1, 2, 3):
                _ip("netns", "add", self._namespace(number))
                stack.callback(_ip, "netns", "del", self._namespace(number))
                self._in(number, "link", "set", "lo", "up")
                for link in LINKS:
                    self._connect(number, link)
            yield

    def _connect(self, number: int, link: str) -> None:
        ours, theirs = self._device(number, link), f"{link}0"
        _ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", self._namespace(number))
        _ip("address", "add", f"{self._address(number, link, 1)}/24", "dev", ours)
        self._in(number, "address", "add", f"{self._address(number, link, 2)}/24", "dev", theirs)
        _ip("link", "set", ours, "up")
        self._in(number, "link", "set", theirs, "up")

    @contextmanager
    def cut(self, number: int, *links: str) -> Iterator[None]:
        """Nothing comes through, and nobody is told. Whoever asks is who hears nothing: HAProxy, or else the node."""
        for link in links:
            self._set(number, link, "down")
        try:
            yield
        finally:
            for link in links:
                self._set(number, link, "up")

    def _set(self, number: int, link: str, state: str) -> None:
        if link == "front":
            self._in(number, "link", "set", f"{link}0", state)
        else:
            _ip("link", "set", self._device(number, link), state)

    def _in(self, number: int, *words: str) -> None:
        _ip("-netns", self._namespace(number), *words)

    def _namespace(self, number: int) -> str:
        return f"s3gw-{self._number}-{number}"

    def _device(self, number: int, link: str) -> str:
        return f"s3gw{self._number}{link[0]}{number}"

    @staticmethod
    def _address(number: int, link: str, host: int) -> str:
        return f"10.213.{10 * number + LINKS.index(link)}.{host}"


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


def _why_not() -> str:
    """Why no namespaces can be made here; "" if they can."""
    if shutil.which("ip") is None:
        return "there is no program ip (Debian's iproute2)"
    done = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True)
    return "" if done.returncode == 0 else f"no network namespaces may be made here: {done.stderr.strip()}"
