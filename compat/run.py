"""Run real S3 clients against a gateway, one script per client, and print what passed: `make compat`.

    python compat/run.py [--only NAME ...] [--list]
        [--endpoint URL --access-key ID --secret-key SECRET | --gateway FILE]

Without an endpoint a gateway of its own is started on a free port of loopback, from `s3gw` beside this Python or on the
PATH. A client that can't be installed counts as failed. What each client does is in its script; how it's had, in
install.py; what the scripts share, in session.py.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway import Gateway, known_gateway, running_gateway
from install import BIN, NotHad, Recipe, go_program, java, node, python, ruby


@dataclass(frozen=True)
class Client:
    name: str
    recipe: Recipe
    seconds: int = 180


CLIENTS = [
    Client("aws-cli", python("with_aws_cli.py", "awscli")),
    Client("boto3", python("with_boto3.py", "boto3[crt]")),
    Client(
        "aws-sdk-js-v3",
        node("with_aws_sdk_js_v3.mjs", "@aws-sdk/client-s3", "@aws-sdk/lib-storage", "@aws-sdk/s3-request-presigner"),
    ),
    Client("aws-sdk-js-v2", node("with_aws_sdk_js_v2.mjs", "aws-sdk@2")),
    Client("aws-sdk-ruby", ruby("with_aws_sdk_ruby.rb", "aws-sdk-s3", "ruby", "ruby-aws-sdk-s3")),
    Client(
        "aws-sdk-go-v2",
        go_program(
            "with_aws_sdk_go_v2.go",
            "github.com/aws/aws-sdk-go-v2@v1.45.1",
            "github.com/aws/aws-sdk-go-v2/config@v1.33.1",
            "github.com/aws/aws-sdk-go-v2/service/s3@v1.109.1",
            "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager@v0.4.1",
        ),
    ),
    Client(
        "aws-sdk-java-v2",
        java("with_aws_sdk_java_v2.java", "software.amazon.awssdk:s3:2.35.0", "org.slf4j:slf4j-nop:2.0.17"),
    ),
    Client("tus-js-client", node("with_tus_js_client.mjs", "tus-js-client")),
    Client("uppy", node("with_uppy.mjs", "@uppy/core", "@uppy/tus", "esbuild", debian=("chromium",))),
    Client("minio-py", python("with_minio_py.py", "minio")),
    Client("minio-go", go_program("with_minio_go.go", "github.com/minio/minio-go/v7@latest")),
    Client("rclone", python("with_rclone.py", debian=("rclone", "fuse3"), programs=("rclone", "fusermount3"))),
    Client("s3fs-fuse", python("with_s3fs_fuse.py", debian=("s3fs", "fuse3"), programs=("s3fs", "fusermount3"))),
    Client("s3cmd", python("with_s3cmd.py", "s3cmd")),
    Client("s5cmd", python("with_s5cmd.py", "s5cmd")),
    Client("libs3", python("with_libs3.py", debian=("libs3-2",), programs=("s3",))),
    Client("davix", python("with_davix.py", debian=("davix",), programs=("davix-ls",))),
    Client("samtools", python("with_samtools.py", debian=("samtools",))),
    Client("restic", python("with_restic.py", debian=("restic",))),
    Client("duckdb", python("with_duckdb.py", "duckdb-extension-httpfs")),
    Client("polars", python("with_polars.py", "polars")),
    Client("pyarrow", python("with_pyarrow.py", "pyarrow")),
    Client("pyiceberg", python("with_pyiceberg.py", "pyiceberg[pyarrow,sql-sqlite]")),
    Client("obstore", python("with_obstore.py", "obstore")),
    Client("deltalake", python("with_deltalake.py", "deltalake", "pyarrow")),
    Client(
        "hadoop-s3a",
        java(
            "with_hadoop_s3a.java",
            "org.apache.hadoop:hadoop-aws:3.4.2",
            "org.apache.hadoop:hadoop-client-api:3.4.2",
            "org.apache.hadoop:hadoop-client-runtime:3.4.2",
            "software.amazon.awssdk:s3:2.29.52",
            "software.amazon.awssdk:s3-transfer-manager:2.29.52",
            "org.apache.commons:commons-lang3:3.17.0",
            "org.slf4j:slf4j-nop:1.7.36",
        ),
        seconds=300,
    ),
    Client("curl", python("with_curl.py", debian=("curl",))),
    Client("chromium", python("with_chromium.py", "boto3[crt]", debian=("chromium",))),
    Client(
        "nginx-tls",
        python(
            "with_nginx_tls.py",
            "boto3[crt]",
            debian=("nginx-light", "openssl"),
            programs=("/usr/sbin/nginx", "openssl"),
        ),
    ),
]


@dataclass(frozen=True)
class Outcome:
    client: str
    version: str
    passed: bool
    seconds: float


def main() -> int:
    arguments = parse_arguments()
    chosen = [client for client in CLIENTS if not arguments.only or client.name in arguments.only]
    if arguments.list:
        print("\n".join(client.name for client in CLIENTS))
        return 0
    with gateway_for(arguments) as gateway:
        outcomes = [run_client(client, gateway) for client in chosen]
    print_table(outcomes)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Real S3 clients against a running gateway.")
    names = [client.name for client in CLIENTS]
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, help="only these clients")
    parser.add_argument("--list", action="store_true", help="print the clients' names")
    parser.add_argument("--endpoint", default=os.environ.get("COMPAT_ENDPOINT"), help="a gateway that runs already")
    parser.add_argument("--gateway", type=Path, help="one that runs already, as this file tells (README.md)")
    parser.add_argument("--access-key", default=os.environ.get("AWS_ACCESS_KEY_ID"))
    parser.add_argument("--secret-key", default=os.environ.get("AWS_SECRET_ACCESS_KEY"))
    arguments = parser.parse_args()
    if arguments.endpoint and not (arguments.access_key and arguments.secret_key):
        parser.error("--endpoint needs --access-key and --secret-key")
    return arguments


@contextmanager
def gateway_for(arguments: argparse.Namespace) -> Iterator[Gateway]:
    if arguments.gateway:
        yield known_gateway(arguments.gateway)
        return
    if arguments.endpoint:
        yield Gateway(arguments.endpoint.rstrip("/"), arguments.access_key, arguments.secret_key)
        return
    with running_gateway(S3GW_TRUSTED_PROXIES="127.0.0.1/32", S3GW_API_CORS_ORIGINS="*") as gateway:
        yield gateway


def run_client(client: Client, gateway: Gateway) -> Outcome:
    print(f"== {client.name}", flush=True)
    try:
        command = client.recipe()
    except NotHad as reason:
        print(f"not to be had: {reason}", flush=True)
        return Outcome(client.name, "-", False, 0)
    work = Path(tempfile.mkdtemp(prefix=f"s3gw-compat-{client.name}-"))
    start = time.monotonic()
    try:
        output, passed = run_script(command, session_variables(client, gateway, work), work, client.seconds)
    finally:
        unmount_below(work)
        shutil.rmtree(work, ignore_errors=True)
    seconds = time.monotonic() - start
    lines = output.splitlines()
    version = next((line[9:] for line in lines if line.startswith("version: ")), "?")
    if not passed:
        print("\n".join(lines[-60:]))
    print(f"   {client.name} {version}: {'passed' if passed else 'FAILED'} ({seconds:.1f} s)", flush=True)
    return Outcome(client.name, version, passed, seconds)


def session_variables(client: Client, gateway: Gateway, work: Path) -> dict[str, str]:
    """Only what a client reads anyway, its own home (so that no configuration of ours counts), and our three names."""
    return {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}{os.pathsep}/usr/sbin",
        "HOME": str(work),
        "LANG": "C.UTF-8",
        "TMPDIR": str(work),
        "AWS_ENDPOINT_URL": gateway.endpoint,
        "AWS_ACCESS_KEY_ID": gateway.access_key,
        "AWS_SECRET_ACCESS_KEY": gateway.secret_key,
        "AWS_REGION": gateway.region,
        "AWS_DEFAULT_REGION": gateway.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "COMPAT_API": gateway.api,
        "COMPAT_USER": "admin",
        "COMPAT_PASSWORD": gateway.password,
        "COMPAT_BUCKET": f"compat-{client.name}-{os.urandom(3).hex()}",
        "COMPAT_WORK": str(work),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run_script(command: list[str], variables: dict[str, str], work: Path, seconds: int) -> tuple[str, bool]:
    """Output and success. The script has a process group of its own, of which nothing is left afterwards."""
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            command,
            cwd=work,
            env=variables,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            late = ""
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            late = f"\nstopped: not done within {seconds} s"
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()
        output.seek(0)
        return output.read().decode(errors="replace") + late, child.returncode == 0


def unmount_below(work: Path) -> None:
    mounts = Path("/proc/mounts")
    for line in mounts.read_text().splitlines() if mounts.exists() else []:
        folder = line.split()[1]
        if folder.startswith(f"{work}/"):
            subprocess.run(["fusermount3", "-uz", folder])


def print_table(outcomes: list[Outcome]) -> None:
    print(f"\n{'client':<16} {'version':<28} {'passed':<7} {'seconds':>7}")
    for outcome in outcomes:
        passed = "yes" if outcome.passed else "NO"
        print(f"{outcome.client:<16} {outcome.version[:28]:<28} {passed:<7} {outcome.seconds:>7.1f}")
    failed = sum(not outcome.passed for outcome in outcomes)
    print(f"{len(outcomes) - failed} passed, {failed} failed")


if __name__ == "__main__":
    sys.exit(main())
