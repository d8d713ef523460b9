# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of what is left behind by thousands of connections.
"""

from __future__ import annotations

import json

from tests.amounts import ROUNDS
from tests.processes import ProgramTestCase

MIB = 1024 * 1024


class EnduranceTests(ProgramTestCase):
    """
    Connect, one echo stream, close, over and over, in a process of its own: the
    memory of one that has run other tests says nothing.
    """

    timeout = 600

    async def test_connections(self) -> None:
        """
        Connections leave no memory, no socket, no pending call and no
        connection behind, and their events pair up.
        """
        code, out, err = await self.execute("-m", "tests.many_connections", str(ROUNDS))
        self.assertEqual((code, err), (0, ""))
        before, after, counts = map(json.loads, out.splitlines())
        self.assertLess(after["memory"] - before["memory"], min(8 * MIB, ROUNDS * 4096))
        # Fewer than one block of memory for two connections.
        self.assertLess(after["blocks"] - before["blocks"], ROUNDS // 4)
        self.assertLessEqual(after["files"], before["files"] + 4)
        self.assertLess(after["calls"], 20)
        self.assertEqual(counts["open"], 0)
        self.assertEqual(counts["OpenedConn"], 2 * ROUNDS)
        self.assertEqual(counts["ClosedConn"], 2 * ROUNDS)
        self.assertEqual(counts["OpenedStream"], counts["ClosedStream"])
        self.assertGreaterEqual(counts["OpenedStream"], 2 * ROUNDS)
