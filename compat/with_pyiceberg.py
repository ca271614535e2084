"""PyIceberg: a warehouse on s3:// with its catalog in SQLite; appends, an overwrite, schema change, time travel."""

from __future__ import annotations

import pyarrow
import pyiceberg
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import EqualTo
from pyiceberg.types import StringType
from session import ACCESS_KEY, BUCKET, ENDPOINT, REGION, SECRET_KEY, WORK, make_bucket, same, version


def main() -> None:
    version(pyiceberg.__version__)
    make_bucket()
    catalog = SqlCatalog(
        "compat",
        **{
            "uri": f"sqlite:///{WORK}/catalog.db",
            "warehouse": f"s3://{BUCKET}/warehouse",
            "s3.endpoint": ENDPOINT,
            "s3.access-key-id": ACCESS_KEY,
            "s3.secret-access-key": SECRET_KEY,
            "s3.region": REGION,
            "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
        },
    )
    catalog.create_namespace("shop")
    rows = pyarrow.table({"id": list(range(50_000)), "name": [f"item {i}" for i in range(50_000)]})
    table = catalog.create_table("shop.items", schema=rows.schema)
    table.append(rows)
    first = table.current_snapshot().snapshot_id
    table.append(pyarrow.table({"id": [50_000], "name": ["one more"]}))
    table.delete(EqualTo("id", 7))
    with table.update_schema() as update:
        update.add_column("colour", StringType())

    table = catalog.load_table("shop.items")
    same(table.scan().to_arrow().num_rows, 50_000, "rows after append and delete")
    same(table.scan(row_filter=EqualTo("id", 7)).to_arrow().num_rows, 0, "deleted row")
    same(table.scan(row_filter="id = 50000").to_arrow()["name"].to_pylist(), ["one more"], "appended row")
    same(table.scan().to_arrow().column_names, ["id", "name", "colour"], "schema")
    before = table.scan(snapshot_id=first).to_arrow().sort_by("id")
    same(before.equals(rows.cast(before.schema)), True, "time travel")
    same(sum(task.file.record_count for task in table.scan().plan_files()) >= 50_000, True, "planned files")
    catalog.purge_table("shop.items")
    same(catalog.list_tables("shop"), [], "tables")


main()
