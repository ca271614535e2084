"""The process tree as a whole: start, spread, deaths, signals, TLS. Its servers are real ones."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config

import s3gw
from tests.certificates import write_certificate
from tests.servers import ROOT_KEY, RunningServer, environment, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Beside modules that nobody asked for, with a password from the environment, and with a misspelt variable."""
    folder = tmp_path_factory.mktemp("supervisor")
    for module in ("selectors", "asyncio", "uvicorn", "alembic"):
        (folder / f"{module}.py").write_text(f"open({str(folder / 'loaded')!r}, 'a').write({module!r})\n")
    with running_server(folder / "data", S3GW_ROOT_PASSWORD="correct horse", S3GW_WORKER="1") as server:
        yield server


def eventually(condition: Callable[[], bool], within: float = 20) -> bool:
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def children(pid: int) -> dict[int, str]:
    """Process id → command."""
    listing = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True).stdout
    lines = [line.split(None, 2) for line in listing.splitlines()]
    return {int(line[0]): line[2] for line in lines if int(line[1]) == pid}


def connections_of(pid: int) -> int:
    if sys.platform == "linux":
        targets = []
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                targets.append(os.readlink(descriptor))
            except FileNotFoundError:
                pass
        return sum(target.startswith("socket:") for target in targets)
    listing = subprocess.run(["lsof", "-a", "-p", str(pid), "-i", "TCP"], capture_output=True, text=True).stdout
    return len(listing.splitlines())


def connect(url: str) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    connection.request("GET", "/")
    connection.getresponse().read()
    return connection


def test_the_first_start_prints_what_it_made_up_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    given = {"S3GW_ROOT_ACCESS_KEY_ID": "", "S3GW_ROOT_SECRET_ACCESS_KEY": "", "S3GW_LOG_FORMAT": "json"}
    with running_server(data, "--workers", "1", **given) as server:
        made_up = [server.facts[name] for name in ("access_key_id", "secret_access_key", "admin_password")]
        assert all(made_up)
        assert server.stop() == 0
        assert server.process.stdout is not None
        assert server.process.stdout.read() == ""
        log = server.log.read_text()
        assert [json.loads(line)["message"].split(":")[0] for line in log.splitlines()] == ["stopping", "stopped"]
        assert not any(secret in log for secret in made_up)
    with running_server(data, "--workers", "1", **given) as server:
        assert "secret_access_key" not in server.facts


