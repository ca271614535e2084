"""Uploads, copies, reads, deletes, the reaper, the sweep, heartbeats and death, each as the steps that it is made of.

The steps call what the gateway calls, in the order in which it does: a transaction or a call to the store each.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from zlib import crc32

from s3gw.blobs.chunk import ChunkHasher
from s3gw.blobs.chunked_body import choose
from s3gw.blobs.read_pins import needs_of
from s3gw.blobs.store import BlobCorrupt, BlobNotFound
from s3gw.blobs.stored_chunk import StoredChunk
from s3gw.jobs import reaper as reaping
from s3gw.metadata import blobs, contents, objects, pins, processes
from s3gw.metadata.contents import ContentLost, Extent, manifest
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import NewObject
from tests.explorer import END, Actor, Jump, Local, refusable

if TYPE_CHECKING:
    from tests.test_interleavings import Gateway

BATCH = 100
SHARD = "00"  # one folder for all, so that looking at the files is quick
_BURIAL = frozenset({"bury", "forget"})


def upload(name: str, process: str, key: str, data: bytes) -> Actor:
    """As blobs/chunked_body.py and blobs/writer.py do it, with one chunk."""
    location = f"{process}-{crc32(name.encode()):08x}{SHARD}"
    hasher = ChunkHasher()
    hasher.update(data)
    digest, block_list = hasher.finish()

    def write_file(world: Gateway, conn: Connection, local: Local) -> Local:
        sink = world.store.create(location)
        sink.append(data + block_list)
        sink.commit()
        return {}

    def begin(world: Gateway, conn: Connection, local: Local) -> Local:
        return _begin(world, process)

    def find_row(world: Gateway, conn: Connection, local: Local) -> Local:
        local["pin"].keep_blob(digest)
        return {**local, "stored": blobs.find(conn, digest)}

    def verify(world: Gateway, conn: Connection, local: Local) -> Local:
        chunk = choose(world.store, local["stored"], digest, location, len(data))
        if chunk.location is None:
            world.store.delete(location)
        else:
            local["pin"].close()
        return _without(local, "stored") | {"chunk": chunk}

    def commit(world: Gateway, conn: Connection, local: Local) -> Local:
        new = NewObject(world.bucket_id, key, len(data), world.etag_of(data), "owner")
        content = manifest([Extent(digest, 0, len(data))], [local["chunk"]])
        put = partial(objects.put, conn, new, partial(contents.insert, new=content), clock=stopped)
        return {**local, "stored": refusable(conn, put, ContentLost)}

    def settle(world: Gateway, conn: Connection, local: Local) -> Local:
        locations = [location, *filter(None, [local["chunk"].replaces])]
        for unnamed in blobs.unnamed(conn, locations):
            world.store.delete(unnamed)
        local["pin"].close()
        return {"stored": local["stored"]}

    return Actor(name, process, (write_file, begin, find_row, verify, commit, settle))


def stopped(conn: Connection) -> int:
    """The time decides nothing, and states that differ in it only are the same."""
    return 1


def _begin(world: Gateway, process: str) -> Local:
    return {"pin": world.pins[process].open(), "began": world.pins[process].epoch}


def _without(local: Local, name: str) -> dict[str, Any]:
    return {key: value for key, value in local.items() if key != name}


def copy(name: str, process: str, source: str, key: str) -> Actor:
    """As operations/copy_object.py does it: one transaction."""

    def commit(world: Gateway, conn: Connection, local: Local) -> Local:
        found = objects.find(conn, world.bucket_id, source)
        if found is None or found.content_id is None:
            return {"stored": None}

        def place(conn: Connection) -> int:
            contents.retain(conn, int(found.content_id or 0))
            return int(found.content_id or 0)

        new = NewObject(world.bucket_id, key, found.size, found.etag, "owner")
        objects.put(conn, new, place, clock=stopped)
        return {"stored": True}

    return Actor(name, process, (commit,))


def delete(name: str, process: str, key: str) -> Actor:
    def commit(world: Gateway, conn: Connection, local: Local) -> Local:
        objects.delete_latest(conn, world.bucket_id, key, "owner", clock=stopped)
        return {}

    return Actor(name, process, (commit,))


def read(name: str, process: str, key: str) -> Actor:
    """As operations/get_object.py and blobs/reader.py do it. `bytes`: what was given; None: nothing.

    Only a process that was declared dead may be left without the bytes of a row that it has found.
    """

    def lose(world: Gateway, conn: Connection, local: Local, chunk: StoredChunk | None = None) -> Jump:
        _, lives = processes.look(conn, process)
        assert not lives or (chunk is not None and world.is_bad(chunk.blob.location)), "an open read lost its bytes"
        local["pin"].close()
        return Jump(END, {"bytes": None})

    def begin(world: Gateway, conn: Connection, local: Local) -> Local:
        return _begin(world, process)

    def load(world: Gateway, conn: Connection, local: Local) -> Local | Jump:
        found, content = objects.find_with_content(conn, world.bucket_id, key)
        if found is None or content is None:
            local["pin"].close()
            return Jump(END, {"bytes": None})
        local["pin"].keep_content(content.id)
        return {**local, "etag": found.etag, "digest": content.extents[0].digest}

    def locate(world: Gateway, conn: Connection, local: Local) -> Local | Jump:
        blob = blobs.find(conn, local["digest"])
        if blob is None:
            return lose(world, conn, local)
        return {**local, "chunk": StoredChunk(world.store, blob)}

    def read_file(world: Gateway, conn: Connection, local: Local) -> Local | Jump:
        try:
            given = world.read_chunk(local["chunk"])
        except (BlobNotFound, BlobCorrupt):
            return local
        assert world.etag_of(given) == local["etag"], "wrong bytes"
        local["pin"].close()
        return Jump(END, {"bytes": given})

    def locate_again(world: Gateway, conn: Connection, local: Local) -> Local | Jump:
        blob = blobs.find(conn, local["digest"])
        if blob is None or blob.location == local["chunk"].blob.location:
            return lose(world, conn, local, local["chunk"])
        return {**local, "chunk": StoredChunk(world.store, blob)}

    def give_up(world: Gateway, conn: Connection, local: Local) -> Jump:
        return lose(world, conn, local, local["chunk"])

    return Actor(name, process, (begin, load, locate, read_file, locate_again, read_file, give_up))


def heart(process: str, beats: int = 2) -> Actor:
    """As incarnation.py does it."""

    def look(world: Gateway, conn: Connection, local: Local) -> Local | Jump:
        world.pins[process].epoch, lives = processes.look(conn, process)
        if not lives:
            world.kill(process)
        return {"lasting": tuple(world.pins[process].lasting())}

    def publish_needs(world: Gateway, conn: Connection, local: Local) -> Local:
        if pins.publish(conn, process, *needs_of(local["lasting"])):
            for pin in local["lasting"]:
                pin.is_published = True
        return {"oldest": world.pins[process].oldest()}

    def publish(world: Gateway, conn: Connection, local: Local) -> Local:
        processes.heartbeat(conn, process, local["oldest"])
        return {}

    def withdraw(world: Gateway, conn: Connection, local: Local) -> Local:
        needed = needs_of(world.pins[process].lasting())
        pins.withdraw(conn, process, *world.published(conn, process).without(needed))
        return {}

    steps = (look, publish_needs, publish, withdraw) * beats
    return Actor(f"heart of {process}", process, steps, frozenset({"publish_needs", "publish", "withdraw"}))


def reaper(name: str = "reaper") -> Actor:
    """As jobs/reaper.py does it: three rounds, without the steps that come too early to find anything."""

    def unwind(world: Gateway, conn: Connection, local: Local) -> Local:
        reaping._unwind(conn, BATCH)
        return {}

    def find_released(world: Gateway, conn: Connection, local: Local) -> Local:
        return {"released": reaping._find_released(conn, BATCH)}

    def mark(world: Gateway, conn: Connection, local: Local) -> Local:
        if any(local["released"]):
            reaping._mark(conn, local["released"])
        return {}

    def delete_rows(world: Gateway, conn: Connection, local: Local) -> Local:
        locations, _, _ = reaping._delete(conn, BATCH)
        return {"locations": tuple(locations)}

    def unlink(world: Gateway, conn: Connection, local: Local) -> Local:
        for location in local["locations"]:
            world.store.delete(location)
        return {}

    steps = (find_released, mark, unwind, find_released, mark, delete_rows, unlink)
    return Actor(name, "jobs", steps, frozenset({"mark", "unwind", "delete_rows"}))


def sweep(name: str, process: str) -> Actor:
    """As jobs/sweep.py does it. Of a living process it is what the others do who haven't heard of it for too long."""

    def bury(world: Gateway, conn: Connection, local: Local) -> Local:
        processes.mark_dead(conn, process)
        return {}

    def list_files(world: Gateway, conn: Connection, local: Local) -> Local:
        files = (location for location in world.locations() if blobs.incarnation_of(location) == process)
        return {"files": tuple(sorted(files))}

    def find_unnamed(world: Gateway, conn: Connection, local: Local) -> Local:
        return {"unnamed": tuple(blobs.unnamed(conn, local["files"]))}

    def unlink(world: Gateway, conn: Connection, local: Local) -> Local:
        for location in local["unnamed"]:
            world.store.delete(location)
        return {}

    def forget(world: Gateway, conn: Connection, local: Local) -> Local:
        processes.forget(conn, process)
        return {}

    return Actor(name, "jobs", (bury, list_files, find_unnamed, unlink, forget), _BURIAL)


def death(process: str) -> Actor:
    def die(world: Gateway, conn: Connection, local: Local) -> Local:
        world.kill(process)
        return {}

    return Actor(f"death of {process}", "jobs", (die,))


def late_sweep(name: str, process: str) -> Actor:
    """A sweep on a machine that sees the lock: it does nothing while the process lives."""
    patient = sweep(name, process)

    def bury(world: Gateway, conn: Connection, local: Local) -> Local | Jump:
        if world.lives(process):
            return Jump(END, {})
        return patient.steps[0](world, conn, local)

    steps: tuple[Callable[..., Any], ...] = (bury, *patient.steps[1:])
    return Actor(name, "jobs", steps, _BURIAL)
