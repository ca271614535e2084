"""Events as they happen: a stream of server-sent events (WHATWG HTML, "Server-sent events")."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, aclosing
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from s3gw.accounts import event_stream
from s3gw.accounts.event_stream import Batch, Event, EventStream, Wanted
from s3gw.api.caller import TheCaller, TheServices
from s3gw.api.models import Id, Text, time_of
from s3gw.api.route import Route
from s3gw.events.names import full_name
from s3gw.events.tail import place_of
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.metadata.outbox import Place
from s3gw.operations.bucket_notification import EVENTS
from s3gw.problems import Fault, Invalid

router = APIRouter(prefix="/events", tags=["events"], route_class=Route)
_EXAMPLE = 'id: 0-4711\ndata: {"event": "s3:ObjectCreated:Put", "bucket": "pictures", "file_path": "2026/1.jpg"}\n\n'
_STREAM = {"schema": {"type": "string"}, "example": _EXAMPLE}
_ANSWERS: dict[int | str, Any] = {200: {"content": {"text/event-stream": _STREAM}}}
_ID = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")
_RETRY = 2000  # milliseconds until a client connects again


@router.get("", response_class=Response, responses=_ANSWERS)
async def stream_events(
    caller: TheCaller,
    services: TheServices,
    bucket: Annotated[Id | None, Query(description="The id of a bucket: only what happens in it.")] = None,
    prefix: Annotated[Text, Query(max_length=LONGEST_PATH, description="Only of keys that begin with it.")] = "",
    event: Annotated[
        list[Annotated[str, Query(max_length=100)]],
        Query(max_length=50, description="`s3:ObjectCreated:*`, `s3:ObjectRemoved:Delete`, …; of several any."),
    ] = [],  # noqa: B006  (never changed)
    last_event_id: Annotated[
        str | None, Header(max_length=64, description="Of the last event that came: what came behind it is told first.")
    ] = None,
) -> Response:
    """What becomes of objects, as it happens, of those that the caller may list and read at that moment. Each event has
    JSON for its data. The event `gap` says that some may be missing: `S3GW_EVENT_BACKLOG` are kept. A comment comes
    each 15 seconds. The stream ends with the session. Five of a user at most, at each worker.
    """
    unknown = [name for name in event if name not in EVENTS]
    if unknown:
        raise Invalid("there is no such event", faults=(Fault("event", "is none that a bucket tells"),))
    after = None if last_event_id is None else _place(last_event_id)
    with ExitStack() as held:
        held.enter_context(services.tail.followed(services.database, caller.principal.user_id))
        stream = await event_stream.begin(services, caller, Wanted(bucket, prefix, tuple(event)), after)
        return StreamAnswer(stream, held.pop_all())


def _place(event_id: str) -> Place:
    found = _ID.fullmatch(event_id)
    if found is None:
        raise Invalid("there is no such event", faults=(Fault("Last-Event-ID", "isn't one of a stream's"),))
    return Place(int(found[1]), int(found[2]))


class StreamAnswer(Response):
    """`held` is given back at its end."""

    media_type = "text/event-stream"

    def __init__(self, stream: EventStream, held: AbstractContextManager[Any]) -> None:
        super().__init__(media_type=self.media_type, headers={"X-Accel-Buffering": "no"})  # nginx would collect it
        del self.headers["content-length"]
        self._stream, self._held = stream, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Until it ends, or nobody is there any more: that is heard at once, so that his place is free."""
        with self._held:
            tasks = [asyncio.create_task(self._tell(send)), asyncio.create_task(_until_gone(receive))]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                told, _ = await asyncio.gather(*tasks, return_exceptions=True)
            if isinstance(told, asyncio.CancelledError):
                raise ClientDisconnect()
            if isinstance(told, BaseException):
                raise told

    async def _tell(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": b"retry: %d\n\n" % _RETRY, "more_body": True})
        async with aclosing(self._stream.batches()) as batches:
            async for batch in batches:
                body = "".join(_written(batch)).encode()
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _written(batch: Batch) -> Iterator[str]:
    """An id without data makes the client go on from there, and is no event."""
    if batch.is_gap:
        yield "event: gap\ndata: {}\n\n"
    for event in batch.events:
        yield f"id: {_id_of(place_of(event.change))}\ndata: {json.dumps(_document(event))}\n\n"
    yield f": here\nid: {_id_of(batch.place)}\n\n"


def _id_of(place: Place) -> str:
    return f"{place.transaction}-{place.id}"


def _document(event: Event) -> dict[str, Any]:
    change = event.change
    return {
        "event": full_name(event.name),
        "time": time_of(change.at).isoformat().replace("+00:00", "Z"),
        "bucket_id": event.bucket.uuid,
        "bucket": event.bucket.bucket.name,
        "file_id": None if change.file_id is None else str(UUID(bytes=change.file_id)),
        "file_path": change.key,
        "file_size": change.size,
        "etag": change.etag,
        "version_id": None if change.version_id in ("", "null") else change.version_id,
    }
