"""The contract of every store over object stores of others. They take seconds to start, so this is for `make soak`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3gw.content.object_store import ObjectStore
from s3gw.content.remote import RemoteStore
from s3gw.content.store import StoreUnavailable
from s3gw.content.store_url import parse_store_url
from tests.content.conformance import HERE, BlobStoreConformance, read, write
from tests.crash.storage import settle
from tests.gateways import client_of
from tests.gcs import gcs, google_credentials
from tests.servers import running_server
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


@pytest.fixture(scope="module")
def google_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with gcs(tmp_path_factory.mktemp("gcs")) as endpoint:
        yield endpoint


class TestGoogle(BlobStoreConformance):
    @pytest.fixture
    def store(self, google_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RemoteStore]:
        for name, value in google_credentials(google_endpoint).items():
            monkeypatch.setenv(name, value)
        made = RemoteStore(ObjectStore(parse_store_url(new_url("gs")), google_endpoint, 20), tmp_path)
        yield made
        made.close()

    def test_it_creates_only_what_does_not_exist(self, store: RemoteStore) -> None:
        write(store, HERE, b"x")
        assert store._creates_once is True


@pytest.mark.parametrize("kind", ["az", "gs"])
def test_a_server_has_its_chunks_in_a_store_of_others(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day of S3 over it, a restart, and the sweep of all that was deleted: nothing else knows which store it is."""
    url, endpoint = new_url(kind), request.getfixturevalue("azure_endpoint" if kind == "az" else "google_endpoint")
    credentials = AZURE_CREDENTIALS if kind == "az" else google_credentials(endpoint)
    settings = {"S3GW_BLOBS": url, "S3GW_BLOBS_ENDPOINT": endpoint, "S3GW_BUCKETS": "bucket"} | credentials
    bodies = {"small": b"s" * 100, "one": os.urandom(300_000), "many": os.urandom(20_000_000)}
    with running_server(tmp_path / "data", **settings) as server:
        s3 = client_of(server)
        for key, body in bodies.items():
            s3.put_object(Bucket="bucket", Key=key, Body=body)
        s3.put_object(Bucket="bucket", Key="gone", Body=os.urandom(500_000))
        s3.delete_object(Bucket="bucket", Key="gone")
        s3.copy_object(Bucket="bucket", Key="copy", CopySource="bucket/many")
        upload = {"Bucket": "bucket", "Key": "parts"}
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        parts = [
            {"PartNumber": n, "ETag": s3.upload_part(**upload, PartNumber=n, Body=bodies["one"] * 20)["ETag"]}
            for n in (1, 2)
        ]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    bodies |= {"copy": bodies["many"], "parts": bodies["one"] * 40}
    with running_server(tmp_path / "data", **settings) as server:
        s3 = client_of(server)
        for key, body in bodies.items():
            assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == body, key
        ranged = s3.get_object(Bucket="bucket", Key="many", Range="bytes=8388600-8388615")["Body"].read()
        assert ranged == bodies["many"][8388600:8388616]
        assert {each["Key"] for each in s3.list_objects_v2(Bucket="bucket")["Contents"]} == set(bodies)
    for name, value in credentials.items():
        monkeypatch.setenv(name, value)
    assert settle(tmp_path / "data", blobs=url, blobs_endpoint=endpoint) == []
