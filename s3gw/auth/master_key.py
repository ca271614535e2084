"""The master key, under which secret access keys are sealed: from the settings, or in a file of its own.

What is sealed with it, and how, is credentials.py's.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from pathlib import Path
from typing import Protocol

_FILE = "master.key"
_BYTES = 32
_SETTING = "--data (S3GW_DATA) or S3GW_MASTER_KEY_FILE"


class MasterKeyError(Exception):
    """The master key can't be had, isn't one, or isn't the one under which a secret was sealed."""


class Settings(Protocol):
    """What the settings say of it."""

    @property
    def data(self) -> Path: ...
    @property
    def master_key(self) -> str | None: ...
    @property
    def master_key_file(self) -> Path | None: ...


def find_master_key(settings: Settings, *, create: bool = False) -> bytes:
    """Raises MasterKeyError. Only the first start makes a key: a new one would make all that is sealed useless."""
    if settings.master_key is not None:
        return parse_master_key(settings.master_key)
    file = settings.master_key_file or settings.data / _FILE
    if not create and not file.exists():
        raise MasterKeyError(f"the master key {file} is missing; without it no secret access key can be read")
    try:
        return load_master_key(file)
    except OSError as error:
        reason = error.strerror or error
        raise MasterKeyError(f"the master key {file} can't be read or made: {reason}; check {_SETTING}") from None


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
            opened.write(base64.b64encode(secrets.token_bytes(_BYTES)) + b"\n")
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
