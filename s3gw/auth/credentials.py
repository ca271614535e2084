"""Secret access keys: made, sealed under the master key, and unsealed for checking signatures.

A secret is sealed with AES-256-GCM bound to its access key id, so that rows can't be swapped. What is sealed begins
with the id of its master key, so that it can be read while another takes its place. Derived signing keys are cached
under the sealed bytes that each request reads anew: a rotated or disabled key counts from the next request on.
"""

from __future__ import annotations

import base64
import os
import secrets
from functools import lru_cache
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from s3gw.auth import sigv4
from s3gw.auth.master_key import ID_BYTES, Keyring, MasterKeyError, key_id
from s3gw.metadata import master_keys
from s3gw.metadata.database import Connection

_NONCE_BYTES = 12
_CACHED_KEYS = 4096


class AccessKeyRow(Protocol):
    """What the database knows of an access key and its user. `expires_at` is in microseconds."""

    @property
    def user_id(self) -> str: ...
    @property
    def canonical_id(self) -> str: ...
    @property
    def account_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def account_owner_id(self) -> str: ...
    @property
    def rules_revision(self) -> str: ...
    @property
    def key_rules_revision(self) -> str: ...
    @property
    def user_enabled(self) -> bool: ...
    @property
    def key_enabled(self) -> bool: ...
    @property
    def expires_at(self) -> int | None: ...
    @property
    def sealed_secret(self) -> bytes: ...


class Unsealed(NamedTuple):
    """`key_id` is that of the master key."""

    secret: str
    key_id: str


class Credentials:
    """Seals and unseals. The caches are bounded; they hold secrets of keys that signed lately."""

    def __init__(self, keys: bytes | Keyring) -> None:
        self._keys = Keyring(keys) if isinstance(keys, bytes) else keys
        self.unseal = lru_cache(_CACHED_KEYS)(self._unseal)
        self.signing_key = lru_cache(_CACHED_KEYS)(self._signing_key)

    def seal_in(self, conn: Connection, name: str, secret: str) -> bytes:
        """Under the master key that counts when the transaction ends, in which what is sealed is stored."""
        return self.seal(name, secret, master_keys.hold(conn))

    def seal(self, name: str, secret: str, under: str | None = None) -> bytes:
        """`name` is what it is bound to, of a secret its access key id; `under` the id of a master key, by default the
        first. Raises MasterKeyError.
        """
        key, nonce = self._keys.key(under), os.urandom(_NONCE_BYTES)
        return key_id(key) + nonce + AESGCM(key).encrypt(nonce, secret.encode(), name.encode())

    def open(self, name: str, sealed: bytes) -> Unsealed:
        """Raises MasterKeyError."""
        found = self._open(name, sealed)
        if found is None and self._keys.learn():
            found = self._open(name, sealed)
        if found is None:
            raise MasterKeyError(f"the secret of {name} was sealed under another master key: check S3GW_MASTER_KEY")
        return found

    def _open(self, name: str, sealed: bytes) -> Unsealed | None:
        """By the id that it begins with; what was sealed before there were ids begins with its nonce."""
        keys = self._keys.known()
        own = keys.get(sealed[:ID_BYTES])
        attempts = [(own, sealed[ID_BYTES:])] if own is not None else []
        for key, rest in (*attempts, *((key, sealed) for key in keys.values())):
            try:
                secret = AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], name.encode())
            except (InvalidTag, ValueError):
                continue
            return Unsealed(secret.decode(), key_id(key).hex())
        return None

    def _unseal(self, name: str, sealed: bytes) -> str:
        return self.open(name, sealed).secret

    def _signing_key(self, access_key_id: str, sealed: bytes, date: str, region: str) -> bytes:
        return sigv4.signing_key(self.unseal(access_key_id, sealed), date, region)


def new_access_key_id() -> str:
    """20 characters as AWS's: AKIA and 16 of base32."""
    return "AKIA" + base64.b32encode(secrets.token_bytes(10)).decode()


def new_secret_access_key() -> str:
    """40 characters as AWS's: 240 random bits in base64."""
    return base64.b64encode(secrets.token_bytes(30)).decode()
