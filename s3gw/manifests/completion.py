"""The completion report of a batch, as S3 Batch Operations writes it in CSV: Bucket, Key, VersionId, TaskStatus,
ErrorCode, HTTPStatusCode and ResultMessage of each task, without a line of names.

Keys are encoded as in the manifest, so none of them is a formula to a spreadsheet: of what begins one only `-` isn't
encoded in a URL, and is here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

from s3gw.manifests.lines import Task
from s3gw.reports.writers import harmless


class Outcome(NamedTuple):
    """Of a task. `code` is "" of one that succeeded."""

    code: str
    status: int
    message: str

    @property
    def is_failed(self) -> bool:
        return bool(self.code)


SUCCEEDED = Outcome("", 200, "Successful")


def row_of(task: Task, outcome: Outcome) -> list[str]:
    told = "failed" if outcome.is_failed else "succeeded"
    version_id = "" if task.version_id is None else _encoded(task.version_id, "")
    named = task.bucket, _encoded(task.key, "/"), version_id
    return [*named, told, outcome.code, str(outcome.status), harmless(outcome.message)]


def _encoded(text: str, safe: str) -> str:
    encoded = quote(text, safe=safe)
    return f"%2D{encoded[1:]}" if encoded.startswith("-") else encoded


def written(rows: Iterable[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8")
