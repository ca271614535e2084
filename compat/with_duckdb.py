"""DuckDB with its httpfs extension: Parquet and CSV written to and read from s3://, globs, a partitioned table."""

from __future__ import annotations

from pathlib import Path

import duckdb
import duckdb_extension_httpfs
from session import ACCESS_KEY, BUCKET, HOST, REGION, SECRET_KEY, make_bucket, refused, same, stored, version

# The extension's hub can't be reached from everywhere, so the file comes from its package.
EXTENSION = next(Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension"))


def main() -> None:
    version(duckdb.__version__)
    make_bucket()
    database = duckdb.connect(config={"autoinstall_known_extensions": False})
    database.execute(f"LOAD '{EXTENSION}'")
    database.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{ACCESS_KEY}', SECRET '{SECRET_KEY}', ENDPOINT '{HOST}', "
        f"REGION '{REGION}', URL_STYLE 'path', USE_SSL false)"
    )
    url = f"s3://{BUCKET}"
    columns = "range AS i, range % 7 AS day, md5(range::VARCHAR) AS text"
    database.execute(f"CREATE TABLE t AS SELECT {columns} FROM range(1_000_000)")
    expected = database.execute("SELECT count(*), sum(i), sum(hash(text)) FROM t").fetchone()

    database.execute(f"COPY t TO '{url}/one/table.parquet' (FORMAT parquet)")
    query = f"SELECT count(*), sum(i), sum(hash(text)) FROM '{url}/one/table.parquet'"
    same(database.execute(query).fetchone(), expected, "Parquet")
    assert stored("one/table.parquet").endswith(b"PAR1")

    database.execute(f"COPY t TO '{url}/parted' (FORMAT parquet, PARTITION_BY (day))")
    files = f"read_parquet('{url}/parted/*/*.parquet', hive_partitioning = true)"
    same(database.execute(f"SELECT count(*), sum(i), sum(hash(text)) FROM {files}").fetchone(), expected, "partitioned")
    same(database.execute(f"SELECT count(*) FROM {files} WHERE day = 3").fetchone(), (142_857,), "one partition")
    same(len(database.execute(f"SELECT * FROM glob('{url}/parted/*/*.parquet')").fetchall()) >= 7, True, "glob")

    database.execute(f"COPY (SELECT i, text FROM t WHERE i < 1000) TO '{url}/one/ü table.csv' (HEADER)")
    same(database.execute(f"SELECT sum(i) FROM '{url}/one/ü table.csv'").fetchone(), (499_500,), "CSV")
    refused(duckdb.Error, lambda: database.execute(f"SELECT * FROM '{url}/none.parquet'"), "404")


main()
