"""A PostgreSQL with a synchronous standby, for as many failovers as a test asks for: a commit is on both before it is
acknowledged. After a failover the dead one's place is taken by a new copy of who took over.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.postgresql import Server, await_server, find_binary, free_port, start_server, unprivileged_user

_OPTIONS = ("-c", "wal_level=replica", "-c", "max_wal_senders=4", "-c", "hot_standby=on", "-c", "max_connections=300")
_IN_ITS_FOLDER = ("-c", "dynamic_shared_memory_type=mmap")  # so nothing of it is left of a server that is killed
_STANDBY = "standby"


class Pair:
    """`addresses` are those at which both listen; `hosts` of a URL are one of them."""

    def __init__(self, folder: Path, networks: Sequence[str] = (), addresses: Sequence[str] = ("127.0.0.1",)) -> None:
        folder.chmod(0o755)  # its parts are the server's
        self._folder, self._networks, self._generation = folder, networks, 0
        self._options = (*_OPTIONS, *_IN_ITS_FOLDER, "-c", f"listen_addresses={','.join(addresses)}")
        self._ports = [free_port(), free_port()]  # the primary's first
        self._running: list[subprocess.Popen[bytes]] = []
        self._places: list[Path] = []

    def url(self, host: str = "127.0.0.1") -> str:
        """Of whichever of the two takes writes."""
        both = "&".join(f"host={host}:{port}" for port in sorted(self._ports))
        return f"postgresql://s3gw@/postgres?{both}&target_session_attrs=read-write"

    @property
    def primary(self) -> Server:
        return Server(self._ports[0])

    @contextmanager
    def running(self) -> Iterator[None]:
        try:
            place = self._new_place()
            self._running.append(start_server(place, self._ports[0], *self._options))
            await_server(self._running[0], place, self.primary)
            self._trust(place)
            self.add_standby()
            yield
        finally:
            for process in self._running:
                _end(process, signal.SIGINT)

    def _trust(self, place: Path) -> None:
        with (place / "data" / "pg_hba.conf").open("a") as rules:
            for network in self._networks:
                rules.write(f"host all all {network} trust\n")
        self.primary.execute("SELECT pg_reload_conf()")

    def add_standby(self) -> None:
        """A copy of the primary; from its arrival on commits wait for it."""
        user, place = unprivileged_user(), self._new_place()
        if user:
            os.chown(place, user["user"], user["group"])
        program, port = Path(find_binary("postgres")).with_name("pg_basebackup"), self._ports[1]
        copy = [str(program), "-D", str(place / "data"), "-R", "-c", "fast", "--no-sync", "-d"]
        where = f"host=127.0.0.1 port={self._ports[0]} user=s3gw application_name={_STANDBY}"
        copied = subprocess.run([*copy, where], **user, cwd=place, capture_output=True)
        assert copied.returncode == 0, copied.stderr
        self._stand_alone(place)
        command = [find_binary("postgres"), "-D", str(place / "data"), "-c", f"port={port}", *self._options]
        with (place / "log").open("wb") as log:
            command += ["-c", "unix_socket_directories=", "-c", "shared_buffers=32MB"]
            self._running.append(subprocess.Popen(command, **user, cwd=place, stdout=log, stderr=log))
        await_server(self._running[1], place, Server(port))
        self.primary.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{_STANDBY}'")
        self.primary.execute("SELECT pg_reload_conf()")

    def _stand_alone(self, place: Path) -> None:
        """Who takes over has no standby at first, and waits for none."""
        settings = place / "data" / "postgresql.auto.conf"
        lines = [line for line in settings.read_text().splitlines(True) if "synchronous_standby_names" not in line]
        settings.write_text("".join(lines))

    def kill_primary(self) -> None:
        """As when its machine loses power: the standby has what was acknowledged, and nobody says good-bye."""
        place = self._places.pop(0)
        segment = (place / "data" / "postmaster.pid").read_text().splitlines()[6].split()[1]
        _kill_at_once(self._running.pop(0))
        subprocess.run(["ipcrm", "-m", segment], check=True)
        shutil.rmtree(place)
        self._ports.reverse()

    def promote(self) -> None:
        program, user = Path(find_binary("postgres")).with_name("pg_ctl"), unprivileged_user()
        command = [str(program), "promote", "-w", "-D", str(self._places[0] / "data")]
        done = subprocess.run(command, **user, cwd=self._places[0], capture_output=True)
        assert done.returncode == 0, done.stderr

    def _new_place(self) -> Path:
        self._generation += 1
        self._places.append(self._folder / f"server{self._generation}")
        self._places[-1].mkdir()
        return self._places[-1]


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(how)
        process.wait(30)


def _kill_at_once(server: subprocess.Popen[bytes]) -> None:
    """With each process of a connection, of which none has a word for who waits at its other end."""
    server.send_signal(signal.SIGSTOP)  # it starts no more
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)
    server.kill()
    server.wait(30)
