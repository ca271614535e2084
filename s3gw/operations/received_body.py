"""The body of a PutObject or UploadPart: stored while it is read, verified before anything counts on it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from s3gw.checksums import ALGORITHMS, algorithm_named
from s3gw.metadata import objects, quotas, uploads
from s3gw.metadata.contents import NewContent
from s3gw.metadata.usage import Usage
from s3gw.operations.call import Call

# "If you don't specify a checksum algorithm, Amazon S3 automatically calculates CRC64NVME" (Amazon S3 User Guide,
# "Checking object integrity for data uploads").
DEFAULT_ALGORITHM = "CRC64NVME"


class ReceivedBody(NamedTuple):
    content: NewContent
    size: int
    etag: str  # the MD5 in hex, without quotes
    checksum_algorithm: str
    checksum: str  # base64
    checksums: dict[str, str]  # that one, and others that were computed beside it, by algorithm


# Of a shorter body the transaction alone decides, which has the last word anyway.
_LONG = 64 * 1024


async def _require_quota(call: Call, size: int) -> None:
    """Before a long body is read; what it takes the place of makes room for it. Raises QuotaExceeded."""
    read, bucket, input = call.services.database.read, call.the_bucket, call.input
    if call.creates_object:
        replaced = None
        if bucket.versioning != "Enabled":
            replaced = await read(objects.find, bucket.id, input["Key"])
        more = Usage(size, versions=1) if replaced is None else Usage(size - replaced.size)
    else:
        more = Usage(part_bytes=size - await read(uploads.size_of_part, input["UploadId"], input["PartNumber"]))
    await read(quotas.require_room_for, bucket.id, input["Key"], more, call.principal.user_id)


@asynccontextmanager
async def receive_body(call: Call, algorithm: str | None, beside: str | None = None) -> AsyncIterator[ReceivedBody]:
    """Store the request's body and give what to insert; the transaction belongs into the block.

    Computes `algorithm`, or the one that the request brings a value of, or AWS's default, and `beside` as well. What
    was written is removed when the block doesn't count on it.
    """
    body = call.the_body
    if call.the_bucket.has_quotas and (body.size or 0) >= _LONG:
        await _require_quota(call, body.size or 0)
    name = algorithm_named(body.checksum_algorithm or algorithm or DEFAULT_ALGORITHM).name
    hashers = body.hashers
    for each in (name, beside or name):
        if each not in hashers:
            hashers[each] = ALGORITHMS[each].hasher()
    async with call.services.writer.storing(body, hashers) as stored:
        body.verify(stored.md5, stored.checksums)
        checksums = {each: base64.b64encode(digest).decode() for each, digest in stored.checksums.items()}
        yield ReceivedBody(stored.content, stored.size, stored.md5, name, checksums[name], checksums)
