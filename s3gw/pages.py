"""What a page of a list holds: its rows as the database gives them, where a list of dicts would stand in an output.

A page has up to 1 000 rows, so no dict is made of each unless somebody asks for it by `dicts()`: the XML of S3 is
written straight from the rows (wire/list_encoder.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple


class ObjectRow(NamedTuple):
    """A row as the database gives it: `last_modified` in microseconds since the epoch, `etag` without quotes."""

    key: str
    last_modified: int
    etag: str
    size: int
    storage_class: str
    checksum_algorithm: str | None = None
    checksum_type: str | None = None
    owner: str | None = None  # a key of the page's `owners`


class VersionRow(NamedTuple):
    """A delete marker has no etag, size, storage class or checksum."""

    key: str
    version_id: str
    is_latest: bool
    is_delete_marker: bool
    last_modified: int
    etag: str | None = None
    size: int | None = None
    storage_class: str | None = None
    owner_id: str | None = None
    owner_name: str | None = None
    checksum_algorithm: str | None = None
    checksum_type: str | None = None


class Rows:
    """One of the three below."""


@dataclass(frozen=True, slots=True)
class ObjectRows(Rows):
    """`Contents` of ListObjects and ListObjectsV2.

    `owners`: (ID, DisplayName) by the rows' `owner`; without an entry there a row has no Owner.
    """

    rows: Sequence[Sequence[Any]]  # ObjectRow, or what has its fields
    owners: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def owner_of(self, owner: str | None) -> tuple[str | None, str | None]:
        return (None, None) if owner is None else self.owners.get(owner, (None, None))

    def dicts(self) -> list[dict[str, Any]]:
        return [self._dict(ObjectRow(*row)) for row in self.rows]

    def _dict(self, row: ObjectRow) -> dict[str, Any]:
        owner = _owner_dict(*self.owner_of(row.owner))
        place = {"Key": row.key, "LastModified": _moment(row.last_modified), "Owner": owner}
        return _with_fields(place, row, f'"{row.etag}"')


@dataclass(frozen=True, slots=True)
class PrefixRows(Rows):
    """`CommonPrefixes` of every list."""

    prefixes: Sequence[str]

    def __len__(self) -> int:
        return len(self.prefixes)

    def dicts(self) -> list[dict[str, Any]]:
        return [{"Prefix": prefix} for prefix in self.prefixes]


@dataclass(frozen=True, slots=True)
class VersionRows(Rows):
    """`Versions` of ListObjectVersions, delete markers among them.

    They are one sequence in key order on AWS, and clients that page by the last element (minio-go) rely on it, so a
    handler leaves `DeleteMarkers` out; boto3 finds both.
    """

    rows: Sequence[VersionRow]

    def __len__(self) -> int:
        return len(self.rows)

    def dicts(self) -> list[dict[str, Any]]:
        """Versions only."""
        return [_with_fields(_place(row), row, row.etag) for row in self.rows if not row.is_delete_marker]

    def delete_markers(self) -> list[dict[str, Any]]:
        return [_place(row) for row in self.rows if row.is_delete_marker]


def _place(row: VersionRow) -> dict[str, Any]:
    place: dict[str, Any] = {
        "Key": row.key,
        "VersionId": row.version_id,
        "IsLatest": row.is_latest,
        "LastModified": _moment(row.last_modified),
    }
    owner = _owner_dict(row.owner_id, row.owner_name)
    return place if owner is None else {**place, "Owner": owner}


def _with_fields(dictionary: dict[str, Any], row: ObjectRow | VersionRow, etag: str | None) -> dict[str, Any]:
    dictionary |= {"ETag": etag, "Size": row.size, "StorageClass": row.storage_class}
    if row.checksum_algorithm is not None:
        dictionary["ChecksumAlgorithm"] = [row.checksum_algorithm]
    dictionary["ChecksumType"] = row.checksum_type
    return {name: value for name, value in dictionary.items() if value is not None}


def _owner_dict(owner_id: str | None, name: str | None) -> dict[str, str] | None:
    if owner_id is None:
        return None
    return {"ID": owner_id} if name is None else {"ID": owner_id, "DisplayName": name}


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC)
