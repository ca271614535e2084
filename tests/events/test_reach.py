"""To which addresses events are sent: those of the public internet, and those that are allowed by a setting."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from s3gw.events.message import Message, NotTold, Secrets
from s3gw.events.reach import NotAllowed, allowed_address, is_allowed, networks_of
from s3gw.events.webhook import Webhooks, new_secret
from tests.events.receiver import receiving

MESSAGE = Message("msg_1", 1_700_000_000, "s3:TestEvent", b"{}")
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::"])
def test_the_public_internet_is_reached(address: str) -> None:
    assert is_allowed(address, ())


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
        ),
        *("224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
        *("::127.0.0.1", "64:ff9b:1::1", "2001::1", "fec0::1", "3fff::1"),
    ],
)
def test_nothing_else_is(address: str) -> None:
    assert not is_allowed(address, ())


def test_a_network_of_the_setting_is() -> None:
    networks = networks_of(["10.1.0.0/16", "::1/128"])
    assert is_allowed("10.1.2.3", networks) and is_allowed("::1", networks) and is_allowed("::ffff:10.1.2.3", networks)
    assert not is_allowed("10.2.0.1", networks) and not is_allowed("127.0.0.1", networks)


async def test_of_a_hosts_addresses_one_that_is_allowed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("10.0.0.1", "1.1.1.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: found)
    assert await allowed_address("example.com", 80, ()) == "1.1.1.1"
    found.pop()
    with pytest.raises(NotAllowed):
        await allowed_address("example.com", 80, ())


async def test_a_name_is_looked_up_once_for_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that points elsewhere a moment later changes nothing: the address that was looked at is connected to."""
    asked = []
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        asked.append(host)
        return real("127.0.0.1" if host == "rebound.example" and asked.count(host) == 1 else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    webhooks = Webhooks(networks_of(["127.0.0.1/32"]))
    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", "rebound.example")
        await webhooks.tell(Secrets(url, new_secret()), MESSAGE)
        assert asked.count("rebound.example") == 1
        assert receiver.told[0].headers["host"].startswith("rebound.example:")
    await webhooks.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1"])
async def test_this_machine_is_not_reached_unless_it_is_allowed(host: str) -> None:
    webhooks = Webhooks(())
    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", host)
        with pytest.raises(NotTold):
            await webhooks.tell(Secrets(url, new_secret()), MESSAGE)
        assert receiver.attempts == 0
    await webhooks.close()


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
async def test_what_is_no_name_of_a_host_is_not_reached(host: str) -> None:
    webhooks = Webhooks(())
    with pytest.raises(NotTold):
        await webhooks.tell(Secrets(f"http://{host}/", new_secret()), MESSAGE)
    await webhooks.close()


async def test_targets_that_never_answer_keep_no_other_waiting() -> None:
    webhooks = Webhooks(networks_of(["127.0.0.1/32"]))
    with socket.create_server(("127.0.0.1", 0), backlog=128) as silent, receiving() as receiver:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        waiting = [asyncio.create_task(webhooks.tell(Secrets(url, new_secret()), MESSAGE)) for _ in range(64)]
        async with asyncio.timeout(5):
            await webhooks.tell(Secrets(receiver.url, new_secret()), MESSAGE)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    await webhooks.close()


async def test_names_that_nobody_answers_for_keep_nothing_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deletes, the schedule and the scrubber wait for threads of the same process."""
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: answered.wait() and [])
    waiting = [asyncio.create_task(allowed_address("silent.example", 80, ())) for _ in range(100)]
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert await asyncio.to_thread(lambda: "done") == "done"
    finally:
        answered.set()
        await asyncio.gather(*waiting, return_exceptions=True)
