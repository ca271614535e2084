"""The file of the master keys: a line each, the newest first, for its owner alone.

It is replaced as a whole: a crash leaves the old keys or the new ones, on the disk, and never a part of a key.
"""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from s3gw.auth.master_key import FILE, Keyring, MasterKeyError, Settings, parse_master_keys

_SETTING = "--data (S3GW_DATA) or S3GW_MASTER_KEY_FILE"
_LARGEST = 4096  # bytes


def path_of(settings: Settings) -> Path | None:
    """None where the keys are in the settings."""
    return None if settings.master_key is not None else settings.master_key_file or settings.data / FILE


def open_keyring(settings: Settings, *, create: bool = False) -> Keyring:
    """Raises MasterKeyError. Only the first start makes a key: a new one would make all that is sealed useless."""
    if settings.master_key is not None:
        return Keyring(*parse_master_keys(settings.master_key))
    file = settings.master_key_file or settings.data / FILE
    if not create and not file.exists():
        raise MasterKeyError(f"the master key {file} is missing; without it no secret access key can be read")
    keys = read_keys(file)
    return Keyring(*keys, read=lambda: read_keys(file))


def read_keys(file: Path) -> tuple[bytes, ...]:
    """As load_master_keys; every error is a MasterKeyError."""
    try:
        return load_master_keys(file)
    except OSError as error:
        reason = error.strerror or error
        raise MasterKeyError(f"the master key {file} can't be read or made: {reason}; check {_SETTING}") from None


def load_master_keys(file: Path) -> tuple[bytes, ...]:
    """Read the key file, or make it. Raises MasterKeyError when others may read it."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        _create(file)
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    with open(descriptor, encoding="ascii", errors="replace") as opened:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & 0o077:
            raise MasterKeyError(f"{file} has mode {mode:04o}: only its owner may read the master key (chmod 600)")
        text = opened.read(_LARGEST + 1)
    if len(text) > _LARGEST:
        raise MasterKeyError(f"{file} has more than {_LARGEST} bytes: it isn't a file of master keys")
    return parse_master_keys(text)


def new_key() -> bytes:
    return secrets.token_bytes(32)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """One at a time changes the file; the lock is its folder's. Raises MasterKeyError where another one does."""
    folder = os.open(file.resolve().parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise MasterKeyError(f"another command changes {file} just now") from None
    finally:
        os.close(folder)


def replace_keys(file: Path, keys: Sequence[bytes]) -> None:
    """Durably, and for the owner that the file has. Raises MasterKeyError, and the file is as it was then."""
    target = file.resolve()  # what a link leads to
    try:
        owner = target.stat()
        scratch = _write_scratch(target, keys)
        try:
            if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(scratch, owner.st_uid, owner.st_gid)
            os.rename(scratch, target)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
        _flush_folder(target.parent)
    except OSError as error:
        reason = error.strerror or error
        raise MasterKeyError(f"the master key {file} can't be replaced: {reason}; nothing was changed") from None


def _create(file: Path) -> None:
    """A crash leaves the whole key or none; of processes that start together, the first one's key stays."""
    put_keys(file, [new_key()])


def put_keys(file: Path, keys: Sequence[bytes]) -> None:
    """Make the file, as a whole. Where there is one it stays."""
    scratch = _write_scratch(file, keys)
    try:
        os.link(scratch, file)
    except FileExistsError:
        pass
    finally:
        scratch.unlink()
    _flush_folder(file.parent)


def _write_scratch(file: Path, keys: Sequence[bytes]) -> Path:
    scratch = file.with_name(f".{file.name}.{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as opened:
        opened.writelines(base64.b64encode(key) + b"\n" for key in keys)
        opened.flush()
        os.fsync(descriptor)
    return scratch


def _flush_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
