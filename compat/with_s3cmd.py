"""s3cmd: mb, put, sync, ls, get, cp, mv, setcors, del, rb, with its MD5 checks and its own multipart."""

from __future__ import annotations

import sys
from pathlib import Path

from session import ACCESS_KEY, BUCKET, HOST, SECRET_KEY, WORK, fails, read_folder, run, same, sample_folder, version

S3CMD = Path(sys.executable).with_name("s3cmd")
CONFIGURATION = f"""[default]
access_key = {ACCESS_KEY}
secret_key = {SECRET_KEY}
host_base = {HOST}
host_bucket = {HOST}
use_https = False
"""


def s3cmd(*words: str | Path) -> str:
    return run(S3CMD, "-c", WORK / "s3cfg", "--no-progress", *words)


def main() -> None:
    (WORK / "s3cfg").write_text(CONFIGURATION)
    version(s3cmd("--version").split()[-1])
    url, source, copy = f"s3://{BUCKET}", WORK / "source", WORK / "copy"
    files = sample_folder(source)
    s3cmd("mb", url)
    assert url in s3cmd("ls")
    s3cmd("sync", "--multipart-chunk-size-mb=5", f"{source}/", f"{url}/in/")
    copy.mkdir()
    s3cmd("sync", f"{url}/in/", f"{copy}/")
    same(read_folder(copy), files, "synced back")
    assert "upload:" not in s3cmd("sync", f"{source}/", f"{url}/in/"), "a second sync has nothing to do"
    lines = s3cmd("ls", "--recursive", f"{url}/in/").splitlines()
    same({line.split(url, 1)[1] for line in lines}, {f"/in/{name}" for name in files}, "ls")
    s3cmd("cp", f"{url}/in/large.bin", f"{url}/copied.bin")
    s3cmd("mv", f"{url}/copied.bin", f"{url}/moved.bin")
    s3cmd("get", f"{url}/moved.bin", WORK / "moved.bin")
    same((WORK / "moved.bin").read_bytes(), files["large.bin"], "moved")
    fails(S3CMD, "-c", WORK / "s3cfg", "info", f"{url}/copied.bin")
    assert "12595257" in s3cmd("info", f"{url}/moved.bin")
    (source / "readme.txt").unlink()
    s3cmd("sync", "--delete-removed", f"{source}/", f"{url}/in/")
    fails(S3CMD, "-c", WORK / "s3cfg", "info", f"{url}/in/readme.txt")
    cors(url)
    s3cmd("del", "--recursive", "--force", url)
    same(s3cmd("ls", "--recursive", url), "", "emptied")
    s3cmd("rb", url)
    fails(S3CMD, "-c", WORK / "s3cfg", "ls", url)


def cors(url: str) -> None:
    rule = "<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>"
    (WORK / "cors.xml").write_text(f"<CORSConfiguration>{rule}</CORSConfiguration>")
    s3cmd("setcors", WORK / "cors.xml", url)
    assert "<AllowedOrigin>*</AllowedOrigin>" in s3cmd("info", url)
    s3cmd("delcors", url)
    assert "<AllowedOrigin>" not in s3cmd("info", url)


main()
