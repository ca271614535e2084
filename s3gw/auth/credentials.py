"""Secret access keys: made, sealed under the master key, and unsealed for checking signatures.

A secret is sealed with AES-256-GCM bound to its access key id, so that rows can't be swapped. Derived signing keys are
cached under the sealed bytes that each request reads anew: a rotated or disabled key counts from the next request on.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from s3gw.auth import sigv4

MASTER_KEY_FILE = "master.key"

_MASTER_KEY_BYTES = 32
_NONCE_BYTES = 12
_CACHED_KEYS = 4096


class MasterKeyError(Exception):
    """The master key can't be had, isn't one, or isn't the one under which a secret was sealed."""


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


def parse_master_key(text: str) -> bytes:
    """32 bytes in base64 or as 64 hex digits."""
    text = text.strip()
    try:
        key = bytes.fromhex(text) if len(text) == _MASTER_KEY_BYTES * 2 else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _MASTER_KEY_BYTES:
        raise MasterKeyError(
            "the master key (S3GW_MASTER_KEY, or its file) must be 32 bytes in base64 or hex;"
            " `openssl rand -base64 32` makes one"
        )
    return key


def load_master_key(file: Path) -> bytes:
    """Read the key file, or make it. Raises MasterKeyError when others may read it."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        _create_key_file(file)
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    with open(descriptor, encoding="ascii", errors="replace") as opened:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & 0o077:
            raise MasterKeyError(f"{file} has mode {mode:04o}: only its owner may read the master key (chmod 600)")
        return parse_master_key(opened.read(1024))


def _create_key_file(file: Path) -> None:
    """A crash leaves the whole key or none; of processes that start together, the first one's key stays."""
    scratch = file.with_name(f".{file.name}.{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as opened:
            opened.write(base64.b64encode(secrets.token_bytes(_MASTER_KEY_BYTES)) + b"\n")
            opened.flush()
            os.fsync(descriptor)
        try:
            os.link(scratch, file)
        except FileExistsError:
            pass
    finally:
        scratch.unlink()
    folder = os.open(file.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
