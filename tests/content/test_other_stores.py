"""The contract of every store over object stores of others. They take seconds to start, so this is for `make soak`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from s3gw.content.object_store import ObjectStore
from s3gw.content.remote import RemoteStore
from s3gw.content.store import StoreUnavailable
from s3gw.content.store_url import parse_store_url
from tests.content.conformance import HERE, BlobStoreConformance, read, write
from tests.stores import AZURE_CREDENTIALS, azurite, new_url, seaweedfs

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def weed_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as endpoint:
        yield endpoint


class TestSeaweedFS(BlobStoreConformance):
    @pytest.fixture
    def store(self, weed_endpoint: str, credentials: None, tmp_path: Path) -> Iterator[RemoteStore]:
        made = RemoteStore(ObjectStore(parse_store_url(new_url()), weed_endpoint, 20), tmp_path)
        yield made
        made.close()

    def test_it_creates_only_what_does_not_exist(self, store: RemoteStore) -> None:
        write(store, HERE, b"x")
        assert store._creates_once is True

    def test_a_bucket_that_is_not_there_is_told(self, store: RemoteStore, weed_endpoint: str, tmp_path: Path) -> None:
        other = RemoteStore(ObjectStore(parse_store_url("s3://no-such-bucket"), weed_endpoint, 5), tmp_path)
        with pytest.raises(StoreUnavailable):
            read(other, HERE, 0, 1)
        other.close()


@pytest.fixture(scope="module")
def azure_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with azurite(tmp_path_factory.mktemp("azurite")) as endpoint:
        yield endpoint


class TestAzurite(BlobStoreConformance):
    @pytest.fixture
    def store(self, azure_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RemoteStore]:
        for name, value in AZURE_CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        made = RemoteStore(ObjectStore(parse_store_url(new_url("az")), azure_endpoint, 20), tmp_path)
        yield made
        made.close()

    def test_it_creates_only_what_does_not_exist(self, store: RemoteStore) -> None:
        write(store, HERE, b"x")
        assert store._creates_once is True
