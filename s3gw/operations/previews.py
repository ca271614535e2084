"""A preview of an object: asked for as its GetObject, with the same needs and the same virus scanner at every door.

It is made by a job, once for all that have the same content (metadata/previews.py); who asks waits for it a while.
Each look asks about the object and the scanner again, as either may have become another while it was made.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

from s3gw.content.open_content import OpenContent
from s3gw.content.read_pins import Pin
from s3gw.errors import NoSuchKey, NotImplemented
from s3gw.metadata import objects, previews, read_objects
from s3gw.metadata.contents import Content, CorruptContent
from s3gw.metadata.objects import ObjectVersion
from s3gw.metadata.previews import MADE, REFUSED, Found
from s3gw.operations.call import Call, Output
from s3gw.operations.get_object import readable
from s3gw.operations.preconditions import check_read
from s3gw.operations.scanned import require
from s3gw.operations.table import OPERATIONS, Row
from s3gw.previews.kinds import FIRST, extra_of, is_installed, kind_of, made_of
from s3gw.previews.limits import REASONS, UNSUPPORTED, limits_of
from s3gw.problems import NoPreview, NoPreviewOfType, PreviewPending

WAITS = 3.0  # seconds
AGAIN = 2  # seconds after which one who waited in vain is told to ask again
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 0.5  # between two looks
_SMALL = 1 << 20  # bytes
_logger = logging.getLogger("s3gw.previews")
_CACHED = "private, no-cache"  # kept, and asked about again: rights may have ended
_HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"


async def get_preview(call: Call, input: Any) -> Output:
    """By `Recipe`. With `Sequence`, of that version alone, though others may have its id."""
    loop = asyncio.get_running_loop()
    until, pause, asks = loop.time() + WAITS, _FIRST_PAUSE, True
    while True:
        output = await _look(call, input, asks=asks)
        if output is not None:
            return output
        if loop.time() + pause > until:
            raise PreviewPending(AGAIN)
        await asyncio.sleep(pause)
        pause, asks = min(2 * pause, _LONGEST_PAUSE), False


async def head_preview(call: Call, input: Any) -> Output:
    output = await get_preview(call, input)
    await output.pop("Body").aclose()
    return output


async def head_version(call: Call, input: Any) -> Output:
    """Which version it is, of whoever may read it."""
    found = await call.services.database.read(objects.find, call.the_bucket.id, input["Key"], input.get("VersionId"))
    call.check("object", found)
    return {"Version": readable(found, input)}


async def _look(call: Call, input: Any, *, asks: bool) -> Output | None:
    """None: it is being made. `asks`: have it made."""
    services = call.services
    named = call.the_bucket.id, input["Key"], input.get("VersionId"), call.scan_policy != "off"
    with services.pins.open() as pin:  # before the rows are read
        version, content, status = await services.database.read(read_objects.find_with_verdict, *named)
        call.check("object", version)
        version = readable(version, input)
        if input.get("Sequence") not in (None, version.sequence):
            raise NoSuchKey(Key=input["Key"])
        assert content is not None, "a version that isn't a delete marker has a content"
        if status is not None:
            require(call.scan_policy, status)
        recipe = input["Recipe"]
        found = await services.database.read(previews.find, content.same_bytes, recipe, content.id)
        if found is None or not _is_settled(call, found):
            if asks:
                await _ask(call, content, recipe)
            return None
        if found.preview.state == REFUSED:
            raise NoPreview(REASONS[found.preview.reason or "crashed"])
        if not found.is_noted:
            await services.database.write(previews.ask, content, recipe, limits_of(services.settings).told)
        output = _answer(call, input, version, found)
        try:
            output["Body"] = await _opened(call, found.content, pin)
        except CorruptContent as error:
            _logger.error("a preview is made again: %s", error)
            await services.database.write(previews.make_again, found.preview)
            return None
    if status is not None:
        output["ScanStatus"] = status
    return output


def _is_settled(call: Call, found: Found) -> bool:
    preview = found.preview
    told = limits_of(call.services.settings).told
    return preview.state == MADE or (preview.state == REFUSED and preview.limits == told)


async def _ask(call: Call, content: Content, recipe: str) -> None:
    """Raises NoPreview and NoPreviewOfType for what needs no decoder to be refused: nothing is remembered of it."""
    services, first = call.services, b""
    async for piece in services.reader.read(content, 0, min(FIRST, content.size)):
        first += bytes(piece)
    kind = kind_of(first)
    if kind is None or made_of(kind, recipe) is None:
        raise NoPreviewOfType(REASONS[UNSUPPORTED])
    limits = limits_of(services.settings)
    if content.size > limits.size:
        raise NoPreview(REASONS["too_large"])
    if not is_installed(kind):
        raise NotImplemented(f"This server makes no previews of such files: it has no s3gw[{extra_of(kind)}].")
    services.room.require()
    await services.database.write(previews.ask, content, recipe, limits.told)


async def _opened(call: Call, content: Content | None, pin: Pin) -> OpenContent:
    """A small one is read before it is answered, so that one that went bad is found. Raises CorruptContent."""
    assert content is not None, "it was made"
    reader = call.services.reader
    if content.size > _SMALL:
        return reader.open(content, pin, 0, content.size)
    return OpenContent(whole=b"".join([bytes(piece) async for piece in reader.read(content)]))


def _answer(call: Call, input: Any, version: ObjectVersion, found: Found) -> Output:
    preview, content = found.preview, found.content
    assert content is not None and preview.made_at is not None, "it was made"
    etag = content.digest.hex()[:32]
    made_at = datetime.fromtimestamp(preview.made_at // 1_000_000, UTC)
    headers = {"etag": f'"{etag}"', "last-modified": made_at.strftime(_HTTP_DATE), "cache-control": _CACHED}
    check_read(input, version._replace(etag=etag, last_modified=preview.made_at), headers, call.now)
    return {
        "ContentType": preview.type,
        "ContentLength": content.size,
        "ETag": headers["etag"],
        "LastModified": made_at,
        "CacheControl": _CACHED,
    }


GET_PREVIEW = Row(get_preview, OPERATIONS["GetObject"].needs)
HEAD_PREVIEW = Row(head_preview, OPERATIONS["GetObject"].needs)
HEAD_VERSION = Row(head_version, OPERATIONS["GetObject"].needs)
