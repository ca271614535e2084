"""`s3gw blobs move`: every byte is there afterwards, a run that broke off is taken up, and nothing bad is copied."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from s3gw.blob_move import BlobMove
from s3gw.cli import app
from s3gw.content.filesystem import FilesystemStore
from s3gw.content.remote import RemoteStore
from s3gw.content.stored_chunk import is_intact
from s3gw.metadata.blobs import Blob
from tests.crash.client import BUCKET, open_gateway
from tests.gateways import client_of
from tests.processes.test_refused_starts import serve
from tests.servers import RunningServer, running_server
from tests.stores import CREDENTIALS, Proxy, failing, new_objects, new_url

SIZES = (100, 20_000, 300_000, 9_000_000)


@pytest.fixture(scope="module")
def folder_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data = tmp_path_factory.mktemp("moved") / "data"
    with running_server(data, "--workers", "1", S3GW_BUCKETS="bucket", **CREDENTIALS) as server:
        yield server


@pytest.fixture(scope="module")
def bodies(folder_server: RunningServer) -> dict[str, bytes]:
    s3 = client_of(folder_server)
    stored = {f"key-{size}": os.urandom(size) for size in SIZES}
    for key, body in stored.items():
        s3.put_object(Bucket="bucket", Key=key, Body=body)
    return stored


def moved(server: RunningServer, proxy: Proxy, to: str, **settings: str) -> Any:
    return CliRunner().invoke(
        app,
        ["blobs", "move", "--to", to, "--data", str(server.data), "--json"],
        env=server.environment | {"S3GW_BLOBS_ENDPOINT": proxy.url} | settings,
    )


def is_all_there(s3: Any, bodies: dict[str, bytes]) -> bool:
    return all(s3.get_object(Bucket="bucket", Key=key)["Body"].read() == body for key, body in bodies.items())


@pytest.mark.soak
def test_a_server_goes_on_with_the_store_that_its_chunks_were_moved_to(
    folder_server: RunningServer, bodies: dict[str, bytes], proxy: Proxy, tmp_path: Path
) -> None:
    url = new_url()
    with failing(proxy, "throttle", "PUT"):
        assert moved(folder_server, proxy, url, S3GW_BLOBS_TIMEOUT="1").exit_code == 1
    first = moved(folder_server, proxy, url)
    assert first.exit_code == 0, first.output
    assert '"copied": 4' in first.stdout
    s3, later = client_of(folder_server), os.urandom(50_000)
    s3.put_object(Bucket="bucket", Key="later", Body=later)
    again = moved(folder_server, proxy, url)
    assert '"copied": 1' in again.stdout and '"chunks": 5' in again.stdout
    copy = tmp_path / "data"
    shutil.copytree(folder_server.data, copy, ignore=shutil.ignore_patterns("blobs", "processes", "*.lock"))
    settings = {"S3GW_BLOBS": url, "S3GW_BLOBS_ENDPOINT": proxy.url}
    with running_server(copy, "--workers", "1", **settings, **CREDENTIALS) as server:
        assert is_all_there(client_of(server), bodies | {"later": later})
    s3.delete_object(Bucket="bucket", Key="later")


@pytest.mark.soak  # two more servers
def test_a_server_that_has_both_stores_reads_and_deletes_in_both(
    folder_server: RunningServer, bodies: dict[str, bytes], proxy: Proxy, tmp_path: Path
) -> None:
    url, copy = new_url(), tmp_path / "data"
    shutil.copytree(folder_server.data, copy, ignore=shutil.ignore_patterns("processes", "*.lock"))
    settings = {"S3GW_BLOBS": url, "S3GW_BLOBS_ENDPOINT": proxy.url, "S3GW_BLOBS_OTHER": "folder"}
    new = os.urandom(40_000)
    with running_server(copy, "--workers", "1", **settings, **CREDENTIALS) as server:
        s3 = client_of(server)
        assert is_all_there(s3, bodies)
        s3.put_object(Bucket="bucket", Key="new", Body=new)
        assert is_all_there(s3, bodies | {"new": new})
        told = json.loads(moved(server, proxy, url).stdout)
        assert told["copied"] == told["chunks"] - 1 >= 4  # the new one is there
        back = moved(server, proxy, "folder")
        assert '"copied": 1' in back.stdout, back.output
    without = {name: value for name, value in settings.items() if name == "S3GW_BLOBS_ENDPOINT"}
    with running_server(copy, "--workers", "1", **without, **CREDENTIALS) as server:
        assert is_all_there(client_of(server), bodies | {"new": new})


@pytest.mark.soak
def test_a_store_that_has_only_a_part_is_not_started_with(
    folder_server: RunningServer, bodies: dict[str, bytes], proxy: Proxy, tmp_path: Path
) -> None:
    """A chunk that is damaged where it is is named, and not copied."""
    copy, url = tmp_path / "data", new_url()
    shutil.copytree(folder_server.data, copy, ignore=shutil.ignore_patterns("processes", "*.lock"))
    path = next((copy / "blobs").glob("??/*-*"))
    path.write_bytes(b"bad" + path.read_bytes()[3:])
    server = RunningServer(folder_server.process, {}, folder_server.log, copy, folder_server.environment)
    refused = moved(server, proxy, url)
    assert refused.exit_code == 1
    assert "1 chunks are damaged" in refused.stderr
    settings = {"S3GW_BLOBS": url, "S3GW_BLOBS_ENDPOINT": proxy.url}
    answer = serve(copy, **settings, **CREDENTIALS)
    assert answer.returncode == 1 and "belongs to another database" in answer.stderr


def test_what_was_deleted_since_it_was_copied_is_removed(
    folder_server: RunningServer, bodies: dict[str, bytes], proxy: Proxy, tmp_path: Path, credentials: None
) -> None:
    url = new_url()
    with closing(RemoteStore(new_objects(proxy, url), tmp_path)) as store:
        sink = store.create("long-dead-00000001")
        sink.write(0, b"nobody names it")
        sink.commit()
        told = moved(folder_server, proxy, url)
        assert '"removed": 1' in told.stdout, told.output  # and chunks of dead processes that rows name are kept
        assert "long-dead-00000001" not in store.locations()
        assert json.loads(told.stdout)["chunks"] == len(list(store.locations()))


def test_a_store_of_another_database_is_refused_and_keeps_its_chunks(
    folder_server: RunningServer, bodies: dict[str, bytes], proxy: Proxy, tmp_path: Path, credentials: None
) -> None:
    url = new_url()
    with closing(RemoteStore(new_objects(proxy, url), tmp_path)) as store:
        store.identify("of-another-database")
        store.create_whole("another-00000001", b"a chunk that has a row there")
        refused = moved(folder_server, proxy, url)
        assert refused.exit_code == 1
        assert "chunks of another database" in refused.stderr
        assert list(store.locations()) == ["another-00000001"]


@pytest.mark.anyio
async def test_a_chunk_that_another_run_has_just_copied_stays(
    few_shards: None, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removing it, to write it again, would leave none where this run is killed between, and the other has ended."""
    lied: set[str] = set()

    def is_not_there_yet(store: FilesystemStore, blob: Blob) -> bool:
        found = blob.location in lied and is_intact(store, blob)
        lied.add(blob.location)
        return found

    async with open_gateway(tmp_path / "data", sqlite_template, chunk_size=65536) as gateway:
        assert (await gateway.request("PUT", f"{BUCKET}/a", os.urandom(200_000))).is_success
        source, target = gateway.services.store, FilesystemStore(tmp_path / "other")
        assert (await BlobMove(gateway.services.database, source, target).run(lambda _: None)).copied == 4
        monkeypatch.setattr("s3gw.blob_move.is_intact", is_not_there_yet)
        files = {path: path.stat().st_ino for path in (tmp_path / "other").glob("??/*-*")}
        moved = await BlobMove(gateway.services.database, source, target).run(lambda _: None)
    assert (moved.chunks, moved.copied) == (4, 0)
    assert {path: path.stat().st_ino for path in (tmp_path / "other").glob("??/*-*")} == files


@pytest.mark.parametrize("to", ["folder", "http://bucket", "s3://"])
def test_where_they_are_already_and_what_is_no_store_is_refused(
    folder_server: RunningServer, proxy: Proxy, to: str
) -> None:
    assert moved(folder_server, proxy, to).exit_code == 1


def test_a_store_that_lies_in_the_one_that_is_served_is_refused(folder_server: RunningServer, proxy: Proxy) -> None:
    served = new_url()
    around = served.rpartition("/")[0]
    for to, told in ((f"{served}/", "is where the chunks are"), (f"{served}/deeper", "lie in"), (around, "lie in")):
        refused = moved(folder_server, proxy, to, S3GW_BLOBS=served)
        assert refused.exit_code == 1 and told in refused.stderr
    assert proxy.asked() == []
