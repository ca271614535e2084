"""PyArrow's S3 file system: buckets, streams, moves, listings and a partitioned Parquet dataset."""

from __future__ import annotations

import pyarrow
import pyarrow.dataset
from pyarrow import fs
from session import ACCESS_KEY, BUCKET, HOST, MIB, REGION, SECRET_KEY, refused, same, sample, version


def main() -> None:
    version(pyarrow.__version__)
    s3 = fs.S3FileSystem(
        access_key=ACCESS_KEY, secret_key=SECRET_KEY, region=REGION, scheme="http", endpoint_override=HOST,
        allow_bucket_creation=True, allow_bucket_deletion=True,
    )  # fmt: skip
    s3.create_dir(BUCKET)
    content = sample(13 * MIB, 4)
    with s3.open_output_stream(f"{BUCKET}/files/ü large.bin", metadata={"Content-Type": "x/y"}) as stream:
        for offset in range(0, len(content), MIB):
            stream.write(content[offset : offset + MIB])
    with s3.open_input_file(f"{BUCKET}/files/ü large.bin") as file:
        same(file.size(), len(content), "size")
        same(file.read_at(1000, 6 * MIB), content[6 * MIB : 6 * MIB + 1000], "read at")
        same(file.read(), content, "read")
    with s3.open_input_stream(f"{BUCKET}/files/ü large.bin") as stream:
        same(stream.metadata()["Content-Type"], b"x/y", "content type")
    s3.copy_file(f"{BUCKET}/files/ü large.bin", f"{BUCKET}/files/copy.bin")
    s3.move(f"{BUCKET}/files/copy.bin", f"{BUCKET}/files/moved.bin")
    listed = s3.get_file_info(fs.FileSelector(f"{BUCKET}/files", recursive=True))
    same(sorted(row.base_name for row in listed if row.is_file), ["moved.bin", "ü large.bin"], "listing")
    dataset(s3)
    s3.delete_dir_contents(BUCKET)
    same([row for row in s3.get_file_info(fs.FileSelector(BUCKET, recursive=True)) if row.is_file], [], "emptied")
    s3.delete_dir(BUCKET)
    refused(OSError, lambda: s3.get_file_info(fs.FileSelector(BUCKET)))


def dataset(s3: fs.S3FileSystem) -> None:
    table = pyarrow.table({"day": [i % 5 for i in range(100_000)], "i": list(range(100_000))})
    partitioning = pyarrow.dataset.partitioning(pyarrow.schema([("day", pyarrow.int64())]), flavor="hive")
    where = {"filesystem": s3, "format": "parquet", "partitioning": partitioning}
    pyarrow.dataset.write_dataset(table, f"{BUCKET}/set", **where)
    back = pyarrow.dataset.dataset(f"{BUCKET}/set", **where)
    same(back.to_table().sort_by("i").select(["day", "i"]).equals(table), True, "dataset")
    same(back.count_rows(filter=pyarrow.dataset.field("day") == 2), 20_000, "one partition")


main()
