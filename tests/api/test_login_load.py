"""Logins, right and wrong, as many as there may be, beside S3: objects are read on, memory stays, and who has the right
password gets in.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.api import timed_gets
from tests.api.people import PASSWORD, Person, new_name, register
from tests.gateways import of_one_server
from tests.servers import RunningServer, environment

pytestmark = pytest.mark.soak

CLIENTS = 8
WRONG_A_SECOND, ADDRESSES = 200, 200
SECONDS, ROUNDS = 2.0, 3
MIB = 1 << 20


@pytest.fixture
def url(server: RunningServer, s3: object, bucket: str) -> str:
    s3.put_object(Bucket=bucket, Key="key", Body=b"x" * 4096)  # type: ignore[attr-defined]
    signed = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"})  # type: ignore[attr-defined]
    return str(signed)


def gets(url: str, seconds: float) -> list[float]:
    """How long each took, of as many clients as log in."""
    command = [sys.executable, "-m", timed_gets.__name__, url, str(CLIENTS), str(seconds)]
    done = subprocess.run(
        command, env=environment(PYTHONPATH=os.pathsep.join(filter(None, sys.path))), capture_output=True, text=True
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    took: list[float] = json.loads(done.stdout)
    return took


def p99(took: list[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


@contextmanager
def beside(api: httpx.Client, addresses: Sequence[str], work: Callable[[httpx.Client], None]) -> Iterator[None]:
    """A client at each address works again and again, in a thread of its own."""
    stop = threading.Event()
    faults: list[BaseException] = []

    def go_on(address: str) -> None:
        transport = httpx.HTTPTransport(local_address=address)
        try:
            with httpx.Client(base_url=api.base_url, timeout=60, transport=transport) as client:
                while not stop.is_set():
                    work(client)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=go_on, args=(address,)) for address in addresses]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not faults, faults[0]


def ratio_of(url: str, api: httpx.Client, work: Callable[[httpx.Client], None]) -> float:
    """Of the GETs' p99 with the work beside them to that without, in turns, so that what else runs hits both alike."""
    without: list[float] = []
    with_it: list[float] = []
    gets(url, 0.5)
    for _ in range(ROUNDS):
        without += gets(url, SECONDS)
        with beside(api, ["127.0.0.1"] * CLIENTS, work):
            time.sleep(0.3)
            with_it += gets(url, SECONDS)
    return p99(with_it) / p99(without)


@of_one_server("three nodes compute three times as many passwords on the same cores")
def test_logins_at_eight_clients_do_not_delay_gets(api: httpx.Client, url: str) -> None:
    names = [register(api).name for _ in range(CLIENTS)]
    turns = itertools.cycle(names)
    done = itertools.count()

    def login(client: httpx.Client) -> None:
        answer = client.post("/users/login", json={"username": next(turns), "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        next(done)

    ratios: list[float] = []
    while not ratios or (ratios[-1] > 2 and len(ratios) < 3):  # of a machine on which others work too
        ratios.append(ratio_of(url, api, login))
    assert min(ratios) <= 2, ratios
    assert next(done) > CLIENTS


def resident(server: RunningServer) -> int:
    """Of the largest process below the supervisor, in bytes."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in children]
    return max(int(status.partition("VmRSS:")[2].split()[0]) for status in statuses) * 1024


def guesses(seen: dict[int, int]) -> Callable[[httpx.Client], None]:
    """Wrong logins, of another name each."""

    def guess(client: httpx.Client) -> None:
        began_at = time.monotonic()
        status = client.post("/users/login", json={"username": new_name(), "password": "guess"}).status_code
        seen[status] = seen.get(status, 0) + 1
        time.sleep(max(0.0, ADDRESSES / WRONG_A_SECOND - (time.monotonic() - began_at)))

    return guess


def test_two_hundred_wrong_logins_a_second_starve_nobody(
    server: RunningServer, api: httpx.Client, url: str, person: Person, admin: Person
) -> None:
    """Whoever logs in from where he did before is at once in; who does for the first time, after some attempts."""
    newcomer = {"username": new_name(), "password": PASSWORD}
    made = newcomer | {"email": f"{newcomer['username']}@example.com"}
    assert admin.http.post("/users", json=made).status_code == 201
    seen: dict[int, int] = {}
    guess, addresses = (
        guesses(seen),
        [f"127.{1 + number // 200}.0.{1 + number % 200}" for number in range(2 * ADDRESSES)],
    )
    with beside(api, addresses[ADDRESSES:], guess):  # what is loaded once, and queues that are as long as they get
        time.sleep(5)
    before, took = resident(server), []
    with beside(api, addresses[:ADDRESSES], guess):
        time.sleep(1)
        for _ in range(5):
            began_at = time.monotonic()
            Person(api, person.name)
            took.append(time.monotonic() - began_at)
            assert len(gets(url, 1)) > 20
        deadline = time.monotonic() + 60
        while api.post("/users/login", json=newcomer).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert sorted(took)[2] < 3, took
    assert resident(server) < before + 32 * MIB
    assert seen.keys() == {401, 429} and sum(seen.values()) > 500
