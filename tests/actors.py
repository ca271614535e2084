"""Uploads, copies, reads, deletes, the reaper, the sweep, heartbeats and death: each runs what the server runs."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

from s3gw.auth.authenticate import Authentication, PayloadSpec
from s3gw.auth.payload import VerifyingBody
from s3gw.auth.principal import Principal
from s3gw.context import Context
from s3gw.errors import NoSuchKey
from s3gw.jobs.reaper import reap
from s3gw.jobs.sweep import sweep as run_sweep
from s3gw.metadata import processes
from s3gw.metadata.contents import ContentLost, CorruptContent
from s3gw.operations.copy_object import copy_object
from s3gw.operations.delete_objects import delete_object
from s3gw.operations.get_object import get_object
from s3gw.operations.put_object import put_object
from tests.auth.clients import request
from tests.explorer import Actor

if TYPE_CHECKING:
    from tests.explored_gateway import Gateway

BUCKET = "bucket"


class _Body:
    """A client that sends all of it at once."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": self.data, "more_body": False}


def _context(world: Gateway, process: str, method: str, key: str, data: bytes = b"", **headers: str) -> Context:
    services, owner = world.services[process], world.bucket
    principal = Principal(
        owner.owner_id, owner.owner_canonical_id, owner.owner_account_id, owner.owner_name, "user", ""
    )
    asked = request(method, f"http://s3/{BUCKET}/{key}", {"content-length": str(len(data)), **headers})
    authentication = Authentication(principal, PayloadSpec("unsigned"), False)
    body = VerifyingBody(_Body(data).receive, asked, authentication, services.settings, 1 << 20)
    return Context(services, asked, principal, "request", 1, owner, owner, body)


def upload(name: str, process: str, key: str, data: bytes) -> Actor:
    async def run(world: Gateway) -> None:
        try:
            await put_object(_context(world, process, "PUT", key, data), {"Bucket": BUCKET, "Key": key})
        except ContentLost:  # the client is told to try again
            pass

    return Actor(name, process, run)


def copy(name: str, process: str, source: str, key: str) -> Actor:
    async def run(world: Gateway) -> None:
        ctx = _context(world, process, "PUT", key)
        try:
            await copy_object(ctx, {"Bucket": BUCKET, "Key": key, "CopySource": f"{BUCKET}/{source}"})
        except NoSuchKey:
            pass

    return Actor(name, process, run)


def delete(name: str, process: str, key: str) -> Actor:
    async def run(world: Gateway) -> None:
        await delete_object(_context(world, process, "DELETE", key), {"Bucket": BUCKET, "Key": key})

    return Actor(name, process, run)


def read(name: str, process: str, key: str) -> Actor:
    """Only a process that was declared dead, or whose chunk went bad, may be left without the bytes of a row."""

    async def run(world: Gateway) -> None:
        try:
            output = await get_object(_context(world, process, "GET", key), {"Bucket": BUCKET, "Key": key})
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
