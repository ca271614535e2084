"""Addresses of the pages of a bucket, its folders and its files."""

from __future__ import annotations

from urllib.parse import urlencode

from s3gw.console.api_call import path_of


def _below(base: str, given: dict[str, str]) -> str:
    query = {name: value for name, value in given.items() if value}
    return f"{base}?{urlencode(query)}" if query else base


def path_of_bucket(bucket_id: str, *more: str) -> str:
    return path_of("buckets", bucket_id, *more).replace("/api/v1", "/console", 1)


def place_of(bucket_id: str, **query: str) -> str:
    """The address of a folder's page, by its `prefix`."""
    return _below(path_of_bucket(bucket_id), query)


def page_of_bucket(bucket_id: str, name: str, **query: str) -> str:
    """Of another page of the bucket's: trash, links."""
    return _below(path_of_bucket(bucket_id, name), query)


def page_of_file(bucket_id: str, file_id: str, **query: str) -> str:
    return _below(path_of_bucket(bucket_id, "files", file_id, "about"), query)


def folder_of(path: str) -> str:
    """What is before the last name of a path: of a file's, or of a folder's, which ends with a slash."""
    return path[: path.rstrip("/").rfind("/") + 1]


def crumbs(bucket_id: str, prefix: str) -> list[tuple[str, str]]:
    """Name and address of each folder on the way."""
    parts = prefix.split("/")[:-1]
    return [
        (part, place_of(bucket_id, prefix="/".join(parts[: number + 1]) + "/")) for number, part in enumerate(parts)
    ]
