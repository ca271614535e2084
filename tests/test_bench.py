"""The bench doesn't flatter: its load program counts truly, its keys are spread, its verdict sees everything."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from bench import keys, signing, standings, yardsticks
from bench.commits import checked_out
from bench.contest import END, SHOWN, Contestant, Sample, contest
from bench.load.generator import Load, replay
from bench.peers import peer, program_of
from bench.servers import ROOT, Running, ours
from bench.small import Options, Small

needs_compiler = pytest.mark.skipif(not shutil.which("cc"), reason="the load program is compiled")
needs_linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="CPU and memory are read from /proc")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@contextmanager
def server_that(answer: Callable[[bytes, socket.socket], None]) -> Iterator[Running]:
    """Gives each head that comes on any connection to `answer`, with the connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        received = b""
        with connection, contextlib.suppress(OSError):  # of a client that went away
            while more := connection.recv(65536):
                received += more
                while b"\r\n\r\n" in received:
                    head, _, received = received.partition(b"\r\n\r\n")
                    answer(head, connection)

    def accept() -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    process = subprocess.Popen(["sleep", "60"])
    try:
        yield Running("a test's", listener.getsockname()[1], process, ROOT)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        process.kill()
        process.wait()


def load(server: Running, folder: Path, requests: Sequence[bytes], clients: int = 1, seconds: float = 0) -> Load:
    signing.write_records(folder / "requests", requests)
    return replay(server, folder / "requests", clients, seconds)


@needs_compiler
@needs_linux
class TestLoadProgram:
    def test_each_request_of_a_file_is_sent_once(self, tmp_path: Path) -> None:
        seen: Counter[bytes] = Counter()

        def answer(head: bytes, connection: socket.socket) -> None:
            seen[head] += 1
            connection.sendall(OK)

        with server_that(answer) as server:
            found = load(server, tmp_path, [b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(500)], clients=8)
        assert set(seen.values()) == {1}
        assert len(seen) == found.requests == 500
        assert found.is_valid

    def test_a_file_is_sent_again_and_again_for_seconds(self, tmp_path: Path) -> None:
        with server_that(lambda head, connection: connection.sendall(OK)) as server:
            found = load(server, tmp_path, [b"GET / HTTP/1.1\r\n\r\n"], seconds=0.3)
        assert found.wraps == found.requests
        assert found.is_valid

    def test_bodies_end_where_length_chunks_or_the_method_say(self, tmp_path: Path) -> None:
        answers = {
            b"HEAD": b"HTTP/1.1 200 OK\r\ncontent-length: 4096\r\n\r\n",
            b"DELE": b"HTTP/1.1 204 No Content\r\n\r\n",
            b"POST": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1a\r\n"
            + b"." * 26
            + b"\r\n0\r\nx-trailer: a\r\n\r\n",
            b"GET ": b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000),
        }

        def answer(head: bytes, connection: socket.socket) -> None:
            whole = answers[head[:4]]
            for place in (slice(0, 30), slice(30, 90), slice(90, None)):
                connection.sendall(whole[place])

        requests = [method.strip() + b" / HTTP/1.1\r\n\r\n" for method in answers] * 20
        with server_that(answer) as server:
            found = load(server, tmp_path, requests, clients=2)
        assert (found.requests, found.refused, found.broken, found.reconnects) == (80, 0, 0, 0)

    def test_a_refusal_makes_a_run_invalid_and_is_told(self, tmp_path: Path) -> None:
        refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nbecaus"
        with server_that(lambda head, connection: connection.sendall(refusal)) as server:
            found = load(server, tmp_path, [b"GET / HTTP/1.1\r\n\r\n"])
        assert not found.is_valid
        assert "403" in found.first_refusal
        assert "becaus" in found.first_refusal

    def test_an_answer_that_breaks_off_makes_a_run_invalid(self, tmp_path: Path) -> None:
        def answer(head: bytes, connection: socket.socket) -> None:
            connection.sendall(OK[:-2])
            connection.shutdown(socket.SHUT_RDWR)

        with server_that(answer) as server:
            found = load(server, tmp_path, [b"GET / HTTP/1.1\r\n\r\n"] * 3)
        assert not found.is_valid
        assert found.broken == 3

    def test_connections_that_the_server_closes_are_made_anew_and_counted(self, tmp_path: Path) -> None:
        def answer(head: bytes, connection: socket.socket) -> None:
            connection.sendall(OK)
            connection.shutdown(socket.SHUT_RDWR)

        with server_that(answer) as server:
            found = load(server, tmp_path, [b"GET / HTTP/1.1\r\n\r\n"] * 10)
        assert found.requests == 10
        assert found.reconnects == 9
        assert "9 reconnects" in found.describe()

    @pytest.mark.soak
    def test_small_rows_run_on_ours_without_a_refusal(self, tmp_path: Path) -> None:
        options = Options(clients=4, seconds=0.2, rounds=1, objects=600, deletes=200)
        with ours() as server:
            small = Small(server, options, tmp_path)
            small.fill()
            runs = (small.get, small.head, small.put, small.list_flat, small.list_folders, small.delete, small.delete)
            for run in runs:
                found = run()
                assert found.is_valid, (run, found.describe())


