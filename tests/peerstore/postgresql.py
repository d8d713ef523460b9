# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A server of PostgreSQL's, for tests: started when the first of them wants it,
from Debian's package, and gone with this process however that ends.

Where there is none the tests are skipped, unless C{LIBP2P_REQUIRE} names
C{postgresql}.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from functools import lru_cache
from itertools import count
from pathlib import Path

from twisted.python.reflect import requireModule

from tests.needs import skipWithout

__all__ = ["Server", "makeDatabase", "startServer"]

# The server ends when its end of the pipe is closed, by whatever ends us.  A line
# ends it, too, and another one starts it again.
_RUN = """
while
    "$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off \
        -c log_min_messages=log 2>&1 &
    read line; more=$?
    kill -INT $!
    wait
    [ $more = 0 ] && echo stopped && read line
do :; done
rm -rf "$2"
"""

_schemas = count(1)


def _programs() -> Path | None:
    """
    Find the newest server that is installed.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb is not None else None


class Server:
    """
    A server of our own, which has started.

    @ivar dsn: how to connect to it.
    @ivar folder: where its socket and its data are.
    """

    def __init__(self, programs: Path) -> None:
        """
        @param programs: where they are.
        """
        folder = tempfile.mkdtemp(prefix="libp2p-postgresql-")
        self.folder = Path(folder)
        self.dsn = f"host={folder} user=test dbname=postgres"
        # It does not run as root.
        user = "postgres" if os.geteuid() == 0 else None
        if user is not None:
            shutil.chown(folder, user)
        options = "-U test -A trust -E UTF8 --no-locale --no-sync"
        subprocess.run(
            [str(programs / "initdb"), "-D", f"{folder}/data", *options.split()],
            cwd=folder,
            user=user,
            check=True,
            capture_output=True,
        )
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _RUN, "sh", programs, folder],
            cwd=folder,
            user=user,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        self._wait("ready to accept connections")

    def _wait(self, word: str) -> None:
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            if word in line:
                return
        raise AssertionError(f"PostgreSQL does not start: {said}")

    def _tell(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def stop(self) -> None:
        """
        End it, and all connections to it.
        """
        self._tell()
        self._wait("stopped")

    def start(self) -> None:
        """
        Start it again.
        """
        self._tell()
        self._wait("ready to accept connections")

    def _signal(self, number: int) -> None:
        """
        Send a signal to all processes of the server.
        """
        (first, *_) = (self.folder / "data" / "postmaster.pid").read_text().split()
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", first], capture_output=True, text=True
        )
        for pid in (first, *children.stdout.split()):
            with suppress(ProcessLookupError):
                os.kill(int(pid), number)

    def suspend(self) -> None:
        """
        Let it hang, on a machine that still acknowledges what it is sent.
        """
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """
        Let it go on.
        """
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """
        Kill it.
        """
        self._signal(signal.SIGKILL)
        self.stop()

    def close(self) -> None:
        """
        End it for good.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def startServer() -> Server:
    """
    Start a server.

    @raise SkipTest: there is no PostgreSQL.
    """
    programs = _programs()
    missing = None
    if programs is None:
        missing = "PostgreSQL is not installed: apt-get install postgresql"
    elif requireModule("psycopg") is None:
        missing = "psycopg is not installed: pip install 'psycopg[binary]'"
    if missing is None:
        assert programs is not None
        return Server(programs)
    skipWithout("postgresql", missing)


_shared = lru_cache(maxsize=1)(startServer)


def makeDatabase() -> str:
    """
    Make an empty database, on a server that all tests share.

    @return: the DSN.
    @raise SkipTest: there is no PostgreSQL.
    """
    server = _shared().dsn
    psycopg = requireModule("psycopg")
    assert psycopg is not None
    schema = f"test{next(_schemas)}"
    with psycopg.connect(server) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    connection.close()
    return f"{server} options=-csearch_path={schema}"