@contextmanager
def started(folder: Path, *options: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A server as a person starts it, without --json."""
    command = [sys.executable, "-m", "s3gw", "serve", "--data", "data", "--listen", "127.0.0.1:0", "--workers", "1"]
    settings = {"S3GW_MIN_FREE_SPACE": "0", "PYTHONPATH": os.pathsep.join(sys.path)} | settings
    with subprocess.Popen(
        [*command, "--admin-listen", "127.0.0.1:0", "--share-listen", "127.0.0.1:0", *options],
        cwd=folder, env=environment(**settings),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """What it prints up to a line with this text, and the empty line after it."""
    printed = ""
    assert process.stdout is not None
    while text not in printed or not printed.endswith("\n\n"):
        line = process.stdout.readline()
        assert line, printed
        printed += line
    return printed


def test_a_person_is_shown_on_one_screen_what_runs_what_is_secret_and_what_comes_next(tmp_path: Path) -> None:
    with started(tmp_path, S3GW_REGION="eu-west-3") as process:
        printed = read_until(process, "aws --endpoint-url")
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert rest == ""
    assert len(printed.splitlines()) <= 24
    assert max(map(len, printed.splitlines())) <= 100
    assert f"s3gw {s3gw.__version__}" in printed
    assert re.search(r"S3 +http://127\.0\.0\.1:\d+\n", printed)
    assert re.search(r"Health +http://127\.0\.0\.1:\d+/readyz\n", printed)
    assert re.search(rf"Data +{re.escape(str(tmp_path / 'data'))}\n", printed)
    assert re.search(r"Workers +1\n", printed)
    (url,) = re.findall("S3 +(.*)", printed)
    assert f"    aws --endpoint-url {url} --region eu-west-3 s3 mb s3://" in printed
    (secret,) = re.findall("export AWS_SECRET_ACCESS_KEY=(.*)", printed)
    assert printed.count(secret) == 1
    assert "only now" in printed
    assert [line.split()[2:4] for line in errors.splitlines()] == [
        ["s3gw.server", "stopping:"],
        ["s3gw.server", "stopped"],
    ]
    with started(tmp_path) as process:
        printed = read_until(process, "aws --endpoint-url")
    assert "SECRET" not in printed
    assert f"s3gw key create admin --data {tmp_path / 'data'}" in printed


@pytest.mark.soak
def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", "--workers", "1", S3GW_BUCKETS="pictures") as server:
        address = urlsplit(server.s3)
        url = urlsplit(s3_client(server).generate_presigned_url("put_object", {"Bucket": "pictures", "Key": "cat"}))
        with socket.create_connection((address.hostname, address.port), timeout=20) as client:
            head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 100\r\n\r\n"
            client.sendall(head.encode())
            time.sleep(0.3)
            server.process.send_signal(signal.SIGINT)
            time.sleep(1)
            assert server.process.poll() is None  # it waits for the upload
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(5) == 0
        assert "stopping at once" in server.log.read_text()


@pytest.mark.soak
def test_a_log_in_json_has_no_other_lines(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", "--workers", "1", S3GW_LOG_FORMAT="json", S3GW_WORKER="1") as server:
        server.get(server.s3)
        (worker,) = [pid for pid, command in children(server.process.pid).items() if "processes.worker" in command]
        os.kill(worker, signal.SIGKILL)
        assert eventually(lambda: "starting another" in server.log.read_text())
        server.stop()
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert all({"time", "level", "logger"} <= line.keys() for line in lines)


@pytest.mark.soak
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_start_that_is_ended_still_tells_what_it_made_up(tmp_path: Path, options: tuple[str, ...]) -> None:
    with started(tmp_path, *options) as process:
        assert eventually((tmp_path / "data" / "s3gw.db").exists)
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=30)
        assert process.returncode == 0
    told = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "Admin password")
    for name in ("access_key_id", "secret_access_key", "admin_password") if options else told:
        assert printed.count(name) == 1


@pytest.mark.soak
def test_a_worker_that_becomes_ready_after_the_end_was_asked_for_changes_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "s3gw", "serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        [*command, "--admin-listen", "127.0.0.1:0", "--share-listen", "127.0.0.1:0", "--workers", "1"],
        cwd=tmp_path, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip

        def workers() -> list[int]:
            return [pid for pid, command in children(process.pid).items() if "processes.worker" in command]

        assert eventually(lambda: bool(workers()))
        (worker,) = workers()
        os.kill(worker, signal.SIGSTOP)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Made up")  # all is prepared, and the worker was told to go
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        os.kill(worker, signal.SIGCONT)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, "Traceback" in errors) == (0, False)


def test_the_database_is_its_owners_alone(server: RunningServer) -> None:
    files = list(Path(server.facts["data"]).glob("s3gw.db*"))
    assert len(files) > 2
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


@pytest.mark.soak
def test_after_running_out_of_descriptors_all_is_as_before(tmp_path: Path) -> None:
    few = ("sh", "-c", 'ulimit -n 60; exec "$@"', "sh")
    with running_server(tmp_path / "data", "--workers", "1", under=few) as server:
        address = ("127.0.0.1", urlsplit(server.s3).port or 0)
        pids = [server.process.pid, *server.facts["worker_pids"]]
        before = [connections_of(pid) for pid in pids]
        with ExitStack() as opened:
            for _ in range(100):
                opened.enter_context(socket.create_connection(address, 20))
            time.sleep(0.5)
        assert eventually(lambda: [connections_of(pid) for pid in pids] == before)
        for _ in range(8):
            with socket.create_connection(address, 20) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: s3\r\nConnection: close\r\n\r\n")
                assert b"".join(iter(lambda: client.recv(65536), b"")).startswith(b"HTTP/1.1 403")


def test_modules_in_the_current_folder_are_not_loaded(server: RunningServer) -> None:
    """Anybody may have put some there; the first start, the workers and the job process all begin in that folder."""
    assert server.get(f"{server.admin}/readyz")[0] == 200
    assert (server.data.parent / "selectors.py").exists()
    assert not (server.data.parent / "loaded").exists()


def test_what_the_environment_gives_is_not_printed(server: RunningServer) -> None:
    assert {"access_key_id", "secret_access_key", "admin_password"}.isdisjoint(server.facts)
    assert "correct horse" not in server.log.read_text()


def test_a_misspelt_variable_is_warned_of_and_the_server_starts(server: RunningServer) -> None:
    assert "S3GW_WORKER is no setting; did you mean S3GW_WORKERS?" in server.log.read_text()


def test_ready_means_that_requests_are_answered(server: RunningServer) -> None:
    assert server.get(f"{server.admin}/healthz") == (200, b'{"status":"ok"}')
    assert server.get(f"{server.admin}/readyz") == (200, b'{"database":"ok","reading":"ok","writing":"ok"}')
    assert server.get(f"{server.admin}/readyz/")[0] == 404
    for path in ("/healthz", "/readyz"):
        with urlopen(Request(f"{server.admin}{path}", method="HEAD")) as answer:
            assert (answer.status, answer.read()) == (200, b"")
    status, body = server.get(server.s3)
    assert status == 403
    assert b"<Code>AccessDenied</Code>" in body


def test_connections_spread_evenly_over_the_workers(server: RunningServer) -> None:
    pids = server.facts["worker_pids"]
    before = [connections_of(pid) for pid in pids]
    with ExitStack() as stack:
        for _ in range(32):
            stack.callback(connect(server.s3).close)
        shares = [connections_of(pid) - count for pid, count in zip(pids, before, strict=True)]
    assert min(shares) >= 13
    assert max(shares) <= 18


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        dying = server.facts["worker_pids"][0]
        os.kill(dying, signal.SIGKILL)
        assert server.get(f"{server.admin}/healthz")[0] == 200

        def is_replaced() -> bool:
            workers = [pid for pid, command in children(server.process.pid).items() if "processes.worker" in command]
            return len(workers) == 2 and dying not in workers

        assert eventually(is_replaced)
        assert "ended with -9" in server.log.read_text()


def test_the_job_process_is_replaced_too(server: RunningServer) -> None:
    def job_processes() -> list[int]:
        return [pid for pid, command in children(server.process.pid).items() if "jobs.process" in command]

    assert eventually(lambda: len(job_processes()) == 1)
    dying = job_processes()[0]
    os.kill(dying, signal.SIGKILL)
    assert eventually(lambda: job_processes() != [dying] and len(job_processes()) == 1)


@pytest.mark.soak
def test_what_a_dying_worker_has_not_taken_is_served_by_another(tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        stuck = server.facts["worker_pids"][0]
        os.kill(stuck, signal.SIGSTOP)
        address = urlsplit(server.admin)
        with ExitStack() as stack:
            clients = []
            for _ in range(8):
                client = socket.create_connection((address.hostname, address.port), timeout=20)
                stack.enter_context(client)
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: s3gw\r\n\r\n")
                clients.append(client)
            time.sleep(0.2)
            os.kill(stuck, signal.SIGKILL)
            assert [client.recv(12) for client in clients] == [b"HTTP/1.1 200"] * 8


def test_children_die_with_a_killed_supervisor_and_the_folder_is_free(tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        pids = list(children(server.process.pid))
        assert len(pids) >= 2
        server.process.kill()
        server.process.wait()
        assert eventually(lambda: not any(map(is_alive, pids)))
    with running_server(tmp_path / "data", "--workers", "1") as server:
        assert server.get(f"{server.admin}/healthz")[0] == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.soak)])
def test_a_signal_ends_all_of_it_with_status_0(number: signal.Signals, tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        idle = connect(server.s3)
        pids = list(children(server.process.pid))
        os.killpg(server.process.pid, number)  # as a terminal and systemd do: to everybody at once
        assert server.process.wait(20) == 0
        assert not any(map(is_alive, pids))
        assert "Traceback" not in server.log.read_text()
        idle.close()


def test_an_upload_in_flight_is_finished_and_kept(tmp_path: Path) -> None:
    body = os.urandom(200_000)
    with running_server(tmp_path / "data", S3GW_BUCKETS="pictures") as server:
        address = urlsplit(server.s3)
        url = urlsplit(s3_client(server).generate_presigned_url("put_object", {"Bucket": "pictures", "Key": "cat"}))
        with socket.create_connection((address.hostname, address.port), timeout=20) as client:
            head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body[:100_000])
            time.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address.hostname, address.port), timeout=20)
            client.sendall(body[100_000:])
            assert client.recv(12) == b"HTTP/1.1 200"
        assert server.process.wait(20) == 0
    with running_server(tmp_path / "data", "--workers", "1") as server:
        assert s3_client(server).get_object(Bucket="pictures", Key="cat")["Body"].read() == body


def s3_client(server: RunningServer) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.s3,
        region_name="us-east-1",
        aws_access_key_id=ROOT_KEY[0],
        aws_secret_access_key=ROOT_KEY[1],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


def test_buckets_of_the_first_start_are_there(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", "--workers", "1", S3GW_BUCKETS="pictures,music"):
        pass
    command = [sys.executable, "-m", "s3gw", "bucket", "list", "--data", "data"]
    listing = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(PYTHONPATH=os.pathsep.join(sys.path)),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert [line.split()[0] for line in listing.splitlines()] == ["name", "music", "pictures"]


def peer_certificate(url: str) -> bytes:
    address = urlsplit(url)
    return ssl.get_server_certificate((str(address.hostname), int(address.port or 0)), timeout=20).encode()


def test_both_listeners_speak_tls_and_follow_the_certificate(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, "server")
    options = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with running_server(tmp_path / "data", *options) as server:
        assert server.s3.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(certificate))
        assert server.get(f"{server.admin}/healthz", context)[0] == 200
        assert server.get(server.s3, context)[0] == 403
        write_certificate(tmp_path, "server", "renewed")
        renewed = certificate.read_bytes()
        assert eventually(lambda: [peer_certificate(url) for url in (server.s3, server.admin) * 2] == [renewed] * 4)
        context = ssl.create_default_context(cafile=str(certificate))
        assert server.get(f"{server.admin}/healthz", context)[0] == 200
        assert server.log.read_text().count("loaded the new TLS certificate") == 1  # two workers did


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    """A server that speaks TLS, and its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = write_certificate(folder, "server")
    options = ("--tls-cert", str(certificate), "--tls-key", str(key), "--workers", "1")
    with running_server(folder / "data", *options) as server:
        yield server, certificate


def test_a_client_without_tls_is_dropped_and_the_worker_stays_well(secure: tuple[RunningServer, Path]) -> None:
    server, certificate = secure
    address = urlsplit(server.s3)
    with socket.create_connection((address.hostname, address.port), timeout=20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: s3\r\n\r\n")
        try:
            assert b"HTTP" not in client.recv(1000)
        except ConnectionResetError:
            pass
    context = ssl.create_default_context(cafile=str(certificate))
    assert server.get(server.s3, context)[0] == 403


def test_a_policy_knows_the_version_of_tls(secure: tuple[RunningServer, Path]) -> None:
    server, certificate = secure
    s3 = boto3.client(
        "s3",
        endpoint_url=server.s3,
        aws_access_key_id=ROOT_KEY[0],
        aws_secret_access_key=ROOT_KEY[1],
        region_name="us-east-1",
        verify=str(certificate),
    )
    s3.create_bucket(Bucket="modern")
    s3.put_object(Bucket="modern", Key="k", Body=b"x")
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::modern/*",
        "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.3"}},
    }
    s3.put_bucket_policy(Bucket="modern", Policy=json.dumps({"Version": "2012-10-17", "Statement": [denied]}))
    url = s3.generate_presigned_url("get_object", {"Bucket": "modern", "Key": "k"})
    modern, old = (ssl.create_default_context(cafile=str(certificate)) for _ in range(2))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert server.get(url, modern) == (200, b"x")
    assert server.get(url, old)[0] == 403
