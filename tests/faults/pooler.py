# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
PgBouncer, for tests, which gives each transaction any connection to the server.

Without Debian's package the tests are skipped, unless C{LIBP2P_REQUIRE} names
C{pgbouncer}.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.needs import skipWithout
from tests.peerstore.postgresql import Server

__all__ = ["Pooler"]

_SETTINGS = """
[databases]
postgres = host={folder} user=test
[pgbouncer]
listen_addr =
unix_socket_dir = {place}
auth_type = any
pool_mode = transaction
default_pool_size = 2
log_connections = 0
log_disconnections = 0
log_stats = 0
"""


class Pooler:
    """
    PgBouncer in the mode of transactions, with two connections to the server.

    @ivar dsn: the DSN of the database by way of the pooler.
    """

    def __init__(self, server: Server) -> None:
        """
        Start it.

        @raise SkipTest: it is not installed.
        """
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            missing = "PgBouncer is not installed: apt-get install pgbouncer"
            skipWithout("pgbouncer", missing)
        place = server.folder / "pooler"
        place.mkdir()
        settings = place / "settings.ini"
        settings.write_text(_SETTINGS.format(folder=server.folder, place=place))
        # It does not run as root.
        user = "postgres" if os.geteuid() == 0 else None
        if user is not None:
            shutil.chown(place, user)
        self._process = subprocess.Popen(
            [program, str(settings)],
            user=user,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        said = ""
        for line in self._process.stderr:
            said += line
            if "process up" in line:
                break
        else:
            raise AssertionError(f"PgBouncer does not start: {said}")
        self.dsn = f"host={place} port=6432 user=test dbname=postgres"

    def close(self) -> None:
        """
        End it.
        """
        self._process.kill()
        self._process.communicate()
