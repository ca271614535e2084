"""Uploads, copies, reads, deletes, the reaper, the sweep, heartbeats and death: each runs what the server runs."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from s3gw.auth.principal import Principal
from s3gw.errors import NoSuchKey
from s3gw.jobs.reaper import reap
from s3gw.jobs.sweep import sweep as run_sweep
from s3gw.metadata import processes
from s3gw.metadata.contents import ContentLost, CorruptContent
from s3gw.operations.call import Call
from s3gw.operations.perform import perform
from s3gw.operations.table import OPERATIONS
from tests.content.bodies import PiecedBody
from tests.explorer import Actor

if TYPE_CHECKING:
    from tests.explored_gateway import Gateway

BUCKET = "bucket"


class _Body(PiecedBody):
    """A client that sends all of it at once."""

    checksum_algorithm = None

    def __init__(self, data: bytes) -> None:
        super().__init__([data])
        self.size, self.hashers = len(data), dict[str, Any]()

    def verify(self, md5_hex: str, digests: Mapping[str, bytes]) -> None:
        """It announced nothing."""


async def _perform(world: Gateway, process: str, operation: str, body: bytes | None = None, **input: str) -> Any:
    owner = world.bucket
    principal = Principal(
        owner.owner_id, owner.owner_canonical_id, owner.owner_account_id, owner.owner_name, "user", "", owner.owner_id
    )
    call = Call(world.services[process], principal, {"Bucket": BUCKET, **input}, "request", 1)
    call.body = None if body is None else _Body(body)
    return await perform(call, OPERATIONS[operation])


def upload(name: str, process: str, key: str, data: bytes) -> Actor:
    async def run(world: Gateway) -> None:
        try:
            await _perform(world, process, "PutObject", data, Key=key)
        except ContentLost:  # the client is told to try again
            pass

    return Actor(name, process, run)


def copy(name: str, process: str, source: str, key: str) -> Actor:
    async def run(world: Gateway) -> None:
        try:
            await _perform(world, process, "CopyObject", Key=key, CopySource=f"{BUCKET}/{source}")
        except NoSuchKey:
            pass

    return Actor(name, process, run)


def delete(name: str, process: str, key: str) -> Actor:
    async def run(world: Gateway) -> None:
        await _perform(world, process, "DeleteObject", Key=key)

    return Actor(name, process, run)


def read(name: str, process: str, key: str) -> Actor:
    """Only a process that was declared dead, or whose chunk went bad, may be left without the bytes of a row."""

    async def run(world: Gateway) -> None:
        try:
            output = await _perform(world, process, "GetObject", Key=key)
        except NoSuchKey:
            return
        body = output["Body"]
        try:
            data = b"".join([bytes(piece) async for piece in body])
        except CorruptContent:
            assert world.has_bad_chunks or not world.lives_on(process), "an open read lost its bytes"
        else:
            assert output["ETag"] == f'"{hashlib.md5(data).hexdigest()}"', "wrong bytes"
        finally:
            await body.aclose()

    return Actor(name, process, run)


def heart(process: str, beats: int = 2) -> Actor:
    async def run(world: Gateway) -> None:
        for _ in range(beats):
            if not await world.hearts[process].beat():
                world.kill(process)
                return

    return Actor(f"heart of {process}", process, run)


def _ignore(progress: Any) -> None:
    pass


def reaper(name: str = "reaper", rounds: int = 3) -> Actor:
    async def run(world: Gateway) -> None:
        for _ in range(rounds):
            await reap(world.services["jobs"], None, _ignore)

    return Actor(name, "jobs", run)


def sweep(name: str, process: str) -> Actor:
    """Of a living process it is what the others do who haven't heard of it for too long."""

    async def run(world: Gateway) -> None:
        services = world.services["jobs"]
        await services.database.write(processes.mark_dead, process)
        await run_sweep(services, None, _ignore)

    return Actor(name, "jobs", run)


def late_sweep(name: str) -> Actor:
    """A sweep on a machine that sees the locks: it does nothing while a process lives."""

    async def run(world: Gateway) -> None:
        await run_sweep(world.services["jobs"], None, _ignore)

    return Actor(name, "jobs", run)


def death(process: str) -> Actor:
    async def run(world: Gateway) -> None:
        world.kill(process)
        await asyncio.sleep(0)

    return Actor(f"death of {process}", "jobs", run)
