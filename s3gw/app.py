"""Puts a process together: services from settings, and the ASGI applications of its three listeners on top of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from s3gw.admin.app import build_admin_app
from s3gw.admin.metrics import Metrics
from s3gw.auth.credentials import Credentials
from s3gw.auth.key_file import open_keyring
from s3gw.auth.passwords import Passwords
from s3gw.auth.request_digests import RequestDigests
from s3gw.folders import blob_folder
from s3gw.key_uses import KeyUses
from s3gw.lazy_app import LazyApp, console, json_api, share_pages
from s3gw.operation_services import open_operation_services
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
    end_streams: Callable[[], None]  # those that would last for ever


@asynccontextmanager
async def open_services(settings: Settings, role: str) -> AsyncIterator[Services]:
    """Everything that serves a request, on top of an open storage."""
    memory = settings.upload_memory - memory_of(settings)
    async with open_storage(settings, role) as storage, open_operation_services(storage, memory) as of_operations:
        keyring = open_keyring(settings)
        credentials, passwords = Credentials(keyring), Passwords()
        try:
            yield Services(
                **vars(of_operations),
                credentials=credentials,
                passwords=passwords,
                token_keys=TokenKeys(storage.database, credentials),
                key_uses=KeyUses(storage.database),
                request_digests=RequestDigests(keyring.key(None)),
            )
        finally:
            passwords.close()


@asynccontextmanager
async def open_application(settings: Settings) -> AsyncIterator[Application]:
    async with open_services(settings, "worker") as services, services.key_uses.written():
        api, share = (LazyApp(build, services) for build in (json_api, share_pages))
        metrics = Metrics(services).answer
        asked = services.database, services.store, blob_folder(settings), services.room, services.process_identity
        pages = LazyApp(partial(console, api), services)
        admin = build_admin_app(*asked, metrics, api, pages)
        yield Application(Gateway(services), admin, share, services.tail.end)
