"""The keys of access tokens, and of those in previews' URLs, in this process: read from the database, where all
processes share them.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from s3gw.auth import access_tokens, preview_tokens
from s3gw.auth.access_tokens import BadToken, Claims
from s3gw.auth.credentials import Credentials
from s3gw.auth.preview_tokens import PreviewClaims, ViewClaims
from s3gw.metadata import audit, token_keys
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection, Database, now
from s3gw.metadata.master_keys import name_of_token_key
from s3gw.problems import NotAuthenticated

T = TypeVar("T")

_NO_PREVIEW = "the preview's URL isn't valid, or has expired"
_FRESH = 5.0  # seconds in which a key that another process has added doesn't sign yet, and one taken away still does
_PAUSE = 0.1  # seconds between two reads for the sake of tokens whose key isn't known, which anybody can send
_OLDEST = 2 * access_tokens.LIFETIME  # seconds after which a key verifies nothing whose successor is as old


class TokenKeys:
    """Used on the event loop only."""

    def __init__(self, database: Database, credentials: Credentials) -> None:
        self._database, self._credentials = database, credentials
        self._keys: dict[str, bytes] = {}  # the newest first
        self._read_at = float("-inf")  # when the read began
        self._turn = asyncio.Lock()

    async def issue(self, claims: Claims) -> str:
        return access_tokens.issue(claims, *await self._newest(), int(time.time()))

    async def issue_preview(self, claims: PreviewClaims | ViewClaims) -> str:
        return preview_tokens.issue(claims, *await self._newest(), int(time.time()))

    async def verify(self, token: str) -> Claims:
        """Raises NotAuthenticated."""
        return await self._verify(token, access_tokens.verify, "the access token isn't valid, or has expired")

    async def verify_preview(self, token: str) -> PreviewClaims:
        """Raises NotAuthenticated."""
        return await self._verify(token, partial(preview_tokens.verify, PreviewClaims), _NO_PREVIEW)

    async def verify_view(self, token: str) -> ViewClaims:
        """Raises NotAuthenticated."""
        return await self._verify(token, partial(preview_tokens.verify, ViewClaims), _NO_PREVIEW)

    async def _newest(self) -> tuple[str, bytes]:
        await self._refresh()
        if not self._keys:
            self._take(await self._database.write(self._adopt))
        return next(iter(self._keys.items()))

    async def _verify(self, token: str, by: Callable[[str, Mapping[str, bytes]], T], refusal: str) -> T:
        await self._refresh()
        try:
            if access_tokens.key_id_of(token) not in self._keys:
                await self._catch_up()
            return by(token, self._keys)
        except BadToken:
            raise NotAuthenticated(refusal) from None

    async def rotate(self, actor: Actor) -> str:
        """Add a key that signs from now on, and give its id. Tokens that older ones have signed live to their end."""
        key_id = await self._database.write(self._add, actor)
        self._read_at = float("-inf")
        return key_id

    async def _refresh(self) -> None:
        if time.monotonic() - self._read_at > _FRESH:
            await self._read()

    async def _catch_up(self) -> None:
        """Another process may sign with a key already that was added since. All who ask meanwhile wait for one read."""
        asked = time.monotonic()
        async with self._turn:
            if self._read_at < asked:
                await asyncio.sleep(self._read_at + _PAUSE - asked)
                await self._read()

    async def _read(self) -> None:
        began = time.monotonic()
        self._take(await self._database.read(token_keys.newest_first))
        self._read_at = began

    def _take(self, found: list[token_keys.TokenKey]) -> None:
        unseal = self._credentials.unseal
        self._keys = {key.id: bytes.fromhex(unseal(name_of_token_key(key.id), key.sealed)) for key in found}

    def _adopt(self, conn: Connection) -> list[token_keys.TokenKey]:
        return token_keys.newest_first(conn) or token_keys.adopt(conn, *self._new(conn))

    def _add(self, conn: Connection, actor: Actor) -> str:
        known = token_keys.newest_first(conn)
        key_id, sealed = self._new(conn)
        token_keys.add(conn, key_id, sealed)
        outlived = [key.created_at for key in known if key.created_at < now(conn) - _OLDEST * 1_000_000]
        if outlived:  # this one may have signed until just now, those before it haven't since it was there
            token_keys.forget_before(conn, outlived[0])
        before = {"key": known[0].id if known else None}
        audit.record(conn, actor, "token_key.rotate", "token_key", key_id, before, {"key": key_id})
        return key_id

    def _new(self, conn: Connection) -> tuple[str, bytes]:
        key_id = secrets.token_hex(8)
        return key_id, self._credentials.seal_in(conn, name_of_token_key(key_id), access_tokens.new_key().hex())
