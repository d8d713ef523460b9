# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite's own part, for tests: a real Redis, the programs with what they are
told, and how their output is read.

Where there is no Redis the tests are skipped, unless C{LIBP2P_REQUIRE} names
C{redis}: then they fail.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import gatherResults

from tests.needs import skipWithout
from tests.processes import ROOT, Program
from tests.unified.redis import Redis, connect

__all__ = ["Harness", "findRedis", "measured"]

#: What the suite takes for results, of the lines that a dialer prints.
RESULTS = {
    "transport": re.compile(
        r"(?:latency:|  (?:handshake_plus_one_rtt|ping_rtt|unit): \S+)"
    ),
    "perf": re.compile(
        r"(?:(?:upload|download|latency):"
        r"|  (?:iterations|min|q1|median|q3|max|outliers|samples|unit): .+)"
    ),
}


def findRedis() -> str:
    """
    @return: where the server is.
    @raise SkipTest: nowhere.
    """
    path = shutil.which("redis-server")
    if path is not None:
        return path
    skipWithout("redis", "Redis is not installed: apt-get install redis-server")


def measured(application: str, output: str) -> dict[str, dict[str, str]]:
    """
    Read what a dialer prints.

    @return: for each measurement its figures.
    @raise AssertionError: there is anything else.
    """
    found: dict[str, dict[str, str]] = {}
    figures: dict[str, str] = {}
    for line in output.splitlines():
        assert RESULTS[application].fullmatch(line), line
        name, value = line.split(":", 1)
        if value:
            figures[name.strip()] = value.strip()
        else:
            figures = found.setdefault(name, {})
    return found


class Harness:
    """
    One run of the suite, on loopback.
    """

    def __init__(self, folder: Path) -> None:
        """
        @param folder: where programs run.
        """
        self._folder = folder
        self._programs: list[Program] = []
        self._keys = count(1)
        self._redis: Redis | None = None
        self._port = 0

    async def start(self) -> Redis:
        """
        Start Redis.

        @return: a connection to it.
        @raise SkipTest: there is none.
        """
        path = findRedis()
        for _ in range(5):
            with socket.create_server(("127.0.0.1", 0)) as free:
                self._port = free.getsockname()[1]
            server = self._spawn(
                path, "--bind", "127.0.0.1", "--port", str(self._port),
                "--save", "", "--appendonly", "no", "--dir", str(self._folder),
            )  # fmt: skip
            try:
                await server.says("(Ready to accept connections)")
            except AssertionError:
                # Somebody else was quicker to take the port.
                continue
            self._redis = await connect(reactor, "127.0.0.1", self._port)
            return self._redis
        raise AssertionError(f"Redis does not start: {server.out.decode()}")

    def key(self) -> str:
        """
        Give the key of one more test.
        """
        return f"{next(self._keys):08x}"

    def run(
        self, application: str, dialer: bool, key: str, security: str, muxer: str,
        transport: str = "tcp", **more: str,
    ) -> Program:  # fmt: skip
        """
        Start a program of ours.

        @param more: further variables.
        """
        told = self.told(dialer, key, security, muxer, transport)
        return self._spawn(
            sys.executable, "-m", "tests.unified", application, **told, **more
        )

    def told(
        self, dialer: bool, key: str, security: str, muxer: str, transport: str
    ) -> dict[str, str]:
        """
        Give the variables of a program.

        @param security: empty for a standalone transport.
        @param muxer: empty for a standalone transport.
        """
        variables = {
            "IS_DIALER": "true" if dialer else "false",
            "REDIS_ADDR": f"127.0.0.1:{self._port}",
            "TEST_KEY": key,
            "TRANSPORT": transport,
            "LISTENER_IP": "127.0.0.1",
        }
        if security:
            variables |= {"SECURE_CHANNEL": security, "MUXER": muxer}
        return variables

    def _spawn(self, *command: str, **variables: str) -> Program:
        program = Program()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        reactor.spawnProcess(
            program,
            command[0],
            command,
            environment,
            str(self._folder),
            childFDs={0: "w", 1: "r", 2: "r"},
        )
        self._programs.append(program)
        return program

    async def stop(self) -> None:
        """
        End all programs, and Redis.
        """
        if self._redis is not None:
            self._redis.close()
        endings: list[Any] = [each.stop("KILL") for each in self._programs]
        await gatherResults(endings)
