"""A PostgreSQL server for the tests: Debian's binaries, a folder that goes with it, a socket and no network."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

__all__ = ["Server", "binaries", "running_server"]

_QUICK = ["fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=50", "shared_buffers=16MB"]


def binaries() -> Path | None:
    """Return the folder of the newest server that Debian's packages have installed, None if there is none."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(found, key=lambda p: float(p.parent.parent.name), default=None)
    return newest.parent if newest is not None else None


class Server:
    """A running server; `database` gives databases in it, each to one who asks until it is taken back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0
        self._free: list[str] = []

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={quote(str(self._folder))}"

    def database(self) -> str:
        """Return the URL of a database with nothing in it. To make one takes long: they are used again."""
        if self._free:
            return self._free.pop()
        self._made += 1
        name = f"store{self._made}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def take_back(self, url: str) -> None:
        """Empty a database, for others."""
        with psycopg.connect(url) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        self._free.append(url)

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def running_server(folder_of_binaries: Path) -> Iterator[Server]:
    """Give a new server, and stop it. The server refuses to be root: it is the user postgres where the tests are."""
    # The socket's path may have some hundred characters only, and the user must get to it: no folder of pytest's.
    folder = Path(tempfile.mkdtemp(prefix="store-pg-"))
    process = None
    try:
        user = _owner(folder)
        data = folder / "data"
        subprocess.run(
            [folder_of_binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C.UTF-8", "--no-sync", "--no-instructions"],
            cwd=folder, check=True, capture_output=True, **user,
        )  # fmt: skip
        options = [f"-c{o}" for o in (*_QUICK, "listen_addresses=", f"unix_socket_directories={folder}")]
        log = folder / "log"
        with open(log, "wb") as out:
            process = subprocess.Popen(
                [folder_of_binaries / "postgres", "-D", data, *options],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **user,
            )  # fmt: skip
        server = Server(folder)
        deadline = time.monotonic() + 30
        while not server.answers():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield server
    finally:
        if process is not None:
            process.send_signal(signal.SIGQUIT)  # at once: nothing of it has to last
            process.wait()
        shutil.rmtree(folder)


def _owner(folder: Path) -> dict[str, Any]:
    """Give the folder to the user that the server is to be, and return how it becomes that."""
    if os.geteuid():
        return {}
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
