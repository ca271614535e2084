"""Pages of 1 000 keys, written by hand: the compiled encoder's `Contents`, `Versions` and `CommonPrefixes`, many times
faster.

A handler puts ObjectRows, VersionRows or PrefixRows where a list of dicts would stand; `.dicts()` is that list, for
everybody who doesn't write XML, and a test holds both to the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from s3gw.wire.encode import Rendered
from s3gw.wire.xml import escape

_ESCAPED_IN_URL = re.compile(r"[^A-Za-z0-9_.~/-]")


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


def url_encode(text: str) -> str:
    """What encoding-type=url does to keys, prefixes, delimiters and markers: '/' stays, a space is %20."""
    return quote(text, safe="/") if _ESCAPED_IN_URL.search(text) else text


@lru_cache(maxsize=8192)
def _minute(minutes: int) -> str:
    return datetime.fromtimestamp(minutes * 60, UTC).strftime("%Y-%m-%dT%H:%M:")


_SECONDS = tuple(f"{second:02}.000Z" for second in range(60))


def iso_from_microseconds(moment: int) -> str:
    """`2006-02-03T16:45:09.000Z`; fractions are cut as in Last-Modified."""
    minutes, rest = divmod(moment, 60_000_000)
    return _minute(minutes) + _SECONDS[rest // 1_000_000]


def escape_etag(etag: str) -> str:
    """Ours are hexadecimal digits, a dash and quotes."""
    return etag.replace('"', "&quot;")


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC)


def _owner(owner_id: str | None, name: str | None) -> str:
    if owner_id is None:
        return ""
    display = "" if name is None else f"<DisplayName>{escape(name)}</DisplayName>"
    return f"<Owner><ID>{escape(owner_id)}</ID>{display}</Owner>"


def _checksum(algorithm: str | None, kind: str | None) -> str:
    text = "" if algorithm is None else f"<ChecksumAlgorithm>{escape(algorithm)}</ChecksumAlgorithm>"
    return text if kind is None else f"{text}<ChecksumType>{escape(kind)}</ChecksumType>"


def _common(dictionary: dict[str, Any], row: ObjectRow | VersionRow, etag: str | None) -> dict[str, Any]:
    dictionary |= {"ETag": etag, "Size": row.size, "StorageClass": row.storage_class}
    if row.checksum_algorithm is not None:
        dictionary["ChecksumAlgorithm"] = [row.checksum_algorithm]
    dictionary["ChecksumType"] = row.checksum_type
    return {name: value for name, value in dictionary.items() if value is not None}


def _owner_dict(owner_id: str | None, name: str | None) -> dict[str, str] | None:
    if owner_id is None:
        return None
    return {"ID": owner_id} if name is None else {"ID": owner_id, "DisplayName": name}


@dataclass(frozen=True, slots=True)
class ObjectRows(Rendered):
    """`Contents` of ListObjects and ListObjectsV2. With `url`, keys are encoded.

    `owners`: (ID, DisplayName) by the rows' `owner`; without an entry there a row has no Owner.
    """

    rows: Sequence[Sequence[Any]]  # ObjectRow, or what has its fields
    owners: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    url: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def render(self) -> str:
        encode_key = url_encode if self.url else escape
        # One look at all keys of the page saves a look at each, and a page has few owners, algorithms and seconds.
        are_plain = _ESCAPED_IN_URL.search("".join([row[0] for row in self.rows])) is None
        moments: dict[int, str] = {}
        around_sizes: dict[tuple[str | None, ...], tuple[str, str]] = {}
        pieces = []
        for key, modified, etag, size, storage_class, algorithm, kind, owner in self.rows:
            shared = (storage_class, algorithm, kind, owner)
            around_size = around_sizes.get(shared)
            if around_size is None:
                around_size = around_sizes[shared] = self._around_size(storage_class, algorithm, kind, owner)
            second = modified // 1_000_000
            moment = moments.get(second)
            if moment is None:
                moment = moments[second] = iso_from_microseconds(modified)
            pieces.append(
                f"<Contents><Key>{key if are_plain else encode_key(key)}</Key><LastModified>{moment}</LastModified>"
                f"<ETag>&quot;{etag}&quot;</ETag>{around_size[0]}{size}{around_size[1]}"
            )
        return "".join(pieces)

    def _around_size(
        self, storage_class: str, algorithm: str | None, kind: str | None, owner: str | None
    ) -> tuple[str, str]:
        """What stands before and behind the size of an object: the same for most of a page."""
        return (
            f"{_checksum(algorithm, kind)}<Size>",
            f"</Size>{_owner(*self._owner_of(owner))}<StorageClass>{storage_class}</StorageClass></Contents>",
        )

    def _owner_of(self, owner: str | None) -> tuple[str | None, str | None]:
        return (None, None) if owner is None else self.owners.get(owner, (None, None))

    def dicts(self) -> list[dict[str, Any]]:
        return [self._dict(ObjectRow(*row)) for row in self.rows]

    def _dict(self, row: ObjectRow) -> dict[str, Any]:
        return _common(
            {
                "Key": url_encode(row.key) if self.url else row.key,
                "LastModified": _moment(row.last_modified),
                "Owner": _owner_dict(*self._owner_of(row.owner)),
            },
            row,
            f'"{row.etag}"',
        )


@dataclass(frozen=True, slots=True)
class PrefixRows(Rendered):
    """`CommonPrefixes` of every list. With `url` they are encoded."""

    prefixes: Sequence[str]
    url: bool = False

    def __len__(self) -> int:
        return len(self.prefixes)

    def render(self) -> str:
        if not self.prefixes:
            return ""
        shown = self.prefixes
        if _ESCAPED_IN_URL.search("".join(shown)):
            shown = [(url_encode if self.url else escape)(prefix) for prefix in shown]
        between = "</Prefix></CommonPrefixes><CommonPrefixes><Prefix>"
        return f"<CommonPrefixes><Prefix>{between.join(shown)}</Prefix></CommonPrefixes>"

    def dicts(self) -> list[dict[str, Any]]:
        return [{"Prefix": url_encode(prefix) if self.url else prefix} for prefix in self.prefixes]


@dataclass(frozen=True, slots=True)
class VersionRows(Rendered):
    """`Versions` of ListObjectVersions, delete markers among them.

    They are one sequence in key order on AWS, and clients that page by the last element (minio-go) rely on it, so a
    handler leaves `DeleteMarkers` out; boto3 finds both.
    """

    rows: Sequence[VersionRow]
    url: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def render(self) -> str:
        encode_key = url_encode if self.url else escape
        owners: dict[tuple[str | None, str | None], str] = {}
        pieces = []
        for (
            key,
            version_id,
            latest,
            marker,
            modified,
            etag,
            size,
            storage_class,
            owner_id,
            name,
            algorithm,
            kind,
        ) in self.rows:
            owner = owners.get((owner_id, name))
            if owner is None:
                owner = owners[owner_id, name] = _owner(owner_id, name)
            place = (
                f"<Key>{encode_key(key)}</Key><VersionId>{version_id}</VersionId>"
                f"<IsLatest>{'true' if latest else 'false'}</IsLatest>"
                f"<LastModified>{iso_from_microseconds(modified)}</LastModified>"
            )
            if marker:
                pieces.append(f"<DeleteMarker>{place}{owner}</DeleteMarker>")
                continue
            pieces.append(
                f"<Version>{place}<ETag>{escape_etag(etag or '')}</ETag>{_checksum(algorithm, kind)}"
                f"<Size>{size}</Size>{owner}<StorageClass>{storage_class}</StorageClass></Version>"
            )
        return "".join(pieces)

    def dicts(self) -> list[dict[str, Any]]:
        """Versions only."""
        return [_common(self._dict(row), row, row.etag) for row in self.rows if not row.is_delete_marker]

    def delete_markers(self) -> list[dict[str, Any]]:
        return [self._dict(row) for row in self.rows if row.is_delete_marker]

    def _dict(self, row: VersionRow) -> dict[str, Any]:
        place: dict[str, Any] = {
            "Key": url_encode(row.key) if self.url else row.key,
            "VersionId": row.version_id,
            "IsLatest": row.is_latest,
            "LastModified": _moment(row.last_modified),
        }
        owner = _owner_dict(row.owner_id, row.owner_name)
        return place if owner is None else {**place, "Owner": owner}
