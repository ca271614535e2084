"""Secret access keys: made, sealed under the master key, and unsealed for checking signatures.

A secret is sealed with AES-256-GCM bound to its access key id, so that rows can't be swapped. Derived signing keys are
cached under the sealed bytes that each request reads anew: a rotated or disabled key counts from the next request on.
"""

from __future__ import annotations

import base64
import os
import secrets
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from s3gw.auth import sigv4
from s3gw.auth.master_key import MasterKeyError

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


class Credentials:
    """Seals and unseals. The caches are bounded; they hold secrets of keys that signed lately."""

    def __init__(self, master_key: bytes) -> None:
        self._cipher = AESGCM(master_key)
        self.unseal = lru_cache(_CACHED_KEYS)(self._unseal)
        self.signing_key = lru_cache(_CACHED_KEYS)(self._signing_key)

    def seal(self, access_key_id: str, secret: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), access_key_id.encode())

    def _unseal(self, access_key_id: str, sealed: bytes) -> str:
        try:
            secret = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], access_key_id.encode())
        except (InvalidTag, ValueError):
            raise MasterKeyError(
                f"the secret of {access_key_id} was sealed under another master key: check S3GW_MASTER_KEY"
            ) from None
        return secret.decode()

    def _signing_key(self, access_key_id: str, sealed: bytes, date: str, region: str) -> bytes:
        return sigv4.signing_key(self.unseal(access_key_id, sealed), date, region)


def new_access_key_id() -> str:
    """20 characters as AWS's: AKIA and 16 of base32."""
    return "AKIA" + base64.b32encode(secrets.token_bytes(10)).decode()


def new_secret_access_key() -> str:
    """40 characters as AWS's: 240 random bits in base64."""
    return base64.b64encode(secrets.token_bytes(30)).decode()
