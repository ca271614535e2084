"""Multipart uploads of the bucket in memory (s3_model.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.s3_model import Answer, Bucket, Refused, Version, etag_of


@dataclass
class Upload:
    key: str
    metadata: Mapping[str, str]
    tags: Mapping[str, str]
    top: int  # the turn of the key's latest version when it began; -1 when that or a later one was removed
    parts: dict[int, bytes] = field(default_factory=dict)


def etag_of_parts(bodies: list[bytes]) -> str:
    digests = b"".join(hashlib.md5(body).digest() for body in bodies)
    return f'"{hashlib.md5(digests).hexdigest()}-{len(bodies)}"'


class BucketWithUploads(Bucket):
    def __init__(self, min_part: int) -> None:
        super().__init__()
        self.min_part = min_part
        self.uploads: dict[str, Upload] = {}  # oldest first

    def create_multipart_upload(self, *, Key: str, Metadata: Mapping[str, str] = {}, Tagging: str = "") -> Answer:
        upload_id = self.given.pop(0)
        self.uploads[upload_id] = Upload(Key, Metadata, dict(parse_qsl(Tagging)), self._top(Key))
        return {"Key": Key, "UploadId": upload_id}

    def upload_part(self, *, Key: str, UploadId: str, PartNumber: int, Body: bytes) -> Answer:
        self.upload(Key, UploadId).parts[PartNumber] = Body
        return {"ETag": etag_of(Body)}

    def upload_part_copy(
        self, *, CopySource: Mapping[str, str], CopySourceRange: str | None = None, **part: Any
    ) -> Answer:
        self.upload(part["Key"], part["UploadId"])
        source = self.source(CopySource)
        first, last = 0, len(source.body) - 1
        if CopySourceRange is not None:
            first, last = map(int, CopySourceRange.removeprefix("bytes=").split("-"))
            if last >= len(source.body):
                raise Refused(400, "InvalidRequest" if first >= len(source.body) else "InvalidArgument")
        copied = self.upload_part(**part, Body=source.body[first : last + 1])
        return {"CopyPartResult": copied} | self.source_id(source, CopySource)

    def complete_multipart_upload(
        self, *, Key: str, UploadId: str, MultipartUpload: Mapping[str, list[Mapping[str, Any]]], **conditions: str
    ) -> Answer:
        listed = {part["PartNumber"]: part["ETag"] for part in MultipartUpload["Parts"]}
        if list(listed) != sorted(listed):
            raise Refused(400, "InvalidPartOrder")
        top = self.current(Key)
        if UploadId not in self.uploads and top is not None and top.upload_id == UploadId:
            return {"Key": Key, "ETag": top.etag} | self.new_id(top)  # asked again
        upload = self.upload(Key, UploadId)
        for number, etag in listed.items():
            if number not in upload.parts or etag != etag_of(upload.parts[number]):
                raise Refused(400, "InvalidPart")
        bodies = [upload.parts[number] for number in listed]
        if any(len(body) < self.min_part for body in bodies[:-1]):
            raise Refused(400, "EntityTooSmall")
        self.check_write(Key, **conditions)
        if conditions and upload.top != self._top(Key):
            raise Refused(409, "ConditionalRequestConflict")
        sizes = {number: len(upload.parts[number]) for number in listed}
        whole = Version(b"".join(bodies), etag_of_parts(bodies), upload.metadata, upload.tags, sizes, UploadId)
        version = self.push(Key, whole)
        del self.uploads[UploadId]
        return {"Key": Key, "ETag": version.etag} | self.new_id(version)

    def abort_multipart_upload(self, *, Key: str, UploadId: str) -> Answer:
        self.upload(Key, UploadId)
        del self.uploads[UploadId]
        return {}

    def removed(self, key: str, gone: Version | None) -> None:
        for upload in self.uploads.values():
            if gone is not None and upload.key == key and gone.turn >= upload.top:
                upload.top = -1

    def _top(self, key: str) -> int:
        stack = self.stacks.get(key)
        return stack[0].turn if stack else 0

    def upload(self, key: str, upload_id: str) -> Upload:
        upload = self.uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise Refused(404, "NoSuchUpload")
        return upload
