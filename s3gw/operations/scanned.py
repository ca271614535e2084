"""Whether what is in an object may be read, by what the virus scanner says of it: asked wherever a content is opened
for somebody or copied elsewhere.

Where scanning is on, infected contents are withheld, and under `hold` all that aren't known to be clean. What is
renamed, restored or deleted stays in its bucket, and isn't asked about.
"""

from __future__ import annotations

from collections.abc import Sequence

from s3gw.metadata import objects, scans
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.contents import Content
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import ObjectVersion
from s3gw.metadata.scans import CLEAN, INFECTED, PENDING, RELEASED, State
from s3gw.operations.call import Call
from s3gw.problems import WithheldInfected, WithheldPending


def require(policy: str, state: State) -> None:
    """`policy`: off | serve | hold. Raises Withheld."""
    if policy == "off":
        return
    if state == INFECTED:
        raise WithheldInfected()
    if policy == "hold" and state not in (CLEAN, RELEASED):
        raise WithheldPending()


async def require_served(call: Call, bucket: Bucket, content: Content) -> State | None:
    """Of an object in the bucket. What is known of it; None where nothing is scanned. Raises Withheld."""
    policy = call.scan_policy_of(bucket)
    if policy == "off":
        return None
    state = await call.services.database.read(scans.state_of, content.digest)
    require(policy, state)
    return state


def require_served_source(conn: Connection, policy: str, source: ObjectVersion) -> None:
    """Within the transaction that copies it. Raises Withheld."""
    if policy != "off" and source.content_id is not None:
        require(policy, scans.state_of_content(conn, source.content_id))


async def require_each_served(call: Call, versions: Sequence[ObjectVersion]) -> None:
    """As `require_served`, of objects in the call's bucket."""
    if call.scan_policy != "off":
        for state in await statuses_of(call, versions):
            require(call.scan_policy, state or PENDING)


async def statuses_of(call: Call, versions: Sequence[ObjectVersion]) -> list[State | None]:
    """Of each in the call's bucket; None where nothing is scanned, and of delete markers."""
    if call.scan_policy == "off":
        return [None] * len(versions)
    return await call.services.database.scan(_statuses, versions)


def _statuses(conn: Connection, versions: Sequence[ObjectVersion]) -> list[State | None]:
    ids = [_content_id(conn, version) for version in versions]
    known = scans.states_of(conn, {content_id for content_id in ids if content_id is not None})
    return [None if content_id is None else known.get(content_id, PENDING) for content_id in ids]


def _content_id(conn: Connection, version: ObjectVersion) -> int | None:
    """One that was just stored is told without it (files.py)."""
    if version.content_id is not None or version.is_delete_marker:
        return version.content_id
    found = objects.find_file(conn, version.file_id)
    return None if found is None else found.content_id
