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
import subprocess
import tempfile
from functools import lru_cache
from itertools import count
from pathlib import Path

from twisted.python.reflect import requireModule
from twisted.trial.unittest import SkipTest

__all__ = ["makeDatabase"]

# The server ends when its end of the pipe is closed, by whatever ends us.
_RUN = """
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off \
    -c log_min_messages=log 2>&1 &
cat >&2
kill -INT $!
wait
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


def _start(programs: Path) -> str:
    """
    Start a server of our own.

    @return: how to connect to it.
    """
    folder = tempfile.mkdtemp(prefix="libp2p-postgresql-")
    # It does not run as root.
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    options = ["-U", "test", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
    subprocess.run(
        [str(programs / "initdb"), "-D", f"{folder}/data", *options],
        cwd=folder,
        user=user,
        check=True,
        capture_output=True,
    )
    server = subprocess.Popen(
        ["/bin/sh", "-c", _RUN, "sh", programs, folder],
        cwd=folder,
        user=user,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    assert server.stdout is not None
    said = ""
    for line in server.stdout:
        said += line
        if "ready to accept connections" in line:
            # Whatever it says later has to go somewhere.
            _servers.append(server)
            return f"host={folder} user=test dbname=postgres"
    raise AssertionError(f"PostgreSQL does not start: {said}")


_servers: list[subprocess.Popen[str]] = []


@lru_cache(maxsize=1)
def _server() -> str | SkipTest:
    """
    Start the server, once.
    """
    programs = _programs()
    if programs is None:
        return SkipTest("PostgreSQL is not installed: apt-get install postgresql")
    if requireModule("psycopg") is None:
        return SkipTest("psycopg is not installed: pip install 'psycopg[binary]'")
    return _start(programs)


def makeDatabase() -> str:
    """
    Make an empty database.

    @return: the DSN.
    @raise SkipTest: there is no PostgreSQL.
    """
    server = _server()
    if isinstance(server, SkipTest):
        if "postgresql" in os.environ.get("LIBP2P_REQUIRE", "").split(","):
            raise AssertionError(str(server))
        raise server
    psycopg = requireModule("psycopg")
    assert psycopg is not None
    schema = f"test{next(_schemas)}"
    with psycopg.connect(server) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    connection.close()
    return f"{server} options=-csearch_path={schema}"
