# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the database that a killed program leaves.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.peerstore.crash_writer import ADDRESS, COUNT, peer

ROOT = Path(__file__).parents[2]


class Writer(ProcessProtocol):
    """
    Starts programs that write, and kills them meanwhile.

    @ivar done: fires when the parent of the programs has ended.
    """

    transport: Any

    def __init__(self) -> None:
        self.done: Deferred[None] = Deferred()
        self._errors = b""
        self._buffer = b""
        self._kept = 0
        self._ended: Deferred[int] | None = None
        self._process = 0
        self._first = 0
        self._last = 0

    async def killAt(self, description: str, first: int, last: int) -> int:
        """
        Start a program that writes, and kill it.

        @param first: the number of the first change.
        @param last: the number of the change after which it is killed, as soon as some
            are known to be written.
        @return: the number of the last change that is known to be written.
        """
        self._kept, self._last = first, last
        self._ended = Deferred()
        self.transport.write(f"{description} {first}\n".encode())
        code = await self._ended
        assert code == -signal.SIGKILL, (code, self._errors)
        return self._kept

    def outReceived(self, data: bytes) -> None:
        """
        Read the lines of a program, and kill it if it has done enough.
        """
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            verb, *words = line.split()
            if verb == b"process":
                self._process = int(words[0])
                self._first = self._kept
            elif verb == b"kept":
                self._kept = int(words[0])
            elif verb == b"changed":
                enough = int(words[0]) >= self._last and self._kept > self._first
                if enough and self._process:
                    os.kill(self._process, signal.SIGKILL)
                    self._process = 0
            elif self._ended is not None:
                self._ended.callback(int(words[0]))

    def errReceived(self, data: bytes) -> None:
        """
        Keep the complaints of a program.
        """
        self._errors += data

    def processEnded(self, reason: Failure) -> None:
        """
        The parent of the programs has ended.
        """
        self.done.callback(None)


class KillTests(TestCase):
    """
    Kill a program that makes ten thousand changes, more than twenty times.

    @cvar programs: the number of programs at a time.
    @cvar kills: for each database of a program, the number of times that it is killed.
    """

    timeout = 600
    programs = 3
    kills = (3, 2, 2)

    async def test_kill(self) -> None:
        """
        The file opens, is sound, and has all changes that were reported as written, of
        this program and of the killed ones before it.
        """
        choice = random.Random(1)
        await gatherResults(
            [
                Deferred.fromCoroutine(self._killAll(choice))
                for _ in range(self.programs)
            ]
        )

    async def _killAll(self, choice: random.Random) -> None:
        writer = Writer()
        reactor.spawnProcess(
            writer,
            sys.executable,
            [sys.executable, "-m", "tests.peerstore.crash_writer"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            for kills in self.kills:
                await self._kill(writer, self.mktemp(), kills, choice)
        finally:
            writer.transport.closeStdin()
            await writer.done

    async def _kill(
        self, writer: Writer, path: str, kills: int, choice: random.Random
    ) -> None:
        """
        Kill programs that write to one file, one after the other.
        """
        old: set[int] = set()
        for turn in range(kills):
            first = turn * COUNT
            last = first + choice.randrange(COUNT * 6 // 100, COUNT * 25 // 100)
            kept = await writer.killAt(f"sqlite:{path}", first, last)
            self.assertGreater(kept, first)
            old |= set(range(first, kept))
            self._check(path, old)

    def _check(self, path: str, old: set[int]) -> None:
        connection = sqlite3.connect(path)
        self.addCleanup(connection.close)
        sound = connection.execute("PRAGMA integrity_check").fetchone()
        self.assertEqual(sound, ("ok",))
        kept = {
            found
            for (found,) in connection.execute(
                "SELECT peer FROM peers NATURAL JOIN addresses WHERE address = ?",
                (ADDRESS.toBytes(),),
            )
        }
        lost = [number for number in old if peer(number).toBytes() not in kept]
        self.assertEqual(lost, [])
        connection.close()
