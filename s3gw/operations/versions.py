"""Versions of a file, as ListObjectVersions and DeleteObject have them; restore_version.py brings one back."""

from __future__ import annotations

from functools import partial
from typing import Any

from s3gw.errors import NoSuchVersion
from s3gw.metadata import files, objects
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.call import Call, Output
from s3gw.operations.table import OPERATIONS, Row


async def list_versions(call: Call, input: Any) -> Output:
    scan, of_file = call.services.database.scan, (call.the_bucket.id, input["Key"], input["FileId"])
    found = await scan(files.versions, *of_file, input["After"], input["MaxKeys"], input["Offset"])
    return {"Versions": found, "Total": await scan(files.count_versions, *of_file)}


async def delete_version(call: Call, input: Any) -> Output:
    """Unlike S3's, of one that isn't there it is refused."""
    key, version_id = input["Key"], input["VersionId"]
    await call.change([call.key_lock(key)], objects.delete_version, key, version_id, partial(_require_version, input))
    return {}


def _require_version(input: Any, found: ObjectVersion | None) -> None:
    if found is None or found.file_id != input["FileId"]:
        raise NoSuchVersion(Key=input["Key"], VersionId=input["VersionId"])


LIST_VERSIONS = Row(list_versions, OPERATIONS["ListObjectVersions"].needs)
DELETE_VERSION = Row(delete_version, OPERATIONS["DeleteObject"].needs)
