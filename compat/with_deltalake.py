"""Delta Lake (delta-rs): commits by conditional put, eight writers at once, merge, time travel, vacuum."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import deltalake
import pyarrow
from deltalake import CommitProperties, DeltaTable, write_deltalake
from session import ACCESS_KEY, BUCKET, ENDPOINT, REGION, SECRET_KEY, make_bucket, same, version

URL = f"s3://{BUCKET}/table"
# A writer that keeps losing gives up after 15 tries by default; with eight of them that happens.
PATIENT = CommitProperties(max_commit_retries=200)
OPTIONS = {
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_REGION": REGION,
    "AWS_ALLOW_HTTP": "true",
    "aws_conditional_put": "etag",
}


def rows(start: int, count: int) -> pyarrow.Table:
    numbers = list(range(start, start + count))
    return pyarrow.table({"id": numbers, "value": [f"v{number}" for number in numbers]})


def append(writer: int) -> None:
    for turn in range(3):
        write_deltalake(
            URL,
            rows(1000 * (1 + writer) + 100 * turn, 100),
            mode="append",
            storage_options=OPTIONS,
            commit_properties=PATIENT,
        )


def load(version_number: int | None = None) -> DeltaTable:
    return DeltaTable(URL, storage_options=OPTIONS, version=version_number)


def main() -> None:
    version(deltalake.__version__)
    make_bucket()
    write_deltalake(URL, rows(0, 1000), storage_options=OPTIONS)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(8)))
    table = load()
    same(table.version(), 24, "no commit was lost or overwrote another")
    ids = sorted(table.to_pyarrow_table()["id"].to_pylist())
    expected = [*range(1000)] + [1000 * (1 + w) + 100 * t + i for w in range(8) for t in range(3) for i in range(100)]
    same(ids, expected, "every writer's rows")

    changes = pyarrow.table({"id": [5, 999_999], "value": ["changed", "new"]})
    merge = table.merge(changes, "target.id = source.id", source_alias="source", target_alias="target")
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
    values = dict(zip(*load().to_pyarrow_table().to_pydict().values(), strict=True))
    same((values[5], values[999_999], len(values)), ("changed", "new", 3401), "merged")
    same(load(0).to_pyarrow_table().num_rows, 1000, "time travel")
    table = load()
    table.optimize.compact()
    removed = table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert removed, "vacuum had nothing to remove"
    same(load().to_pyarrow_table().num_rows, 3401, "after vacuum")


main()
# Everything has been checked. Threads of Arrow and delta-rs now and then abort the interpreter while it shuts down.
sys.stdout.flush()
os._exit(0)
