"""What every client's day shares: where the gateway is, sample data, running a program, comparing.

`run.py` gives each script its endpoint, keys, bucket name and work folder by environment. Only the standard library
may be imported here, because each script runs in the environment of its own client. `curl` is the second opinion:
it creates buckets for clients that can't, and reads back what a client says it has written.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
HOST = ENDPOINT.split("://", 1)[1]
ACCESS_KEY = os.environ["AWS_ACCESS_KEY_ID"]
SECRET_KEY = os.environ["AWS_SECRET_ACCESS_KEY"]
REGION = os.environ["AWS_REGION"]
BUCKET = os.environ["COMPAT_BUCKET"]
WORK = Path(os.environ["COMPAT_WORK"])

MIB = 1024 * 1024

# Names that have gone wrong in some client or server: spaces, escapes, non-ASCII, an empty file, a deep path.
SAMPLE_NAMES = {
    "readme.txt": 1200,
    "empty.dat": 0,
    "with space/a b+c.txt": 300,
    "percent%20literal.txt": 17,
    "ümlaut/日本語.bin": 70_000,
    "deep/er/and/deeper/leaf.bin": 5_000,
    "large.bin": 12 * MIB + 12_345,
}


def version(text: str) -> None:
    """Tell run.py which version of the client is here: the first line of the output."""
    print(f"version: {text}", flush=True)


def sample(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def sample_folder(folder: Path) -> dict[str, bytes]:
    """Write the sample files into `folder`; return name -> content."""
    files = {name: sample(size, seed) for seed, (name, size) in enumerate(SAMPLE_NAMES.items())}
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        # Written an hour ago: a listing tells whole seconds, so a file of this second would look newer than its copy.
        os.utime(path, (time.time() - 3600,) * 2)
    return files


def read_folder(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(*argv: str | Path, stdin: bytes | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program; return its standard output; its failure is ours."""
    words = [str(word) for word in argv]
    done = subprocess.run(words, input=stdin, capture_output=True, env={**os.environ, **(env or {})})
    if done.returncode:
        output = (done.stdout + done.stderr).decode(errors="replace")
        raise AssertionError(f"{' '.join(words)} ended with {done.returncode}:\n{output[-3000:]}")
    return done.stdout.decode(errors="replace")


def fails(*argv: str | Path) -> None:
    """Run a program that must fail."""
    words = [str(word) for word in argv]
    assert subprocess.run(words, capture_output=True).returncode != 0, f"{' '.join(words)} should have failed"


def same(actual: object, expected: object, what: str) -> None:
    """Equal or an AssertionError that stays readable when the values are megabytes."""
    if isinstance(actual, dict) and isinstance(expected, dict):
        same(sorted(actual), sorted(expected), f"{what}: names")
        for name, value in expected.items():
            same(actual[name], value, f"{what}: {name}")
    assert actual == expected, f"{what}: got {describe(actual)}, expected {describe(expected)}"


def describe(value: object) -> str:
    if isinstance(value, bytes) and len(value) > 60:
        return f"{len(value)} bytes starting with {value[:20]!r}"
    return repr(value)[:2000]


def refused(error: type[Exception] | tuple[type[Exception], ...], call: Callable[[], object], needle: str = "") -> None:
    """`call` must raise `error`, with `needle` in its text."""
    try:
        call()
    except error as caught:
        if needle not in str(caught):
            raise AssertionError(f"expected {needle!r} in {caught}") from caught
        return
    raise AssertionError(f"should have raised {error} {needle}")


def curl(method: str, path: str, *options: str, query: str = "") -> bytes:
    """One signed request by curl, for what the client at hand can't do itself. `path` is not escaped yet."""
    # S3 wants the payload's hash in a header; curl before 8 signs one that it is given but adds none by itself.
    command = ["curl", "-sS", "--fail-with-body", "--aws-sigv4", f"aws:amz:{REGION}:s3", "--user"]
    command += [f"{ACCESS_KEY}:{SECRET_KEY}", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-X", method]
    url = ENDPOINT + quote(path) + (query and f"?{query}")
    done = subprocess.run([*command, *options, url], capture_output=True)
    assert done.returncode == 0, f"curl {method} {path}: {done.stderr.decode()} {done.stdout[:1000]!r}"
    return done.stdout


def post_form(url: str, fields: Mapping[str, str], content: bytes) -> int:
    """The status of a form that is sent as browsers send it."""
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts.append(b'name="file"; filename="f"\r\n\r\n' + content)
    body = (
        b"".join(b"--limit\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--limit--\r\n"
    )
    kind = {"Content-Type": "multipart/form-data; boundary=limit"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=kind)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def policy_for_all(prefix: str) -> str:
    """A bucket policy that lets everybody read the keys that begin with `prefix`."""
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{**allow, "Resource": f"arn:aws:s3:::{BUCKET}/{prefix}*"}]}
    )


def anonymous(key: str) -> tuple[int, bytes]:
    """Status and body of a GET that nobody signed."""
    try:
        with urllib.request.urlopen(f"{ENDPOINT}/{BUCKET}/{quote(key)}") as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def make_bucket(name: str = BUCKET) -> str:
    curl("PUT", f"/{name}")
    return name


def stored(key: str, bucket: str = BUCKET) -> bytes:
    return curl("GET", f"/{bucket}/{key}")


@contextmanager
def mounted(folder: Path, *command: str | Path, env: dict[str, str] | None = None) -> Iterator[Path]:
    """Run a FUSE program in the foreground until the folder is a mount; unmount at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.with_suffix(".log")
    with log.open("wb") as output:
        child = subprocess.Popen(
            [str(word) for word in command], stdout=output, stderr=output, env={**os.environ, **(env or {})}
        )
        try:
            wait_until(lambda: child.poll() is not None or os.path.ismount(folder), f"mount of {folder}")
            assert os.path.ismount(folder), f"not mounted: {log.read_text()[-2000:]}"
            yield folder
            run("fusermount3", "-u", folder)
            child.wait(60)
        finally:
            if os.path.ismount(folder):
                subprocess.run(["fusermount3", "-uz", str(folder)])
            child.terminate()
            child.wait(30)


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.1)
