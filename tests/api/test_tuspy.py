"""tuspy, a client of TUS's own, unchanged: whole files, pieces, checksums, and going on on another worker."""

from __future__ import annotations

import hashlib
import io

import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from tests.api.files import Filed, filed, people  # noqa: F401  (fixtures)
from tests.api.test_resumable import LONG, stored
from tests.servers import RunningServer


def client_for(filed: Filed, server: RunningServer) -> TusClient:  # noqa: F811
    return TusClient(f"{server.admin}/api/v1/buckets/{filed.id}/uploads", headers=dict(filed.owner.headers))


@pytest.mark.parametrize("chunk_size", [len(LONG) + 1, 700_000])
@pytest.mark.parametrize("checked", [False, True])
def test_a_file_is_uploaded(filed: Filed, server: RunningServer, chunk_size: int, checked: bool) -> None:  # noqa: F811
    uploader = client_for(filed, server).uploader(
        file_stream=io.BytesIO(LONG),
        chunk_size=chunk_size,
        metadata={"path": "2026/ü.bin", "filetype": "image/jpeg"},
        upload_checksum=checked,
    )
    uploader.upload()
    assert stored(filed, "2026/ü.bin") == LONG
    found = filed.find("2026/ü.bin")
    assert (found["checksum"], found["mime_type"]) == (hashlib.sha256(LONG).hexdigest(), "image/jpeg")


def test_what_was_left_is_gone_on_with_by_another_client(filed: Filed, server: RunningServer) -> None:  # noqa: F811
    url = None
    for stop in (300_000, 900_000, None):  # each on connections of its own
        uploader = client_for(filed, server).uploader(
            file_stream=io.BytesIO(LONG), url=url, metadata={"filename": "a"}, chunk_size=300_000
        )
        uploader.upload(stop_at=stop)
        url = uploader.url
    assert stored(filed) == LONG


def test_a_name_that_is_taken_is_refused(filed: Filed, server: RunningServer) -> None:  # noqa: F811
    filed.put("a")
    uploader = client_for(filed, server).uploader(file_stream=io.BytesIO(b"x"), metadata={"path": "a"})
    with pytest.raises(TusCommunicationError):
        uploader.upload()
    assert stored(filed) == b"hello"
