"""davix: put, get, list and remove by the tools of CERN's library, which reads listings as they arrive."""

from __future__ import annotations

from session import ACCESS_KEY, BUCKET, HOST, REGION, SECRET_KEY, WORK, fails, make_bucket, run, same, sample, version

KEYS = ("--s3accesskey", ACCESS_KEY, "--s3secretkey", SECRET_KEY, "--s3region", REGION, "--s3alternate")
FILES = {"top.bin": 1000, "folder/a.bin": 3_000_000, "folder/b.bin": 17, "folder/deep/c.bin": 5}


def davix(tool: str, *words: str) -> str:
    return run(f"davix-{tool}", *KEYS, *words)


def url(key: str) -> str:
    return f"s3://{HOST}/{BUCKET}/{key}"


def main() -> None:
    version(run("davix-get", "--version").split()[1])
    make_bucket()
    for seed, (key, size) in enumerate(FILES.items()):
        (WORK / "source").write_bytes(sample(size, seed))
        davix("put", str(WORK / "source"), url(key))
        davix("get", url(key), str(WORK / "copy"))
        same((WORK / "copy").read_bytes(), sample(size, seed), key)
    same(sorted(davix("ls", url("")).split()), ["folder", "top.bin"], "ls of the bucket")
    same(sorted(davix("ls", url("folder/")).split()), ["a.bin", "b.bin", "deep"], "ls of a folder")
    assert "3000000" in davix("ls", "-l", url("folder/")), "sizes are listed"
    davix("rm", url("top.bin"))
    same(davix("ls", url("")).split(), ["folder"], "ls after rm")
    fails("davix-get", *KEYS, url("top.bin"), str(WORK / "gone"))
    fails("davix-ls", "--s3accesskey", ACCESS_KEY, "--s3secretkey", "wrong", "--s3alternate", url(""))


main()
