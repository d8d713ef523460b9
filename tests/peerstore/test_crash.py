# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of what is left when the program is killed.
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
    Has programs write, and kills them in the midst of it.

    @ivar done: fires when there are no more of them.
    """

    transport: Any

    def __init__(self) -> None:
        self.done: Deferred[None] = Deferred()
        self._errors = b""
        self._buffer = b""
        self._wrote: list[tuple[int, float]] = []
        self._ended: Deferred[int] | None = None
        self._process = 0
        self._last = 0

    async def killAt(
        self, description: str, first: int, last: int
    ) -> list[tuple[int, float]]:
        """
        Have one write, and kill it.

        @param first: the number of the first write.
        @param last: the number of a write after which it is killed.
        @return: how much it had written, when.
        """
        self._wrote, self._last = [], last
        self._ended = Deferred()
        self.transport.write(f"{description} {first}\n".encode())
        code = await self._ended
        assert code == -signal.SIGKILL, (code, self._errors)
        return self._wrote

    def outReceived(self, data: bytes) -> None:
        """
        One of them says something.
        """
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            verb, *words = line.split()
            if verb == b"process":
                self._process = int(words[0])
            elif verb == b"wrote":
                self._wrote.append((int(words[0]), float(words[1])))
                if self._wrote[-1][0] >= self._last and self._process:
                    os.kill(self._process, signal.SIGKILL)
                    self._process = 0
            elif self._ended is not None:
                self._ended.callback(int(words[0]))

    def errReceived(self, data: bytes) -> None:
        """
        One of them complains.
        """
        self._errors += data

    def processEnded(self, reason: Failure) -> None:
        """
        There are no more of them.
        """
        self.done.callback(None)


class KillTests(TestCase):
    """
    Kill the program in the midst of ten thousand writes, more than twenty
    times.

    @cvar programs: how many there are at a time.
    @cvar kills: how often each is killed, on one file after the other.
    """

    timeout = 120
    programs = 3
    kills = (3, 2, 2)

    async def test_kill(self) -> None:
        """
        The file opens, is sound, and has in it all that is older than a
        second: of this time, and of the times before.
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
        Kill those that write to one file.
        """
        old: set[int] = set()
        for turn in range(kills):
            first = turn * COUNT
            last = first + choice.randrange(COUNT * 28 // 100, COUNT * 45 // 100)
            wrote = await writer.killAt(f"sqlite:{path}", first, last)
            # It did not die before it said the last.
            died = wrote[-1][1]
            until = max(count for count, time in wrote if time < died - 1.0)
            self.assertGreater(until, first)
            old |= set(range(first, until))
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
