"""Pieces of a resumable upload that come at the same time."""

from __future__ import annotations

import hashlib
from typing import cast

import pytest

from s3gw.metadata.resumable_uploads import Resumable
from s3gw.operations import resumable
from s3gw.operations.call import Call
from s3gw.problems import OffsetMismatch
from s3gw.running_hashes import Running

pytestmark = pytest.mark.anyio


async def test_a_last_piece_is_refused_when_another_came_since_the_row_was_read() -> None:
    """Its hash would be of other bytes. It was a 500."""
    found = Resumable("id", "upload", 1, "key", "owner", 1, 1, 10, 5, "whole", 0, "")
    with pytest.raises(OffsetMismatch, match="byte 10"):
        await resumable._caught_up(cast(Call, None), Running(10, hashlib.sha256()), found)
