"""s3fs-fuse: a real mount in which ordinary file operations work, seen from outside as objects."""

from __future__ import annotations

import os
import shutil

from session import (
    ACCESS_KEY,
    BUCKET,
    ENDPOINT,
    SECRET_KEY,
    WORK,
    curl,
    make_bucket,
    mounted,
    read_folder,
    run,
    same,
    sample_folder,
    stored,
    version,
)


def main() -> None:
    version(run("s3fs", "--version").split(" V")[1].split()[0])
    password = WORK / "passwd-s3fs"
    password.write_text(f"{ACCESS_KEY}:{SECRET_KEY}")
    password.chmod(0o600)
    make_bucket()
    files = sample_folder(WORK / "source")
    options = f"url={ENDPOINT},passwd_file={password},use_path_request_style,multipart_size=10,endpoint=us-east-1"
    command = ("s3fs", BUCKET, WORK / "mount", "-f", "-o", options)
    with mounted(WORK / "mount", *command) as mount:
        shutil.copytree(WORK / "source", mount / "in")
        same(read_folder(mount / "in"), files, "read back through the mount")
        same(stored("in/large.bin"), files["large.bin"], "stored by the mount")
        with (mount / "in/readme.txt").open("ab") as file:
            file.write(b"appended")
        same(stored("in/readme.txt"), files["readme.txt"] + b"appended", "appended")
        with (mount / "in/large.bin").open("r+b") as file:
            file.seek(5_000_000)
            file.write(b"patched")
        patched = bytearray(files["large.bin"])
        patched[5_000_000:5_000_007] = b"patched"
        same(stored("in/large.bin"), bytes(patched), "patched in the middle")
        os.rename(mount / "in/large.bin", mount / "in/renamed.bin")
        (mount / "in/renamed.bin").chmod(0o640)
        same(sorted(os.listdir(mount / "in/deep/er/and")), ["deeper"], "folders")
        (mount / "in/empty.dat").unlink()
        curl("PUT", f"/{BUCKET}/in/outside.txt", "-d", "from outside")
        same((mount / "in/outside.txt").read_bytes(), b"from outside", "written beside the mount")
    with mounted(WORK / "mount", *command) as mount:
        same(sorted(os.listdir(mount / "in")), expected_names(files), "after mounting again")
        same((mount / "in/renamed.bin").read_bytes(), bytes(patched), "renamed")
        same((mount / "in/renamed.bin").stat().st_mode & 0o777, 0o640, "mode")
        shutil.rmtree(mount / "in")
        same(os.listdir(mount), [], "removed")


def expected_names(files: dict[str, bytes]) -> list[str]:
    names = {name.split("/")[0] for name in files} - {"large.bin", "empty.dat"}
    return sorted(names | {"renamed.bin", "outside.txt"})


main()
