"""What a client is told of an error that isn't a refusal: a disk's is never an internal one."""

from __future__ import annotations

import errno

import pytest

from s3gw.content.reader import DamagedChunk
from s3gw.content.store import BlobCorrupt, BlobNotFound, StoreUnavailable
from s3gw.errors import InsufficientStorage, InternalError, NoSuchKey, ServiceUnavailable, SlowDown
from s3gw.faults import as_s3_error
from s3gw.metadata.blobs import Blob
from s3gw.metadata.contents import ContentLost, CorruptContent
from s3gw.metadata.database import DatabaseFull, DatabaseReadOnly, DatabaseUnavailable

BLOB = Blob(b"d" * 32, "process-00000001", 1, 1)


def caused(error: Exception, *causes: Exception) -> Exception:
    """As `raise error from cause`, and so on."""
    for effect, cause in zip((error, *causes), causes, strict=False):
        effect.__cause__ = cause
    return error


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EFBIG"])
def test_a_full_disk_or_quota_is_insufficient_storage(number: str) -> None:
    assert type(as_s3_error(OSError(getattr(errno, number), "full"))) is InsufficientStorage


@pytest.mark.parametrize("number", ["EIO", "EROFS", "EMFILE", "ENFILE", "ENOMEM", "EACCES", "ESTALE", "ENOENT"])
def test_what_else_a_disk_does_is_unavailable(number: str) -> None:
    assert type(as_s3_error(OSError(getattr(errno, number), "fails"))) is ServiceUnavailable


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (DatabaseFull(), InsufficientStorage),
        (DatabaseReadOnly(), ServiceUnavailable),
        (DatabaseUnavailable(), ServiceUnavailable),
        (ContentLost(), ServiceUnavailable),
        (caused(CorruptContent(), BlobCorrupt(), OSError(errno.EIO, "can't read")), ServiceUnavailable),
        (caused(CorruptContent(), BlobCorrupt()), InternalError),
        (caused(CorruptContent(), BlobNotFound()), InternalError),
        (caused(RuntimeError(), OSError(errno.ENOSPC, "full")), InsufficientStorage),
        (StoreUnavailable("down"), SlowDown),
        (caused(RuntimeError(), StoreUnavailable("refused", again=False)), SlowDown),
        (DamagedChunk(BLOB, BlobCorrupt("wrong"), is_remote=True), SlowDown),
        (DamagedChunk(BLOB, BlobCorrupt("wrong"), is_remote=False), InternalError),
        (ValueError("ours"), InternalError),
        (TimeoutError(), InternalError),
        (NoSuchKey(), NoSuchKey),
    ],
    ids=repr,
)
def test_causes_count_and_mistakes_are_internal(error: Exception, answer: type[Exception]) -> None:
    assert type(as_s3_error(error)) is answer


def test_an_error_that_is_its_own_cause_ends() -> None:
    error = ValueError("raised from itself")
    error.__cause__ = error
    assert type(as_s3_error(error)) is InternalError
