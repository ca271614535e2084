"""A bucket of a running gateway and its model: each request goes to both, and the answers must be the same."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.s3_lists import ListedBucket
from tests.s3_model import Answer, Refused, etag_of

LISTS = ["list_objects", "list_objects_v2", "list_object_versions", "list_multipart_uploads"]
_numbers = itertools.count()

# What only a server can know, and what it or boto3 adds to any answer.
_UNTOLD = {
    *("ResponseMetadata", "Bucket", "Name", "Location", "Message", "EncodingType", "AcceptRanges", "ContentType"),
    *("LastModified", "Initiated", "Initiator", "Owner"),
}


def told(answer: Any) -> Any:
    """The members of an answer that the model knows."""
    if isinstance(answer, dict):
        known = {name for name in answer if name not in _UNTOLD and not name.startswith("Checksum")}
        return {name: told(value) for name, value in answer.items() if name in known}
    if isinstance(answer, list):
        return [told(value) for value in answer]
    return answer.read() if hasattr(answer, "read") else answer


def given_ids(answer: Mapping[str, Any]) -> list[str]:
    made = [entry for entry in answer.get("Deleted", []) if "DeleteMarker" in entry and "VersionId" not in entry]
    names = ("VersionId", "UploadId", "NextContinuationToken")
    return [entry["DeleteMarkerVersionId"] for entry in made] + [answer[name] for name in names if name in answer]


class ComparedBucket:
    def __init__(self, s3: Any, min_part: int) -> None:
        self._s3 = s3
        self.name = f"compared-{next(_numbers)}"
        self.model = ListedBucket(min_part)
        self.agrees = True
        s3.create_bucket(Bucket=self.name)

    def same(self, operation: str, **arguments: Any) -> Answer:
        """What both answer; nothing if both refuse."""
        theirs, ours = self._theirs(operation, arguments), self._ours(operation, arguments)
        self.agrees = self.agrees and theirs == ours
        assert theirs == ours, (operation, arguments)
        return ours if isinstance(ours, dict) else {}

    def _theirs(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        try:
            answer = getattr(self._s3, operation)(Bucket=self.name, **arguments)
        except ClientError as error:
            code = None if operation == "head_object" else error.response["Error"]["Code"]
            return error.response["ResponseMetadata"]["HTTPStatusCode"], code
        self.model.given = self._new_versions() if operation == "rename_object" else given_ids(answer)
        return told(answer)

    def _new_versions(self) -> list[str]:
        """Of a rename, whose answer doesn't tell them: the object's, then the marker's."""
        page = self._s3.list_object_versions(Bucket=self.name)
        known = {version.version_id for stack in self.model.stacks.values() for version in stack}
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        return [entry["VersionId"] for entry in found if entry["VersionId"] not in known]

    def _ours(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        try:
            return getattr(self.model, operation)(**arguments)
        except Refused as refused:
            return refused.status, None if operation == "head_object" else refused.code

    def list_in_pages(self, operation: str, prefix: str, delimiter: str, after: str, size: int) -> None:
        start = {"list_objects": "Marker", "list_objects_v2": "StartAfter"}.get(operation, "KeyMarker")
        limit = "MaxUploads" if operation == "list_multipart_uploads" else "MaxKeys"
        asked: dict[str, Any] = {"Prefix": prefix, "Delimiter": delimiter, start: after, limit: size}
        page = self.same(operation, **{name: value for name, value in asked.items() if value != ""})
        while page["IsTruncated"]:
            if operation == "list_objects" and not delimiter:
                asked["Marker"] = page["Contents"][-1]["Key"]
            asked["VersionIdMarker"] = ""  # a page that ends with a common prefix has none
            asked |= {name.removeprefix("Next"): value for name, value in page.items() if name.startswith("Next")}
            page = self.same(operation, **{name: value for name, value in asked.items() if value != ""})

    def written(self, key: str) -> tuple[str, str]:
        """Key and id of what is its latest version now, a delete marker too."""
        self.same("get_object", Key=key)
        stack = self.model.stacks.get(key)
        return key, stack[0].version_id if stack else "null"

    def source(self, version: tuple[str, str], by_id: bool) -> dict[str, str]:
        return {"Bucket": self.name, "Key": version[0]} | ({"VersionId": version[1]} if by_id else {})

    def condition(self, key: str, kind: str, prefix: str = "") -> dict[str, str]:
        """`unchanged` holds if there is an object, `absent` if there is none, `changed` never, `none` always."""
        current = self.model.current(key)
        etag = etag_of(b"never put") if current is None or kind == "changed" else current.etag
        return {
            "none": {},
            "absent": {f"{prefix}IfNoneMatch": "*"},
            "any": {f"{prefix}IfMatch": "*"},
            "other": {f"{prefix}IfNoneMatch": etag},
        }.get(kind, {f"{prefix}IfMatch": etag})

    def clear(self) -> None:
        """All lists and versions are the same; and when all versions are gone, the bucket may go with its uploads."""
        for operation in LISTS:
            self.list_in_pages(operation, "", "", "", 2)
            self.list_in_pages(operation, "", "/", "", 1)
        stacks = self.model.stacks.items()
        entries = [{"Key": key, "VersionId": version.version_id} for key, stack in stacks for version in stack]
        for entry in entries:
            self.same("get_object", **entry)
            self.same("head_object", **entry, PartNumber=1)
            self.same("get_object_tagging", **entry)
        if entries:
            self.same("delete_objects", Delete={"Objects": entries})
        self._s3.delete_bucket(Bucket=self.name)
