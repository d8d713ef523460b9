# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of a node in several processes under load: its clients do not notice that all
workers are replaced, and a worker that is stopped is replaced.
"""

from __future__ import annotations

import os
import re
import signal

from twisted.internet import reactor
from twisted.internet.task import deferLater

from tests.faults import THOROUGH
from tests.faults.clients import Clients
from tests.processes import TWIST, ProgramTestCase

PROCESSES = 4

#: Clients per second; each has a stream that lasts for three seconds.
RATE = 10.0


class RollTests(ProgramTestCase):
    """
    SIGHUP and SIGSTOP.
    """

    if not THOROUGH:
        skip = "it keeps all cores busy: make faults"

    async def test_roll(self) -> None:
        """
        All workers are replaced, and no stream ends early; then one of the new workers
        is stopped, and the others accept connections until another one replaces it.
        """
        program = self.start(
            *TWIST,
            "--log-format=text",
            "libp2p",
            f"--processes={PROCESSES}",
            "--drain=300",
            "--listen=/ip4/127.0.0.1/tcp/0",
            "--echo",
        )
        address = await program.says(r"4 processes are reached at (\S+/p2p/\w+)")
        clients = Clients(reactor, address)
        clients.start(RATE)
        program.transport.signalProcess("HUP")
        await program.says("(all workers are replaced)")
        # Streams of old and new workers.
        await deferLater(reactor, 4.0, lambda: None)
        await clients.finish()
        self.assertEqual(dict(clients.errors), {})
        self.assertGreater(clients.done, 0)

        said = (program.out + program.err).decode()
        pids = re.findall(r"worker 2 is process (\d+)", said)
        self.assertEqual(len(pids), 2)
        os.kill(int(pids[-1]), signal.SIGSTOP)
        await program.says(rf"worker 2 \(process {pids[-1]}\) (does not answer)")
        await program.says(rf"worker 2 \(process {pids[-1]}\) has ended: signal (9)")
        self.assertIn(await program.stop(), (0, -15))
