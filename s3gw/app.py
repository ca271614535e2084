"""Puts a process together: services from settings, and the three ASGI applications on top of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from s3gw.admin.app import build_admin_app
from s3gw.auth.credentials import Credentials
from s3gw.auth.key_file import open_keyring
from s3gw.auth.passwords import Passwords
from s3gw.auth.request_digests import RequestDigests
from s3gw.content.reader import ContentReader
from s3gw.content.writer import BodyWriter
from s3gw.folders import blob_folder
from s3gw.key_uses import KeyUses
from s3gw.known_rules import KnownRules
from s3gw.lazy_app import LazyApp, json_api, share_pages
from s3gw.s3.gateway import Gateway
from s3gw.s3.xml_bodies import memory_of
from s3gw.services import Services
from s3gw.storage import open_storage
from s3gw.token_keys import TokenKeys

if TYPE_CHECKING:
    from s3gw.config import Settings


@dataclass(frozen=True)
class Application:
    s3: Any
    admin: Any
    share: Any


@asynccontextmanager
async def open_services(settings: Settings, role: str) -> AsyncIterator[Services]:
    """Everything that serves a request, on top of an open storage."""
    async with open_storage(settings, role) as storage:
        database, store, pins = storage.database, storage.store, storage.pins
        writer = BodyWriter(
            database,
            store,
            storage.process_identity.name,
            pins,
            inline_limit=settings.inline_limit,
            chunk_size=settings.chunk_size,
            memory=settings.upload_memory - memory_of(settings),
        )
        reader = ContentReader(database, store)
        keyring = open_keyring(settings)
        credentials, passwords = Credentials(keyring), Passwords()
        try:
            yield Services(
                **vars(storage),
                writer=writer,
                reader=reader,
                credentials=credentials,
                known_rules=KnownRules(database),
                passwords=passwords,
                token_keys=TokenKeys(database, credentials),
                key_uses=KeyUses(database),
                request_digests=RequestDigests(keyring.key(None)),
            )
        finally:
            passwords.close()
            await writer.close()
            await reader.close()


@asynccontextmanager
async def open_application(settings: Settings) -> AsyncIterator[Application]:
    async with open_services(settings, "worker") as services, services.key_uses.written():
        api, share = (LazyApp(build, services) for build in (json_api, share_pages))
        admin = build_admin_app(services.database, blob_folder(settings), services.room, api)
        yield Application(Gateway(services), admin, share)
