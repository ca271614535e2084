"""obstore (Rust's object_store): put, multipart, ranges, listings, conditional puts, copies, signed URLs."""

from __future__ import annotations

import urllib.request
from datetime import timedelta
from importlib.metadata import version as installed

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store
from session import (
    ACCESS_KEY,
    BUCKET,
    ENDPOINT,
    MIB,
    REGION,
    SAMPLE_NAMES,
    SECRET_KEY,
    make_bucket,
    refused,
    same,
    sample,
    version,
)


def main() -> None:
    version(installed("obstore"))
    make_bucket()
    store = S3Store(
        BUCKET, endpoint=ENDPOINT, access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY, region=REGION,
        client_options={"allow_http": True},
    )  # fmt: skip
    files = {name: sample(size, seed) for seed, (name, size) in enumerate(SAMPLE_NAMES.items())}
    for name, content in files.items():
        store.put(name, content, attributes={"Content-Type": "x/y", "origin": "here"})
        same(bytes(store.get(name).bytes()), content, name)
    same(store.get("readme.txt").attributes["origin"], "here", "metadata")
    same({row["path"] for page in store.list() for row in page}, set(files), "list")
    same(store.list_with_delimiter()["common_prefixes"], ["deep", "with space", "ümlaut"], "prefixes")
    large = files["large.bin"]
    same(bytes(store.get_range("large.bin", start=MIB, length=999)), large[MIB : MIB + 999], "range")
    ranges = store.get_ranges("large.bin", starts=[0, 9 * MIB], ends=[10, 9 * MIB + 10])
    same([bytes(piece) for piece in ranges], [large[:10], large[9 * MIB : 9 * MIB + 10]], "ranges")
    store.put("parts", large + large, use_multipart=True, chunk_size=5 * MIB)
    same(bytes(store.get("parts").bytes()), large + large, "multipart")

    etag = store.put("once", b"1", mode="create")["e_tag"]
    refused(AlreadyExistsError, lambda: store.put("once", b"2", mode="create"))
    store.put("once", b"3", mode={"e_tag": etag})
    refused(PreconditionError, lambda: store.put("once", b"4", mode={"e_tag": etag}))
    store.copy("once", "twice")
    store.rename("twice", "moved")
    same(bytes(store.get("moved").bytes()), b"3", "moved")
    refused(FileNotFoundError, lambda: store.head("twice"))
    with urllib.request.urlopen(obstore.sign(store, "GET", "moved", timedelta(minutes=1))) as answer:
        same(answer.read(), b"3", "signed URL")
    store.delete([row["path"] for page in store.list() for row in page])
    same([row for page in store.list() for row in page], [], "deleted")


main()
