"""As what a file is shown: by its Content-Type, and by the end of its name where that says nothing of it."""

from __future__ import annotations

import json

from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.file_type import UNKNOWN

_UNTOLD = ("", UNKNOWN, "binary/octet-stream", "text/plain")
_BY_NAME = {
    "csv": "text/csv",
    "geojson": "application/geo+json",
    "json": "application/json",
    "markdown": "text/markdown",
    "md": "text/markdown",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "tsv": "text/tab-separated-values",
}
_OTHER_NAMES = {
    "application/csv": "text/csv",
    "application/parquet": "application/vnd.apache.parquet",
    "application/x-parquet": "application/vnd.apache.parquet",
    "application/x-pdf": "application/pdf",
    "text/x-markdown": "text/markdown",
}


def said_kind_of(version: ObjectVersion) -> str:
    """As whoever stored it has said."""
    headers = {} if version.headers is None else json.loads(version.headers)
    return str(headers.get("ContentType", UNKNOWN))


def kind_of(version: ObjectVersion) -> str:
    """Without parameters, in lower case."""
    said = said_kind_of(version).partition(";")[0].strip().lower()
    if said in _UNTOLD:
        return _BY_NAME.get(version.key.rpartition(".")[2].lower(), said)
    return _OTHER_NAMES.get(said, said)
