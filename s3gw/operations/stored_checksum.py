"""Checksums that are asked of bytes already stored: computed by reading them."""

from __future__ import annotations

import base64
import hashlib

from s3gw.checksums import algorithm_named
from s3gw.metadata.contents import Content
from s3gw.operations.call import Call
from s3gw.threads import in_thread


async def checksum_of_content(call: Call, content: Content, offset: int, length: int, algorithm: str) -> str:
    """Base64 of the checksum of `length` bytes at `offset`."""
    hasher = algorithm_named(algorithm).hasher()
    if length:
        async for piece in call.services.reader.read(content, offset, length):
            await in_thread(None, hasher.update, piece)
    return base64.b64encode(hasher.digest()).decode()


async def md5_of_content(call: Call, content: Content, offset: int, length: int) -> str:
    hasher = hashlib.md5(usedforsecurity=False)
    if length:
        async for piece in call.services.reader.read(content, offset, length):
            await in_thread(None, hasher.update, piece)
    return hasher.hexdigest()
