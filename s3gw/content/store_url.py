"""The URL of a store in the network: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import NamedTuple

FOLDER = "folder"  # the data folder's own, where a store is named

_URL = re.compile(r"(s3|gs|az)://([A-Za-z0-9][A-Za-z0-9._-]*)(?:/([A-Za-z0-9._/-]*))?", re.ASCII)


class StoreUrl(NamedTuple):
    """`kind` is s3, gs or az; `bucket` is Azure's container."""

    kind: str
    bucket: str
    prefix: str


def parse_store_url(url: str) -> StoreUrl:
    """Raises ValueError."""
    found = _URL.fullmatch(url)
    folders = [] if found is None else [name for name in (found[3] or "").split("/") if name]
    if found is None or any(name in (".", "..") for name in folders):
        raise ValueError("must be s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX")
    return StoreUrl(found[1], found[2], "/".join(folders))


def check_store_url(url: str) -> str:
    """The same. Raises ValueError where it can't be used."""
    parse_store_url(url)
    if find_spec("obstore") is None:
        raise ValueError("needs the extra `remote`: pip install 's3gw[remote]'")
    return url


def is_within(place: str, other: str) -> bool:
    """Whether it is the other, or lies below it."""
    if FOLDER in (place, other):
        return place == other
    one, outer = parse_store_url(place), parse_store_url(other)
    return one[:2] == outer[:2] and f"{one.prefix}/".startswith(outer.prefix and f"{outer.prefix}/")


def check_place(place: str) -> str:
    """As `check_store_url`, and FOLDER is one too."""
    return place if place == FOLDER else check_store_url(place)
