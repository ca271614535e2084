"""One bucket of S3 as AWS documents it, in memory: versions, conditions, copies. Then s3_uploads.py and s3_lists.py.

Operations have boto3's names, arguments and answers, but for what only a server can know (times, owners, checksums).
Ids that a server makes up are handed in (`given`), in the order in which the operation needs them. What AWS leaves
open, such as which of two errors comes first, is as it is here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

Answer = dict[str, Any]


class Refused(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Version:
    """`parts` are the sizes of an object that was uploaded in parts, `turn` counts what was put into the bucket."""

    body: bytes = b""
    etag: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[int, int] = field(default_factory=dict)
    upload_id: str | None = None
    version_id: str = "null"
    is_marker: bool = False
    turn: int = 0


def etag_of(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def span_of(header: str, size: int) -> tuple[int, int] | None:
    """(first, end) of `bytes=1-2`, `bytes=1-` or `bytes=-2`; None for the last bytes of nothing."""
    first, _, last = header.removeprefix("bytes=").partition("-")
    if not first and not size:
        return None
    start = int(first) if first else max(0, size - int(last))
    if start >= size:
        raise Refused(416, "InvalidRange")
    return start, min(size, int(last) + 1) if first and last else size


def _without(prefix: str, arguments: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in arguments.items() if name.startswith(prefix)}


class Bucket:
    def __init__(self) -> None:
        self.status = ""
        self.stacks: dict[str, list[Version]] = {}  # newest first
        self.given: list[str] = []
        self.turns = 0

    def current(self, key: str) -> Version | None:
        top = next(iter(self.stacks.get(key, [])), None)
        return None if top is None or top.is_marker else top

    def find(self, key: str, version_id: str | None) -> Version:
        if version_id is None:
            if (current := self.current(key)) is None:
                raise Refused(404, "NoSuchKey")
            return current
        for version in self.stacks.get(key, []):
            if version.version_id == version_id:
                if version.is_marker:
                    raise Refused(405, "MethodNotAllowed")
                return version
        raise Refused(404, "NoSuchVersion")

    def put_bucket_versioning(self, *, VersioningConfiguration: Mapping[str, str]) -> Answer:
        self.status = VersioningConfiguration["Status"]
        return {}

    def put_object(
        self, *, Key: str, Body: bytes, Metadata: Mapping[str, str] = {}, Tagging: str = "", **conditions: str
    ) -> Answer:
        self.check_write(Key, **conditions)
        version = self.push(Key, Version(Body, etag_of(Body), Metadata, dict(parse_qsl(Tagging))))
        return {"ETag": version.etag} | self.new_id(version)

    def copy_object(
        self,
        *,
        Key: str,
        CopySource: Mapping[str, str],
        MetadataDirective: str = "COPY",
        Metadata: Mapping[str, str] = {},
        TaggingDirective: str = "COPY",
        Tagging: str = "",
        **conditions: str,
    ) -> Answer:
        source = self.source(CopySource, **_without("CopySource", conditions))
        self.check_write(Key, **{name: value for name, value in conditions.items() if name.startswith("If")})
        if source is self.current(Key) and MetadataDirective == "COPY":
            raise Refused(400, "InvalidRequest")
        metadata = source.metadata if MetadataDirective == "COPY" else Metadata
        tags = source.tags if TaggingDirective == "COPY" else dict(parse_qsl(Tagging))
        copy = self.push(Key, Version(source.body, etag_of(source.body), metadata, tags))
        return {"CopyObjectResult": {"ETag": copy.etag}} | self._id(copy) | self.source_id(source, CopySource)

    def rename_object(self, *, Key: str, RenameSource: str, **conditions: str) -> Answer:
        source_key = unquote(RenameSource).removeprefix("/").partition("/")[2]
        source = self.find(source_key, None)
        if source_key != Key:
            self.check_write(Key, **_without("Destination", conditions))
            self.push(Key, source)
            self.delete_object(Key=source_key)
        return {}

    def head_object(self, *, Key: str, VersionId: str | None = None, **arguments: Any) -> Answer:
        answer = self.get_object(Key=Key, VersionId=VersionId, **arguments)
        del answer["Body"]
        return answer

    def get_object(
        self,
        *,
        Key: str,
        VersionId: str | None = None,
        Range: str | None = None,
        PartNumber: int | None = None,
        IfMatch: str | None = None,
        IfNoneMatch: str | None = None,
    ) -> Answer:
        version = self.find(Key, VersionId)
        if IfMatch not in (None, "*", version.etag):
            raise Refused(412, "PreconditionFailed")
        if IfNoneMatch in ("*", version.etag):
            raise Refused(304, "304")
        answer: Answer = {"ETag": version.etag, "Metadata": version.metadata} | self._id(version)
        if version.tags:
            answer["TagCount"] = len(version.tags)
        size, span = len(version.body), None
        if Range is not None:
            span = span_of(Range, size)
        elif PartNumber is not None:
            span = self._part_span(version, PartNumber)
            if version.parts:
                answer["PartsCount"] = len(version.parts)
        first, end = span or (0, size)
        if span is not None and end > first:
            answer["ContentRange"] = f"bytes {first}-{end - 1}/{size}"
        return answer | {"Body": version.body[first:end], "ContentLength": end - first}

    def _tagged(self, key: str, version_id: str | None) -> Version:
        if version_id is None and self.stacks.get(key) and self.current(key) is None:
            raise Refused(405, "MethodNotAllowed")
        return self.find(key, version_id)

    def get_object_tagging(self, *, Key: str, VersionId: str | None = None) -> Answer:
        version = self._tagged(Key, VersionId)
        return {"TagSet": [{"Key": name, "Value": value} for name, value in version.tags.items()]} | self._id(version)

    def put_object_tagging(
        self, *, Key: str, Tagging: Mapping[str, list[Mapping[str, str]]], VersionId: str | None = None
    ) -> Answer:
        version = self._tagged(Key, VersionId)
        stack = self.stacks[Key]
        tags = {tag["Key"]: tag["Value"] for tag in Tagging["TagSet"]}
        stack[stack.index(version)] = replace(version, tags=tags)
        return self._id(version)

    def delete_object(self, *, Key: str, VersionId: str | None = None, IfMatch: str | None = None) -> Answer:
        if VersionId is not None:
            gone = self._drop(Key, VersionId)
            self.removed(Key, gone)
            return {"VersionId": VersionId} | ({"DeleteMarker": True} if gone is not None and gone.is_marker else {})
        self.check_write(Key, IfMatch)
        if not self.status:
            self.removed(Key, self._drop(Key, "null"))
            return {}
        marker = self.push(Key, Version(is_marker=True))
        return {"VersionId": marker.version_id, "DeleteMarker": True}

    def delete_objects(self, *, Delete: Mapping[str, Any]) -> Answer:
        answer: Answer = {}
        for entry in Delete["Objects"]:
            named = {name: entry[name] for name in ("Key", "VersionId") if name in entry}
            try:
                gone = self.delete_object(**named, IfMatch=entry.get("ETag"))
            except Refused as refused:
                answer.setdefault("Errors", []).append(named | {"Code": refused.code})
                continue
            if gone.pop("DeleteMarker", False):
                named |= {"DeleteMarker": True, "DeleteMarkerVersionId": gone["VersionId"]}
            answer.setdefault("Deleted", []).append(named)
        return answer

    def push(self, key: str, version: Version) -> Version:
        stack = self.stacks.setdefault(key, [])
        if self.status == "Enabled":
            version_id = self.given.pop(0)
            assert version_id not in [*(old.version_id for old in stack), "null"]
        else:
            version_id = "null"
            self._drop(key, "null")
        self.turns += 1
        stack.insert(0, replace(version, version_id=version_id, turn=self.turns))
        return stack[0]

    def _drop(self, key: str, version_id: str) -> Version | None:
        stack = self.stacks.get(key, [])
        gone = next((version for version in stack if version.version_id == version_id), None)
        if gone is not None:
            stack.remove(gone)
        return gone

    def removed(self, key: str, gone: Version | None) -> None:
        """For uploads (s3_uploads.py)."""

    def check_write(self, key: str, IfMatch: str | None = None, IfNoneMatch: str | None = None) -> None:
        current = self.current(key)
        if IfMatch is not None and current is None:
            raise Refused(404, "NoSuchKey")
        if current is not None and (IfMatch not in (None, "*", current.etag) or IfNoneMatch == "*"):
            raise Refused(412, "PreconditionFailed")

    def source(self, source: Mapping[str, str], IfMatch: str | None = None, IfNoneMatch: str | None = None) -> Version:
        try:
            version = self.find(source["Key"], source.get("VersionId"))
        except Refused as refused:
            raise Refused(400, "InvalidRequest") if refused.status == 405 else refused from None
        if IfMatch not in (None, version.etag) or IfNoneMatch == version.etag:
            raise Refused(412, "PreconditionFailed")
        return version

    def _part_span(self, version: Version, number: int) -> tuple[int, int]:
        sizes = list(version.parts.values()) or [len(version.body)]
        if number > len(sizes):
            raise Refused(416, "InvalidPartNumber")
        return sum(sizes[: number - 1]), sum(sizes[:number])

    def new_id(self, version: Version) -> Answer:
        return {"VersionId": version.version_id} if version.version_id != "null" else {}

    def _id(self, version: Version) -> Answer:
        return {"VersionId": version.version_id} if self.status else {}

    def source_id(self, version: Version, source: Mapping[str, str]) -> Answer:
        is_named = version.version_id != "null" or "VersionId" in source
        return {"CopySourceVersionId": version.version_id} if self.status and is_named else {}
