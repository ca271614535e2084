"""rclone: sync, check with downloads, lsf, server-side moves, and a real FUSE mount with writes through it."""

from __future__ import annotations

import os
import shutil

from session import (
    BUCKET,
    ENDPOINT,
    MIB,
    WORK,
    mounted,
    read_folder,
    run,
    same,
    sample,
    sample_folder,
    stored,
    version,
    wait_until,
)

REMOTE = {
    "RCLONE_CONFIG": str(WORK / "rclone.conf"),
    "RCLONE_CONFIG_GW_TYPE": "s3",
    "RCLONE_CONFIG_GW_PROVIDER": "Other",
    "RCLONE_CONFIG_GW_ENV_AUTH": "true",
    "RCLONE_CONFIG_GW_ENDPOINT": ENDPOINT,
    "RCLONE_CONFIG_GW_REGION": "us-east-1",
    "RCLONE_S3_UPLOAD_CUTOFF": "8M",
    "RCLONE_S3_CHUNK_SIZE": "5M",
}


def rclone(*words: object) -> str:
    return run("rclone", *map(str, words), env=REMOTE)


def main() -> None:
    (WORK / "rclone.conf").touch()
    version(rclone("version").split()[1])
    source, copy, remote = WORK / "source", WORK / "copy", f"gw:{BUCKET}"
    files = sample_folder(source)
    rclone("mkdir", remote)
    rclone("sync", source, f"{remote}/in")
    rclone("check", source, f"{remote}/in")
    rclone("check", "--download", source, f"{remote}/in")
    rclone("sync", f"{remote}/in", copy)
    same(read_folder(copy), files, "synced back")
    same(set(rclone("lsf", "-R", "--files-only", f"{remote}/in").splitlines()), set(files), "lsf")
    rclone("moveto", f"{remote}/in/large.bin", f"{remote}/in/moved.bin")
    same(stored("in/moved.bin"), files["large.bin"], "moved on the server")
    shutil.copy(source / "large.bin", source / "moved.bin")
    (source / "large.bin").unlink()
    rclone("check", source, f"{remote}/in")
    (source / "readme.txt").unlink()
    rclone("sync", source, f"{remote}/in")
    assert "readme.txt" not in rclone("lsf", f"{remote}/in")
    through_mount(remote)
    rclone("purge", remote)
    assert BUCKET not in rclone("lsd", "gw:")


def through_mount(remote: str) -> None:
    content = sample(9 * MIB, 41)
    # A write cache gives programs the seeks and appends that they expect of a file system.
    options = f"--vfs-cache-mode writes --vfs-write-back 0s --cache-dir {WORK}/cache --dir-cache-time 1s".split()
    with mounted(WORK / "mount", "rclone", "mount", remote, WORK / "mount", *options, env=REMOTE) as mount:
        same((mount / "in/moved.bin").read_bytes(), sample(12 * MIB + 12_345, 6), "read through the mount")
        (mount / "written/by").mkdir(parents=True)
        (mount / "written/by/mount.bin").write_bytes(content)
        names = lambda: rclone("lsf", "-R", "--files-only", remote).splitlines()  # noqa: E731
        # Only then: rclone 1.60 loses track of a file that is renamed in the middle of its upload.
        wait_until(lambda: "written/by/mount.bin" in names(), "written through the mount")
        os.rename(mount / "written/by/mount.bin", mount / "written/renamed.bin")
        (mount / "in/empty.dat").unlink()
        wait_until(lambda: "written/renamed.bin" in names() and "in/empty.dat" not in names(), "renamed and removed")
        same((mount / "written/renamed.bin").read_bytes(), content, "read back through the mount")
    same(stored("written/renamed.bin"), content, "stored by the mount")


main()
