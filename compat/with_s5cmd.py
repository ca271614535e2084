"""s5cmd: cp, sync, ls, mv, cat, rm with wildcards, and many small files at once."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from session import BUCKET, ENDPOINT, WORK, fails, read_folder, run, same, sample, sample_folder, version

S5CMD = Path(sys.executable).with_name("s5cmd")


def s5cmd(*words: object) -> str:
    return run(S5CMD, "--endpoint-url", ENDPOINT, *map(str, words))


def add_many(source: Path, files: dict[str, bytes]) -> None:
    (source / "many").mkdir()
    for number in range(500):
        files[f"many/{number:04}"] = sample(2000, number)
        path = source / f"many/{number:04}"
        path.write_bytes(files[f"many/{number:04}"])
        os.utime(path, (time.time() - 3600,) * 2)


def main() -> None:
    version(s5cmd("version").strip())
    url, source, copy = f"s3://{BUCKET}", WORK / "source", WORK / "copy"
    files = sample_folder(source)
    add_many(source, files)
    s5cmd("mb", url)
    s5cmd("sync", f"{source}/", f"{url}/in/")
    s5cmd("cp", f"{url}/in/*", f"{copy}/")
    same(read_folder(copy), files, "copied back")
    same(s5cmd("sync", f"{source}/", f"{url}/in/"), "", "a second sync has nothing to do")
    same(len(s5cmd("ls", f"{url}/in/many/*").splitlines()), 500, "ls")
    s5cmd("cp", f"{url}/in/large.bin", f"{url}/copied.bin")
    s5cmd("mv", f"{url}/copied.bin", f"{url}/moved.bin")
    s5cmd("cp", f"{url}/moved.bin", WORK / "moved.bin")
    same((WORK / "moved.bin").read_bytes(), files["large.bin"], "moved")
    fails(S5CMD, "--endpoint-url", ENDPOINT, "head", f"{url}/copied.bin")
    same(len(s5cmd("rm", f"{url}/in/many/*").splitlines()), 500, "rm by wildcard")
    fails(S5CMD, "--endpoint-url", ENDPOINT, "ls", f"{url}/in/many/*")
    s5cmd("rm", f"{url}/*")
    s5cmd("rb", url)
    assert url not in s5cmd("ls")


main()
