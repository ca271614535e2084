"""The bytes of an upload that isn't an object yet, read back as an object's are: verified, and kept by a pin."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from s3gw.content.open_content import OpenContent, Piece
from s3gw.errors import NoSuchUpload
from s3gw.metadata import resumable_uploads, uploads
from s3gw.services import OperationServices
from s3gw.threads import in_thread


async def stored_pieces(
    services: OperationServices, upload_id: str, start: int, end: int
) -> AsyncGenerator[Piece, None]:
    """Of bytes that are stored already. Close it when it isn't read to its end. Raises NoSuchUpload."""
    begins = 0
    for part in await services.database.scan(uploads.list_parts, upload_id):
        if start < begins + part.size and begins < end:
            first, stop = max(start - begins, 0), min(end - begins, part.size)
            opened = await _open(services, upload_id, part.part_number, first, stop - first)
            try:
                if opened.whole is not None:
                    yield opened.whole
                else:
                    async for piece in opened:
                        yield piece
            finally:
                await opened.aclose()
        begins += part.size
    if begins < end:
        raise NoSuchUpload(UploadId=upload_id)


async def _open(services: OperationServices, upload_id: str, number: int, offset: int, length: int) -> OpenContent:
    with services.pins.open() as pin:  # before the row is read: what came behind may have been joined to it
        content = await services.database.read(resumable_uploads.content_of, upload_id, number)
        return services.reader.open(content, pin, offset, length)


async def first_bytes(services: OperationServices, upload_id: str, most: int) -> bytes:
    pieces = stored_pieces(services, upload_id, 0, most)
    return b"".join([bytes(piece) async for piece in pieces])


async def hash_stored(services: OperationServices, hasher: object, upload_id: str, start: int, end: int) -> None:
    """Update it with these bytes: as long as reading and hashing them takes, beside other requests."""
    if start == end:
        return  # as of an upload that comes in one piece
    pieces = stored_pieces(services, upload_id, start, end)
    try:
        async for piece in pieces:
            await in_thread(None, hasher.update, piece)  # type: ignore[attr-defined]
    finally:
        await pieces.aclose()
