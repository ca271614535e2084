"""Opens what operations work with on top of an open storage: for a process that serves, or while a job makes calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields

from s3gw.content.reader import ContentReader
from s3gw.content.writer import BodyWriter
from s3gw.known_rules import KnownRules
from s3gw.services import OperationServices
from s3gw.storage import Storage


@asynccontextmanager
async def open_operation_services(storage: Storage, memory: int) -> AsyncIterator[OperationServices]:
    """`memory`: bytes for bodies that are being received."""
    database, store, settings = storage.database, storage.store, storage.settings
    writer = BodyWriter(
        database,
        store,
        storage.process_identity.name,
        storage.pins,
        inline_limit=settings.inline_limit,
        chunk_size=settings.chunk_size,
        memory=memory,
        numbers=storage.process_identity.numbers,
    )
    reader = ContentReader(database, store)
    own = {field.name: getattr(storage, field.name) for field in fields(Storage)}
    try:
        yield OperationServices(**own, writer=writer, reader=reader, known_rules=KnownRules(database))
    finally:
        await writer.close()
        await reader.close()
