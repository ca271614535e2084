"""What happens before the processes open the database: migrations, and at the very first start the admin.

A process of its own, started by run_child.py, because Alembic's memory is needed for a moment only. It
tells the supervisor, as JSON, which credentials it made up: they are shown once and stored nowhere in the clear.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from s3gw import log
from s3gw.auth.credentials import Credentials, new_access_key_id, new_secret_access_key
from s3gw.auth.key_file import open_keyring
from s3gw.auth.master_key import Keyring, MasterKeyError
from s3gw.auth.passwords import hash_password
from s3gw.blob_store import open_blob_store, place_of_blobs
from s3gw.content.filesystem import make_folder
from s3gw.content.store import StoreUnavailable
from s3gw.disks.faults import in_words, is_disk_fault, is_full
from s3gw.disks.reserve import Reserve
from s3gw.errors import S3Error
from s3gw.folders import reserve_folders, restoring_file
from s3gw.metadata import audit, buckets, identities, logins, master_keys, store_identity, user_names
from s3gw.metadata.audit import Actor
from s3gw.metadata.audited import told
from s3gw.metadata.database import Connection, Database, DatabaseUnavailable, UnsuitableDatabase, now
from s3gw.metadata.database_url import database_folder
from s3gw.metadata.engines import open_database
from s3gw.metadata.migrate import upgrade as migrate
from s3gw.metadata.readiness import met_full_disk, unreachable_is_unavailable
from s3gw.names import valid_bucket_name
from s3gw.problems import Problem

if TYPE_CHECKING:
    from s3gw.config import Settings
    from s3gw.content.store import BlobStore

_logger = logging.getLogger("s3gw.server")
_LOCK = "first-start"  # nodes of a cluster may start together
_CHECK = "check --database-url (S3GW_DATABASE_URL) and --data (S3GW_DATA)"


def make_folders(settings: Settings) -> BlobStore:
    make_folder(settings.data.absolute())
    return open_blob_store(settings)


async def check_identity(database: Database, store: BlobStore, place: str) -> None:
    """Raises UnsuitableDatabase unless the database is the one that names the blobs at that place.

    With another database no row would name these files, and the sweep would remove them all. A database without
    identity is new, or was made by a version that had none.
    """
    identity, known = store.identity(), await database.read(store_identity.known)
    if known is None:
        if any(True for _ in store.locations()) and not await database.read(identities.has_users):
            raise UnsuitableDatabase(f"{place} holds the objects of another database: this one is empty; {_CHECK}")
        identity = identity or store.identify(secrets.token_hex(16))
        known = await database.write(store_identity.adopt, identity, keys=(_LOCK,))
    if identity != known:
        raise UnsuitableDatabase(
            f"{place} belongs to another database: its identity is {identity or 'none'}, the database's is {known};"
            f" {_CHECK}"
        )


@dataclass
class Progress:
    """`is_untouched` while all that a start has made may be removed again: nobody relies on it yet."""

    is_untouched: bool = True


async def prepare(settings: Settings, progress: Progress | None = None) -> dict[str, str]:
    """As `_prepare`; where the disk is full, again after more and more of its reserve was given up.

    Raises the OSError of a full disk where nothing is left to give up: SQLite's own would say that the disk fails.
    """
    progress = progress or Progress()
    while True:
        try:
            return await _prepare(settings, progress)
        except (DatabaseUnavailable, OSError) as error:
            folders = reserve_folders(settings)
            short = [folder for folder in folders if is_full(error) or met_full_disk(error, folder)]
            if not short:
                raise
            if not any(Reserve(folder).release() for folder in short):
                reason = "the disk is full, and no reserve is left to start with: make some room on it first"
                raise OSError(errno.ENOSPC, reason, str(short[0])) from error


async def _prepare(settings: Settings, progress: Progress) -> dict[str, str]:
    """Migrate; if there is no user yet, make the admin, its key and the buckets. Gives what was made up."""
    if restoring_file(settings).exists():
        raise UnsuitableDatabase(f"a restore hasn't ended in {settings.data}: run `s3gw backup restore` again")
    store = make_folders(settings)
    with unreachable_is_unavailable():
        waiting = migrate(settings.database_url, settings.data)
    if waiting is not None:
        _logger.warning("%s; a later start makes it, or `s3gw migrate`", waiting)
    database = open_database(settings.database_url, settings.data)
    try:
        has_users = await database.read(identities.has_users)
        if not has_users:
            check_root(settings)
            _check_root_password(settings)
        # A database elsewhere knows the folder from here on, and its other half must not be removed.
        is_here = database_folder(settings.database_url, settings.data) == settings.data.absolute()
        progress.is_untouched = is_here and not has_users
        await check_identity(database, store, place_of_blobs(settings))
        if has_users:
            await check_master_key(database, open_keyring(settings))
            return {}
        root = _Root(settings, open_keyring(settings, create=True))
        progress.is_untouched = False
        return root.made_up if await database.write(root.create, keys=(_LOCK,)) else {}
    finally:
        store.close()
        await database.close()


async def check_master_key(database: Database, keys: Keyring) -> None:
    """Raises MasterKeyError when the one that counts isn't among ours. Which it is is noted where nobody has: then a
    secret that was sealed tells.
    """
    known = await database.read(master_keys.current)
    sample = await database.read(identities.any_sealed_secret)
    found = keys.first if sample is None else Credentials(keys).open(*sample).key_id
    if known is None and not database.is_read_only:
        known = await database.write(master_keys.adopt, found, keys=(_LOCK,))
    keys.key(known)


def check_root(settings: Settings) -> None:
    """Check the settings about the admin and the buckets of the first start. Raises ValueError, naming the setting."""
    try:
        user_names.check_user_name(settings.root_user)
    except Problem as error:
        raise ValueError(f"S3GW_ROOT_USER: {error}") from None
    _root_email(settings)
    if settings.root_access_key_id is not None and settings.root_secret_access_key is not None:
        try:
            identities.check_access_key(settings.root_access_key_id, settings.root_secret_access_key)
        except identities.IdentityError as error:
            raise ValueError(f"S3GW_ROOT_ACCESS_KEY_ID, S3GW_ROOT_SECRET_ACCESS_KEY: {error}") from None
    for name in settings.buckets:
        if not valid_bucket_name(name):
            raise ValueError(f"S3GW_BUCKETS: {name} can't be the name of a bucket")


def _root_email(settings: Settings) -> str | None:
    if settings.root_email is None:
        return None
    from s3gw.accounts.registration import normal_email  # with a library that no other start needs

    try:
        return normal_email(settings.root_email)
    except Problem as error:
        raise ValueError(f"S3GW_ROOT_EMAIL: {error}") from None


def _check_root_password(settings: Settings) -> None:
    if settings.root_password is None:
        return
    from s3gw.accounts.passwords import check_password_now

    try:
        check_password_now(settings.root_password, (settings.root_user, settings.root_email))
    except Problem as error:
        raise ValueError(f"S3GW_ROOT_PASSWORD: {error}") from None


class _Root:
    """The admin of the first start: given in the environment, or made up."""

    def __init__(self, settings: Settings, keys: Keyring) -> None:
        self._settings, self._keys = settings, keys
        self.made_up: dict[str, str] = {}
        if settings.root_access_key_id is not None and settings.root_secret_access_key is not None:
            self._key = (settings.root_access_key_id, settings.root_secret_access_key)
        else:
            self._key = (new_access_key_id(), new_secret_access_key())
            self.made_up |= {"access_key_id": self._key[0], "secret_access_key": self._key[1]}
        password = settings.root_password
        if password is None:
            password = self.made_up["admin_password"] = secrets.token_urlsafe(18)
        self._password_hash = hash_password(password)
        self._email = _root_email(settings)

    def create(self, conn: Connection) -> bool:
        """False when another node has done it already."""
        if identities.has_users(conn):
            return False
        settings, credentials = self._settings, Credentials(self._keys)
        master_keys.adopt(conn, self._keys.first)
        user = identities.create_user(
            conn, name=settings.root_user, email=self._email, role="admin", password_hash=self._password_hash
        )
        if self._email is not None:
            logins.confirm_address(conn, user.id, self._email)  # who runs the server says that it is the admin's
        sealed = credentials.seal_in(conn, *self._key)
        key = identities.create_key(
            conn, user=user.id, access_key_id=self._key[0], sealed_secret=sealed, description="first start"
        )
        start = Actor("", "first start", "cli")
        told(conn, start, "user.create", None, user)
        told(conn, start, "key.create", None, key)
        for name in dict.fromkeys(settings.buckets):
            buckets.create(
                conn,
                name=name,
                owner_id=user.id,
                region=settings.region,
                defaults=settings.bucket_defaults,
                now=now(conn),
            )
            audit.record(conn, start, "bucket.create", "bucket", name, None, buckets.told(conn, name))
        return True


_REFUSALS = (
    DatabaseUnavailable,
    MasterKeyError,
    OSError,
    S3Error,
    UnsuitableDatabase,
    ValueError,
    Problem,
)


def _refusal(error: Exception, settings: Settings) -> str:
    """One line, with the setting that it is about."""
    line = " ".join(in_words(error).split())
    if isinstance(error, DatabaseUnavailable):
        return f"{line}; {_CHECK}"
    if isinstance(error, StoreUnavailable):
        return f"{settings.blobs} can't be used: {line}; check --blobs (S3GW_BLOBS), its endpoint and its credentials"
    if not is_disk_fault(error):
        return line
    database = database_folder(settings.database_url, settings.data)
    is_of_database = database is not None and str(getattr(error, "filename", "")).startswith(f"{database}{os.sep}")
    if is_of_database and database != settings.data.absolute():
        return f"{line}; check --database-url (S3GW_DATABASE_URL)"
    return f"{line}; check --data (S3GW_DATA)"


def main(settings: Settings, control: socket.socket) -> None:
    os.umask(0o077)  # for the database, whose files SQLite makes
    log.configure(settings.log_format, settings.access_log, settings.log)
    logging.getLogger("s3gw.blobs").setLevel(
        logging.CRITICAL
    )  # a store that can't be asked is why the start is refused
    progress = Progress()
    answer: dict[str, Any]
    try:
        answer = asyncio.run(prepare(settings, progress))
    except _REFUSALS as error:
        answer = {"error": _refusal(error, settings), "is_untouched": progress.is_untouched}
    with control:
        control.sendall(json.dumps(answer).encode())
