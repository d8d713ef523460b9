# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Streams that nobody reads, over QUIC between two processes.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.trial.unittest import TestCase

from tests.quic.native import requireNative
from tests.test_pressure import MIB, Child

#: The window of a stream, and the bytes that are offered on each.
WINDOW = MIB
OFFERED = 64 * MIB

#: Growth of a process that the test takes for none: Python, its allocator and the
#: buffers of sockets take it, and a missing bound is many times as much.
SLACK = 128 * MIB


class PressureTests(TestCase):
    """
    Streams that nobody reads stay within a window each, and hold up no other one.
    """

    timeout = 600

    def _spawn(self, *arguments: str) -> Child:
        child = Child()
        loop: Any = reactor
        loop.spawnProcess(
            child,
            sys.executable,
            [sys.executable, "-m", *arguments],
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        )
        return child

    async def _held(self, backend: str, count: int, echoed: int) -> None:
        """
        Offer bytes on streams that nobody reads, and have others echoed meanwhile.
        """
        path = f"quic:{backend}"
        reader = self._spawn("tests.slow_reader", path)
        address = await reader.ask()
        before = int(await reader.ask("rss"))
        numbers = map(str, (count, OFFERED, WINDOW, echoed))
        writer = self._spawn("tests.fast_writer", path, address, *numbers)
        try:
            report = json.loads(await writer.ask())
            self.assertTrue(report["echoed"])
            for written in report["written"]:
                self.assertLess(written, 2 * WINDOW)
            self.assertLess(report["grown"], SLACK)
            grown = int(await reader.ask("rss")) - before
            self.assertLess(grown, count * WINDOW + SLACK)
            # Everything arrives once the reading starts.
            written = json.loads(await writer.ask("end"))
            answers = await gatherResults([reader.ask("read") for _ in range(count)])
            sizes = [int(answer.split()[0]) for answer in answers]
            self.assertEqual(sorted(sizes), sorted(written))
        finally:
            for each in (writer, reader):
                each.transport.closeStdin()
                await each.ended

    async def test_native(self) -> None:
        """
        60 streams of 64 MiB each keep 1 MiB, and 8 MiB are echoed meanwhile.
        """
        requireNative()
        await self._held("native", 60, 8 * MIB)

    async def test_aioquic(self) -> None:
        """
        So too with aioquic, which is slow: fewer streams show the same.
        """
        await self._held("aioquic", 6, MIB)
