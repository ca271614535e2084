"""What the client is told when something else than a refusal was raised: that the disk is full, that it may be tried
again, or that we have made a mistake. What an error was caused by counts too.
"""

from __future__ import annotations

from collections.abc import Iterator
from logging import Logger

from s3gw.content.reader import DamagedChunk
from s3gw.content.store import StoreUnavailable
from s3gw.disks.faults import in_words, is_disk_fault, is_full
from s3gw.errors import InsufficientStorage, InternalError, S3Error, ServiceUnavailable, SlowDown
from s3gw.metadata.contents import ContentLost
from s3gw.metadata.database import DatabaseFull, DatabaseUnavailable

_STORE_AWAY = "The store that keeps the data can't give it just now."


def as_s3_error(error: Exception) -> S3Error:
    """InternalError stands for what nobody expected. What a disk or a store does is expected: full
    is 507 and the rest 503."""
    if isinstance(error, S3Error):
        return error
    for cause in _causes(error):
        if isinstance(cause, DatabaseFull) or is_full(cause):
            return InsufficientStorage()
        if isinstance(cause, StoreUnavailable) or (isinstance(cause, DamagedChunk) and cause.is_remote):
            return SlowDown(_STORE_AWAY)
        if isinstance(cause, DatabaseUnavailable | ContentLost) or is_disk_fault(cause):
            return ServiceUnavailable()
    return InternalError()


def logged(error: Exception, logger: Logger, request: str) -> S3Error:
    """The same, after the log was told: of a mistake of ours where it was made, of what is expected one line."""
    known = as_s3_error(error)
    if isinstance(known, InternalError):
        logger.error("failed %s", request, exc_info=error)
    else:
        logger.warning("%s %s: %s", known.code, request, in_words(error))
    return known


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ if cause.__cause__ is not cause else None
