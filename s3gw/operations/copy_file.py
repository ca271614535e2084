"""A file is copied: CopyObject, whatever its size. What another bucket takes is told by what is in the file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.allowed_types import patterns_of, require_allowed
from s3gw.operations.call import Call, Output
from s3gw.operations.copy_object import copy_object, find_source_with_content
from s3gw.operations.file_type import FIRST, UNKNOWN
from s3gw.operations.scanned import require_served
from s3gw.operations.table import OPERATIONS

_ANY_SIZE = 1 << 62  # bytes: what is there isn't too large


async def copy_file(call: Call, input: Any) -> Output:
    """`CopySourceIfMatch` is in the input, so what is copied is what was looked at. Raises UnsupportedMediaType."""
    patterns = await patterns_of(call)
    if patterns and call.the_source.bucket.id != call.the_bucket.id:
        source, first = await _looked_at(call)
        said = json.loads(source.headers or "{}").get("ContentType", UNKNOWN)
        require_allowed(patterns, said, first)
    input["LargestSource"] = _ANY_SIZE
    return await copy_object(call, input)


async def _looked_at(call: Call) -> tuple[ObjectVersion, bytes]:
    with call.services.pins.open() as pin:
        source, content = await call.services.database.read(find_source_with_content, call.the_source)
        call.check("source", source)
        await require_served(call, call.the_source.bucket, content)
        opened = call.services.reader.open(content, pin, 0, min(FIRST, content.size))
    try:
        first = opened.whole if opened.whole is not None else b"".join([bytes(piece) async for piece in opened])
        return source, bytes(first)
    finally:
        await opened.aclose()


COPY_FILE = replace(OPERATIONS["CopyObject"], handler=copy_file)
