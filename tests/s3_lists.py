"""The five lists of the bucket in memory (s3_model.py), the plainest way: all behind the marker, cut to a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.s3_model import Answer, Version, etag_of
from tests.s3_uploads import BucketWithUploads

# (key or common prefix, what it is; None: a common prefix)
Item = tuple[str, Any]


def rolled_up(
    entries: Iterable[Item], prefix: str, delimiter: str, marker: str, *, is_start_after: bool = False
) -> list[Item]:
    """A common prefix doesn't come again behind itself, nor behind a marker inside it."""
    items: list[Item] = []
    for key, entry in entries:
        head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        common = prefix + head + found
        is_passed = common == marker if is_start_after else marker.startswith(common)
        if not key.startswith(prefix) or (found and is_passed):
            continue
        if not found:
            items.append((key, entry))
        elif not items or items[-1] != (common, None):
            items.append((common, None))
    return items


def page_of(items: list[Item], limit: int, kind: str) -> Answer:
    page = items[:limit]
    entries = [entry for _, entry in page if entry is not None]
    prefixes = [{"Prefix": name} for name, entry in page if entry is None]
    answer: Answer = {"IsTruncated": 0 < limit < len(items)}
    return answer | ({kind: entries} if entries else {}) | ({"CommonPrefixes": prefixes} if prefixes else {})


def described(key: str, version: Version) -> Answer:
    return {"Key": key, "ETag": version.etag, "Size": len(version.body), "StorageClass": "STANDARD"}


class ListedBucket(BucketWithUploads):
    def __init__(self, min_part: int) -> None:
        super().__init__(min_part)
        self._tokens: dict[str, str] = {}

    def _keys(self) -> list[str]:
        return sorted((key for key, stack in self.stacks.items() if stack), key=str.encode)

    def _current_items(self, prefix: str, delimiter: str, marker: str, is_start_after: bool = False) -> list[Item]:
        found = ((key, self.current(key)) for key in self._keys() if key.encode() > marker.encode())
        entries = [(key, described(key, version)) for key, version in found if version is not None]
        return rolled_up(entries, prefix, delimiter, marker, is_start_after=is_start_after)

    def list_objects(self, *, Prefix: str = "", Delimiter: str = "", Marker: str = "", MaxKeys: int = 1000) -> Answer:
        items = self._current_items(Prefix, Delimiter, Marker)
        answer = page_of(items, MaxKeys, "Contents") | {"Prefix": Prefix, "Marker": Marker, "MaxKeys": MaxKeys}
        if Delimiter:
            answer["Delimiter"] = Delimiter
            if answer["IsTruncated"]:
                answer["NextMarker"] = items[MaxKeys - 1][0]
        return answer

    def list_objects_v2(
        self,
        *,
        Prefix: str = "",
        Delimiter: str = "",
        StartAfter: str = "",
        ContinuationToken: str = "",
        MaxKeys: int = 1000,
    ) -> Answer:
        after = self._tokens[ContinuationToken] if ContinuationToken else StartAfter
        items = self._current_items(Prefix, Delimiter, after, is_start_after=True)
        answer = page_of(items, MaxKeys, "Contents") | {"Prefix": Prefix, "MaxKeys": MaxKeys}
        answer["KeyCount"] = min(MaxKeys, len(items))
        told = {"Delimiter": Delimiter, "StartAfter": StartAfter, "ContinuationToken": ContinuationToken}
        answer |= {name: value for name, value in told.items() if value}
        if answer["IsTruncated"]:
            token = answer["NextContinuationToken"] = self.given.pop(0)
            self._tokens[token] = items[MaxKeys - 1][0]
        return answer

    def list_object_versions(
        self,
        *,
        Prefix: str = "",
        Delimiter: str = "",
        KeyMarker: str = "",
        VersionIdMarker: str = "",
        MaxKeys: int = 1000,
    ) -> Answer:
        entries: list[Item] = []
        for key in self._keys():
            ids = [version.version_id for version in self.stacks[key]]
            first = ids.index(VersionIdMarker) + 1 if VersionIdMarker and key == KeyMarker else 0
            if key.encode() > KeyMarker.encode() or first:
                entries += [(key, version) for version in self.stacks[key][first:]]
        items = rolled_up(entries, Prefix, Delimiter, KeyMarker)
        page = items[:MaxKeys]
        answer = page_of([(key, version and True) for key, version in items], MaxKeys, "entries")
        answer.pop("entries", None)
        for key, version in page:
            if version is not None:
                place = {"Key": key, "VersionId": version.version_id, "IsLatest": version is self.stacks[key][0]}
                entry = place if version.is_marker else described(key, version) | place
                answer.setdefault("DeleteMarkers" if version.is_marker else "Versions", []).append(entry)
        answer |= {"Prefix": Prefix, "KeyMarker": KeyMarker, "VersionIdMarker": VersionIdMarker, "MaxKeys": MaxKeys}
        if Delimiter:
            answer["Delimiter"] = Delimiter
        if answer["IsTruncated"]:
            answer["NextKeyMarker"], last = page[-1]
            if last is not None:
                answer["NextVersionIdMarker"] = last.version_id
        return answer

    def list_multipart_uploads(
        self,
        *,
        Prefix: str = "",
        Delimiter: str = "",
        KeyMarker: str = "",
        UploadIdMarker: str = "",
        MaxUploads: int = 1000,
    ) -> Answer:
        entries = [
            (upload.key, {"Key": upload.key, "UploadId": upload_id, "StorageClass": "STANDARD"})
            for upload_id, upload in self.uploads.items()
        ]
        entries.sort(key=lambda entry: entry[0].encode())
        after = next((n for n, (_, entry) in enumerate(entries, 1) if entry["UploadId"] == UploadIdMarker), 0)
        entries = entries[after:] if after else [item for item in entries if item[0].encode() > KeyMarker.encode()]
        items = rolled_up(entries, Prefix, Delimiter, KeyMarker)
        answer = page_of(items, MaxUploads, "Uploads") | {"MaxUploads": MaxUploads}
        answer |= {"KeyMarker": KeyMarker, "UploadIdMarker": UploadIdMarker}
        answer |= {name: value for name, value in {"Prefix": Prefix, "Delimiter": Delimiter}.items() if value}
        answer["NextKeyMarker"], last = items[:MaxUploads][-1] if items[:MaxUploads] else ("", None)
        answer["NextUploadIdMarker"] = last["UploadId"] if last else ""
        return answer

    def list_parts(self, *, Key: str, UploadId: str, PartNumberMarker: int = 0, MaxParts: int = 1000) -> Answer:
        parts = sorted(part for part in self.upload(Key, UploadId).parts.items() if part[0] > PartNumberMarker)
        page = [{"PartNumber": number, "ETag": etag_of(body), "Size": len(body)} for number, body in parts[:MaxParts]]
        answer: Answer = {"Key": Key, "UploadId": UploadId, "StorageClass": "STANDARD", "MaxParts": MaxParts}
        answer |= {"PartNumberMarker": PartNumberMarker, "IsTruncated": len(parts) > MaxParts}
        answer["NextPartNumberMarker"] = page[-1]["PartNumber"] if page else 0
        return answer | ({"Parts": page} if page else {})
