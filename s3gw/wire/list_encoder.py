"""Pages of 1 000 keys, written by hand: the compiled encoder's `Contents`, `Versions` and `CommonPrefixes`, many times
faster. A test holds both to the same bytes.

And encoding-type=url, which is a matter of XML alone: keys may hold characters that XML 1.0 can't carry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from s3gw.pages import ObjectRows, PrefixRows, Rows, VersionRows
from s3gw.wire.xml import can_carry, escape

_ESCAPED_IN_URL = re.compile(r"[^A-Za-z0-9_.~/-]")
_ENCODED = ("Delimiter", "Prefix", "Marker", "NextMarker", "KeyMarker", "NextKeyMarker", "StartAfter")


class UrlEncoded(NamedTuple):
    """Rows whose keys or prefixes are to be encoded."""

    rows: Rows


def url_encode(text: str) -> str:
    """What encoding-type=url does to keys, prefixes, delimiters and markers: '/' stays, a space is %20."""
    return quote(text, safe="/") if _ESCAPED_IN_URL.search(text) else text


def url_encoded(operation: str, output: Mapping[str, Any]) -> Mapping[str, Any]:
    """A list's output as it is written, with its keys encoded if its EncodingType says so."""
    if output.get("EncodingType") != "url":
        return output
    encoded = {name: UrlEncoded(value) if isinstance(value, Rows) else value for name, value in output.items()}
    for name in _ENCODED:
        if output.get(name) and (name != "Prefix" or operation != "ListObjects" or _is_encoded_in_v1(output[name])):
            encoded[name] = url_encode(output[name])
    if "Uploads" in output:
        encoded["Uploads"] = [upload | {"Key": url_encode(upload["Key"])} for upload in output["Uploads"]]
    return encoded


def _is_encoded_in_v1(prefix: str) -> bool:
    """AWS encodes the Prefix of V1 too, and the Java SDK decodes it. botocore asks for the encoding and doesn't decode
    this one member. So it is left as it is where decoding wouldn't change it: both read it right then.
    """
    return "%" in prefix or "+" in prefix or not can_carry(prefix)


def render(rows: Rows | UrlEncoded) -> str:
    """The elements that stand for the list."""
    if isinstance(rows, UrlEncoded):
        return _RENDERERS[type(rows.rows)](rows.rows, url_encode)
    return _RENDERERS[type(rows)](rows, escape)


@lru_cache(maxsize=8192)
def _minute(minutes: int) -> str:
    return datetime.fromtimestamp(minutes * 60, UTC).strftime("%Y-%m-%dT%H:%M:")


_SECONDS = tuple(f"{second:02}.000Z" for second in range(60))


def iso_from_microseconds(moment: int) -> str:
    """`2006-02-03T16:45:09.000Z`; fractions are cut as in Last-Modified."""
    minutes, rest = divmod(moment, 60_000_000)
    return _minute(minutes) + _SECONDS[rest // 1_000_000]


def escape_etag(etag: str) -> str:
    """Only its quotes need it: the rest is hexadecimal digits and a dash."""
    return etag.replace('"', "&quot;")


def _owner(owner_id: str | None, name: str | None) -> str:
    if owner_id is None:
        return ""
    display = "" if name is None else f"<DisplayName>{escape(name)}</DisplayName>"
    return f"<Owner><ID>{escape(owner_id)}</ID>{display}</Owner>"


def _checksum(algorithm: str | None, kind: str | None) -> str:
    text = "" if algorithm is None else f"<ChecksumAlgorithm>{escape(algorithm)}</ChecksumAlgorithm>"
    return text if kind is None else f"{text}<ChecksumType>{escape(kind)}</ChecksumType>"


def _objects(page: ObjectRows, encode_key: Callable[[str], str]) -> str:
    # The keys are searched all at once, and what repeats on a page (owners, algorithms, seconds) is rendered once.
    are_plain = _ESCAPED_IN_URL.search("".join([row[0] for row in page.rows])) is None
    moments: dict[int, str] = {}
    around_sizes: dict[tuple[str | None, ...], tuple[str, str]] = {}
    pieces = []
    for key, modified, etag, size, storage_class, algorithm, kind, owner in page.rows:
        shared = (storage_class, algorithm, kind, owner)
        around_size = around_sizes.get(shared)
        if around_size is None:
            around_size = around_sizes[shared] = (
                f"{_checksum(algorithm, kind)}<Size>",
                f"</Size>{_owner(*page.owner_of(owner))}<StorageClass>{storage_class}</StorageClass></Contents>",
            )
        second = modified // 1_000_000
        moment = moments.get(second)
        if moment is None:
            moment = moments[second] = iso_from_microseconds(modified)
        pieces.append(
            f"<Contents><Key>{key if are_plain else encode_key(key)}</Key><LastModified>{moment}</LastModified>"
            f"<ETag>&quot;{etag}&quot;</ETag>{around_size[0]}{size}{around_size[1]}"
        )
    return "".join(pieces)


def _prefixes(page: PrefixRows, encode: Callable[[str], str]) -> str:
    if not page.prefixes:
        return ""
    shown = page.prefixes
    if _ESCAPED_IN_URL.search("".join(shown)):
        shown = [encode(prefix) for prefix in shown]
    between = "</Prefix></CommonPrefixes><CommonPrefixes><Prefix>"
    return f"<CommonPrefixes><Prefix>{between.join(shown)}</Prefix></CommonPrefixes>"


def _versions(page: VersionRows, encode_key: Callable[[str], str]) -> str:
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
    ) in page.rows:
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


_RENDERERS: dict[type[Rows], Callable[[Any, Callable[[str], str]], str]] = {
    ObjectRows: _objects,
    PrefixRows: _prefixes,
    VersionRows: _versions,
}
