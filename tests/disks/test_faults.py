"""Errors of the operating system in words for people."""

from __future__ import annotations

import errno

import pytest

from s3gw.disks.faults import in_words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EACCES, "Permission denied", "/data/s3gw.db"), "/data/s3gw.db: Permission denied"),
        (OSError(errno.EISDIR, "Is a directory", 17), "Is a directory"),  # of a descriptor, which is nobody's file
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (TimeoutError("it took too long"), "it took too long"),
    ],
)
def test_a_file_is_named_and_numbers_are_not(error: OSError, words: str) -> None:
    assert in_words(error) == words
