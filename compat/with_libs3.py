"""libs3: its command `s3`, which compares names of headers as they are written, and signs with Version 4."""

from __future__ import annotations

from session import ACCESS_KEY, BUCKET, HOST, MIB, SECRET_KEY, WORK, fails, run, same, sample, version

WHERE = {"S3_ACCESS_KEY_ID": ACCESS_KEY, "S3_SECRET_ACCESS_KEY": SECRET_KEY, "S3_HOSTNAME": HOST}


def s3(*words: str) -> str:
    return run("s3", "-u", *words, env=WHERE)


def main() -> None:
    version(run("dpkg-query", "-W", "-f", "${Version}", "libs3-2"))
    s3("create", BUCKET)
    assert BUCKET in s3("list"), "the bucket is listed"
    for key, size in {"small": 1000, "folder/large": 34 * MIB}.items():
        content = sample(size, size)
        (WORK / "source").write_bytes(content)
        s3("put", f"{BUCKET}/{key}", f"filename={WORK / 'source'}", "contentType=text/plain", "x-amz-meta-colour=blue")
        s3("get", f"{BUCKET}/{key}", f"filename={WORK / 'copy'}")
        same((WORK / "copy").read_bytes(), content, key)
    head = s3("head", f"{BUCKET}/small")
    for line in ("Content-Type: text/plain", "Content-Length: 1000", 'ETag: "', "Last-Modified: 2", "colour: blue"):
        assert line in head, (line, head)
    listing = s3("list", BUCKET)
    assert all(key in listing for key in ("small", "folder/large")), listing
    assert "small" not in s3("list", BUCKET, "prefix=folder/"), "a prefix narrows the list"
    s3("copy", f"{BUCKET}/small", f"{BUCKET}/copied")
    for key in ("small", "folder/large", "copied"):
        s3("delete", f"{BUCKET}/{key}")
    fails("s3", "-u", "head", f"{BUCKET}/small")
    s3("delete", BUCKET)


main()
