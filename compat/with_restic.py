"""restic: init, two backups, check of all data, restore, forget with prune."""

from __future__ import annotations

import json

from session import BUCKET, ENDPOINT, WORK, read_folder, run, same, sample_folder, version

SETTINGS = {"RESTIC_REPOSITORY": f"s3:{ENDPOINT}/{BUCKET}/repository", "RESTIC_PASSWORD": "a password"}


def restic(*words: object) -> str:
    return run("restic", "--no-cache", *map(str, words), env=SETTINGS)


def main() -> None:
    version(restic("version").split()[1])
    source = WORK / "source"
    first = sample_folder(source)
    restic("init")
    restic("backup", source)
    (source / "readme.txt").write_bytes(b"changed")
    (source / "large.bin").unlink()
    restic("backup", source)
    restic("check", "--read-data")
    snapshots = [row["id"] for row in json.loads(restic("snapshots", "--json"))]
    same(len(snapshots), 2, "snapshots")
    for name, snapshot, files in (("one", snapshots[0], first), ("two", snapshots[1], read_folder(source))):
        restic("restore", snapshot, "--target", WORK / name)
        same(read_folder(WORK / name / str(source).lstrip("/")), files, f"restored {name}")
    restic("forget", "--keep-last", "1", "--prune")
    restic("check", "--read-data")
    same(len(json.loads(restic("snapshots", "--json"))), 1, "snapshots after forget")
    restic("unlock")


main()
