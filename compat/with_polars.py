"""Polars: write and lazily scan Parquet and CSV on s3://, with a projection and a filter pushed down."""

from __future__ import annotations

import polars
from session import ACCESS_KEY, BUCKET, ENDPOINT, REGION, SECRET_KEY, make_bucket, refused, same, stored, version

OPTIONS = {
    "aws_endpoint_url": ENDPOINT,
    "aws_access_key_id": ACCESS_KEY,
    "aws_secret_access_key": SECRET_KEY,
    "aws_region": REGION,
    "aws_allow_http": "true",
}


def main() -> None:
    version(polars.__version__)
    make_bucket()
    rows = 500_000
    frame = polars.DataFrame({"i": range(rows), "text": [f"row {i * 7919 % rows}" for i in range(rows)]})
    url = f"s3://{BUCKET}/frames"
    frame.write_parquet(f"{url}/a.parquet", storage_options=OPTIONS)
    same(polars.read_parquet(f"{url}/a.parquet", storage_options=OPTIONS).equals(frame), True, "written and read")
    lazy = polars.scan_parquet(f"{url}/*.parquet", storage_options=OPTIONS)
    found = lazy.filter(polars.col("i") == 123_456).select("text").collect()
    same(found.item(), f"row {123_456 * 7919 % rows}", "filtered scan")
    lazy.with_columns(twice=polars.col("i") * 2).sink_parquet(f"{url}/b.parquet", storage_options=OPTIONS)
    again = polars.read_parquet(f"{url}/b.parquet", storage_options=OPTIONS)
    same(again["twice"].sum(), rows * (rows - 1), "sink")
    frame.head(10).write_csv(f"{url}/ü small.csv", storage_options=OPTIONS)
    same(stored("frames/ü small.csv").decode(), frame.head(10).write_csv(), "CSV")
    missing = lambda: polars.read_parquet(f"{url}/none.parquet", storage_options=OPTIONS)  # noqa: E731
    refused((FileNotFoundError, OSError, polars.exceptions.ComputeError), missing)


main()
