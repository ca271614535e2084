"""The keys of access tokens in this process: read from the database, where all processes share them."""

from __future__ import annotations

import secrets
import time

from s3gw.auth import access_tokens
from s3gw.auth.access_tokens import BadToken, Claims
from s3gw.auth.credentials import Credentials
from s3gw.metadata import token_keys
from s3gw.metadata.database import Connection, Database
from s3gw.problems import NotAuthenticated

_FRESH = 5.0  # seconds in which a key that was added or taken away by another process isn't seen
_OLDEST = 2 * access_tokens.LIFETIME  # seconds after which a key that a newer one has followed verifies nothing


class TokenKeys:
    """Used on the event loop only."""

    def __init__(self, database: Database, credentials: Credentials) -> None:
        self._database, self._credentials = database, credentials
        self._keys: dict[str, bytes] = {}  # the newest first
        self._read_at = float("-inf")

    async def issue(self, claims: Claims) -> str:
        await self._refresh()
        if not self._keys:
            key_id, sealed = self._new()
            self._take(await self._database.write(token_keys.adopt, key_id, sealed))
        key_id, key = next(iter(self._keys.items()))
        return access_tokens.issue(claims, key_id, key, int(time.time()))

    async def verify(self, token: str) -> Claims:
        """Raises NotAuthenticated."""
        await self._refresh()
        try:
            return access_tokens.verify(token, self._keys)
        except BadToken:
            raise NotAuthenticated("the access token isn't valid, or has expired") from None

    async def rotate(self) -> str:
        """Add a key that signs from now on, and give its id. Tokens that older ones have signed live to their end."""
        key_id, sealed = self._new()
        await self._database.write(_rotate, key_id, sealed)
        self._read_at = float("-inf")
        return key_id

    async def _refresh(self) -> None:
        if time.monotonic() - self._read_at > _FRESH:
            self._take(await self._database.read(token_keys.newest_first))

    def _take(self, found: list[token_keys.TokenKey]) -> None:
        self._keys = {key.id: bytes.fromhex(self._credentials.unseal(_name(key.id), key.sealed)) for key in found}
        self._read_at = time.monotonic()

    def _new(self) -> tuple[str, bytes]:
        key_id = secrets.token_hex(8)
        return key_id, self._credentials.seal(_name(key_id), access_tokens.new_key().hex())


def _name(key_id: str) -> str:
    """What the sealed key is bound to: it can't be put in the place of another sealed secret."""
    return f"token-key/{key_id}"


def _rotate(conn: Connection, key_id: str, sealed: bytes) -> None:
    known = token_keys.newest_first(conn)
    token_keys.add(conn, key_id, sealed)
    if known:
        token_keys.forget_before(conn, known[0].created_at - _OLDEST * 1_000_000)
