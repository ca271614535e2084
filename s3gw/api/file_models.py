"""Files as the JSON API tells of them."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from s3gw.api.models import Page, time_of
from s3gw.metadata.files import MOST_COUNTED
from s3gw.metadata.objects import NULL_VERSION, ObjectVersion
from s3gw.metadata.scans import State

_HIDDEN = "null: the caller may list it, but not read it."
_DEFAULT_TYPE = "binary/octet-stream"  # as S3 tells it of an object that was put without one


# A part of the name of a header (RFC 9110, 5.6.2), of which S3 gives back the case that it is stored in.
MetadataName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9a-z-]+$", max_length=1024)]
Metadata = dict[MetadataName, str]
Tags = dict[str, str]


class File(BaseModel):
    id: str
    bucket_id: str
    owner_id: str
    filename: str = Field(description="What is behind the last slash of its path.")
    file_path: str = Field(description="Its key.")
    file_size: int
    storage_class: str = Field(description="As it was said when it was stored: all are kept alike.")
    mime_type: str | None = Field(description=_HIDDEN)
    checksum: str | None = Field(description="SHA-256 in hex; null where it isn't known.")
    checksum_algorithm: str | None
    checksum_value: str | None = Field(description="As S3 tells it: base64, and of a file in parts with their number.")
    is_deleted: bool
    url: str = Field(description="From where it is downloaded, by who may read it.")
    created_at: datetime = Field(description="Of a file from before there were file ids: of its oldest version.")
    updated_at: datetime
    tags: dict[str, str] | None = Field(description=_HIDDEN)
    metadata: dict[str, str] | None = Field(description=_HIDDEN)
    version_id: str | None
    scan_status: State | None = Field(
        description="What the virus scanner says of its content; null: the bucket isn't scanned, or it has none."
        " `unscannable`: it is too large. `released`: by an admin, whatever was found."
    )
    deleted_at: datetime | None = Field(default=None, description="Of a file that is deleted.")
    expires_at: datetime | None = Field(
        default=None, description="Of a file in the trash: until when it can be restored."
    )
    trash_id: int | None = Field(
        default=None, description="Of a file in the trash, which may have several of its contents."
    )


class FilesStored(BaseModel):
    """Of a form with several files."""

    items: list[File]


class Files(Page[File]):
    """A page's files and folders together are `per_page`, and counted in `total`."""

    folders: list[str] = Field(description="What begins the paths of files that `delimiter` rolls up.")
    total_is_lower_bound: bool = Field(description=f"There are more than {MOST_COUNTED}.")


class Told(BaseModel):
    """What is told beside the version: `shows_content` and `shows_tags` as far as the reader may read these."""

    bucket_id: str
    base_url: str
    created_at: int
    shows_content: bool = True
    shows_tags: bool = True
    scan_status: State | None = None


def file_model(version: ObjectVersion, told: Told) -> File:
    file_id = str(UUID(bytes=version.file_id))
    algorithm, value = (version.checksum_algorithm, version.checksum) if told.shows_content else (None, None)
    return File(
        id=file_id,
        bucket_id=told.bucket_id,
        owner_id=version.owner_id,
        filename=version.key.rpartition("/")[2],
        file_path=version.key,
        file_size=version.size,
        storage_class=version.storage_class,
        mime_type=headers_of(version).get("ContentType", _DEFAULT_TYPE) if told.shows_content else None,
        checksum=_sha256(algorithm, value),
        checksum_algorithm=algorithm,
        checksum_value=value,
        is_deleted=False,
        url=f"{told.base_url}/api/v1/buckets/{told.bucket_id}/files/{file_id}/download",
        created_at=time_of(told.created_at),
        updated_at=time_of(version.last_modified),
        tags=tags_of(version) if told.shows_tags else None,
        metadata=_json(version.user_metadata, {}) if told.shows_content else None,
        version_id=None if version.version_id == NULL_VERSION else version.version_id,
        scan_status=told.scan_status,
    )


def etag_of_file(version: ObjectVersion) -> str:
    """That of its bytes, as S3 tells it, and behind a dot one of all that can be changed beside them."""
    told = [version.key, version.headers, version.user_metadata, version.tags, version.last_modified]
    return f'"{version.etag}.{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]}"'


def headers_of(version: ObjectVersion) -> dict[str, Any]:
    """By the names that boto3 has for them."""
    return dict(_json(version.headers, {}))


def tags_of(version: ObjectVersion) -> dict[str, str]:
    return dict(_json(version.tags, []))


def _sha256(algorithm: str | None, value: str | None) -> str | None:
    """Of an object in parts it is one of the parts' checksums, which is another."""
    if algorithm != "SHA256" or value is None or "-" in value:
        return None
    return base64.b64decode(value).hex()


def _json(text: str | None, otherwise: Any) -> Any:
    return otherwise if text is None else json.loads(text)
