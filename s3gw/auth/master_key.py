"""The master keys, under which secrets are sealed: from the settings, or in a file of their own.

One counts (metadata/master_keys.py says which); while another takes its place both are there. What is sealed with
them, and how, is credentials.py's; how the file changes is key_file.py's.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

FILE = "master.key"
_BYTES = 32
ID_BYTES = 8


class MasterKeyError(Exception):
    """A master key can't be had, isn't one, or isn't the one under which a secret was sealed."""


class Settings(Protocol):
    """What the settings say of them."""

    @property
    def data(self) -> Path: ...
    @property
    def master_key(self) -> str | None: ...
    @property
    def master_key_file(self) -> Path | None: ...


class Keyring:
    """A process's master keys by their ids. They are read again when one is asked for that isn't known, so that a
    process that runs learns of a new key. Those that it had it keeps: a request may have read what is sealed under one
    just before that left the file. Shared between threads: the keys are replaced in one step.
    """

    def __init__(self, *keys: bytes, read: Callable[[], Sequence[bytes]] | None = None) -> None:
        self._read = read
        self._keys = _by_id(keys)

    @property
    def first(self) -> str:
        """The id of the one that stands first."""
        return next(iter(self._keys)).hex()

    def known(self) -> dict[bytes, bytes]:
        return self._keys

    def learn(self) -> bool:
        """Whether there are others now. What can't be read just now changes nothing."""
        if self._read is None:
            return False
        try:
            found = _by_id(self._read())
        except MasterKeyError:
            return False
        before = self._keys
        self._keys = found | {known: key for known, key in before.items() if known not in found}
        return self._keys.keys() != before.keys()

    def key(self, key_id: str | None) -> bytes:
        """The key of this id; None: the first. Raises MasterKeyError."""
        wanted = bytes.fromhex(self.first if key_id is None else key_id)
        if wanted not in self._keys:
            self.learn()
        if wanted not in self._keys:
            raise MasterKeyError(
                f"the secrets of this database were sealed under another master key, {wanted.hex()}, than"
                f" {_ids(self._keys)}: check S3GW_MASTER_KEY and S3GW_MASTER_KEY_FILE"
            )
        return self._keys[wanted]


def key_id(key: bytes) -> bytes:
    """Made from the key itself, so that nobody can mistake one for another."""
    return hmac.digest(key, b"s3gw master key", "sha256")[:ID_BYTES]


def _by_id(keys: Sequence[bytes]) -> dict[bytes, bytes]:
    return {key_id(key): key for key in keys}


def _ids(keys: dict[bytes, bytes]) -> str:
    return " and ".join(known.hex() for known in keys)


def parse_master_key(text: str) -> bytes:
    """32 bytes in base64 or as 64 hex digits."""
    text = text.strip()
    try:
        key = bytes.fromhex(text) if len(text) == _BYTES * 2 else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _BYTES:
        raise MasterKeyError(
            "the master key (S3GW_MASTER_KEY, or its file) must be 32 bytes in base64 or hex;"
            " `openssl rand -base64 32` makes one"
        )
    return key


def parse_master_keys(text: str) -> tuple[bytes, ...]:
    """Several with commas or lines between them."""
    return tuple(dict.fromkeys(parse_master_key(part) for part in text.replace(",", " ").split() or [text]))