class TestKeys:
    def test_all_differ_and_are_the_same_in_each_run(self) -> None:
        found = list(keys.spread(20_000))
        assert len(set(found)) == 20_000
        assert found == list(keys.spread(20_000))
        assert not set(found) & set(keys.spread(20_000, "1"))

    def test_prefixes_differ_in_depth_and_size(self) -> None:
        found = list(keys.spread(20_000))
        assert len({key.count("/") for key in found}) >= 4
        sizes = Counter(key.split("/")[1] for key in found if key.startswith(keys.LISTED))
        assert len(sizes) > 1000  # more than a page
        assert max(sizes.values()) > 100 * min(sizes.values())

    def test_no_key_is_a_folder_of_another(self) -> None:
        """Which servers that keep objects as files couldn't store."""
        found = {*keys.spread(5000), *keys.spread(5000, "1")}
        folders = {key[:place] for key in found for place, letter in enumerate(key) if letter == "/"}
        assert not found & folders


def contestant(name: str, values: dict[str, Sequence[float]]) -> Contestant:
    server = Running(name, 0, None, ROOT)  # type: ignore[arg-type]  # nothing is asked of it
    found = Contestant(name, server, None)  # type: ignore[arg-type]
    for work in SHOWN:
        found.samples[work.name] = [Sample(value) for value in values.get(work.name, (1.0,))]
    return found


class TestVerdict:
    def test_large_bodies_and_memory_count(self) -> None:
        mine = contestant("s3gw", {END: (300.0,)})
        other = contestant("other", {"PUT 64 MiB signed, 8 streams": (2.0,), END: (200.0,)})
        verdicts = {work.name: standings.verdict_of(work, mine, [mine, other]) for work in SHOWN}
        assert {name for name, verdict in verdicts.items() if verdict == "behind other"} == {
            "PUT 64 MiB signed, 8 streams",
            END,
        }

    def test_ranges_that_overlap_are_marked(self) -> None:
        mine, other = contestant("s3gw", {"HEAD": (1.0, 2.0, 5.0)}), contestant("other", {"HEAD": (3.0, 4.0, 6.0)})
        head = next(work for work in SHOWN if work.name == "HEAD")
        assert standings.verdict_of(head, mine, [mine, other]) == "behind ~other"

    def test_work_that_failed_is_not_ahead(self) -> None:
        mine, other = contestant("s3gw", {}), contestant("other", {})
        mine.failures["HEAD"] = "refused"
        head = next(work for work in SHOWN if work.name == "HEAD")
        assert standings.verdict_of(head, mine, [mine, other]) == "FAILED"

    def test_the_table_names_date_and_commit(self) -> None:
        shown = standings.beside_peers([contestant("s3gw", {})], {}, "2026-11-26, abcdef0", [])
        assert shown.startswith("| 2026-11-26, abcdef0 ")


class TestPeers:
    def test_programs_are_looked_for_in_the_folder_that_is_named_then_on_the_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for folder in ("named", "path"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "weed").touch(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "path"))
        assert program_of("seaweedfs") == str(tmp_path / "path" / "weed")
        monkeypatch.setenv("S3GW_BENCH_PEERS", str(tmp_path / "named"))
        assert program_of("seaweedfs-fsync") == str(tmp_path / "named" / "weed")

    def test_one_that_is_not_there_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        monkeypatch.delenv("S3GW_BENCH_PEERS", raising=False)
        starts = {"garage": partial(peer, "garage")}
        found, remarks = contest(starts, Options.quick(), tmp_path, lambda text: None)
        assert not found
        assert remarks[0].startswith("garage not measured: garage is neither on the PATH nor")


@pytest.mark.soak
def test_what_large_bodies_are_held_against_is_measured() -> None:
    digests, disk = yardsticks.digests(), yardsticks.disk()
    assert digests.md5_rate > 10
    assert digests.cpu > 10
    assert disk.best >= disk.buffered > 0


@needs_linux
@pytest.mark.soak
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a checkout has commits")
def test_another_commit_runs_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    for name in [name for name in os.environ if name.startswith(("COVERAGE", "COV_"))]:
        monkeypatch.delenv(name)  # of files that are gone when it is reported nothing can be told
    with checked_out("HEAD") as code:
        assert not list(code.root.rglob("*.pyc"))
        with ours(code=code) as server:
            assert len(server.tree()) > 1
        compiled = {path.name.split(".")[0] for path in (code.root / "s3gw").rglob("*.pyc")}
        root = code.root
    assert "worker" in compiled
    assert not root.exists()
    assert (
        os.fspath(root)
        not in subprocess.run(
            ["git", "-C", ROOT, "worktree", "list"], capture_output=True, text=True, check=True
        ).stdout
    )
