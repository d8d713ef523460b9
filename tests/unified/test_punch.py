# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite's I{hole-punch} application in a laboratory, with a real Redis: all addresses
are private, as in the suite.
"""

from __future__ import annotations

import os
import sys

from twisted.internet import reactor

from tests.lab.case import LabTestCase
from tests.lab.nat import NAT, Mapping
from tests.lab.reactor import ReactorIn
from tests.lab.space import Space
from tests.lab.wire import Link
from tests.processes import ROOT, Program
from tests.unified.harness import findRedis, measured


class PunchTests(LabTestCase):
    """
    A relay, a listener and a dialer of ours.
    """

    def start(self, space: Space, *command: str, **variables: str) -> Program:
        """
        Start a program in a place.
        """
        program = Program()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        ReactorIn(reactor, space).spawnProcess(
            program, command[0], command, env=environment
        )
        self.addCleanup(program.stop, "KILL")
        return program

    async def check(self, transport: str, **stack: str) -> None:
        """
        Play the suite.
        """
        server = findRedis()
        link, nat = Link(0.01), NAT(Mapping.TRANSLATING)
        store = self.lab.site("redis", "10.77.0.80")
        redis = self.start(
            store, server, "--bind", "10.77.0.80", "--port", "6379",
            "--save", "", "--appendonly", "no", "--protected-mode", "no",
        )  # fmt: skip
        await redis.says("(Ready to accept connections)")
        relay = self.lab.site("relay", "10.77.0.68", link=link)
        dialer, listener = (
            self.lab.host(
                self.lab.router(
                    f"router{number}",
                    f"10.77.0.{number}",
                    f"10.77.{number}",
                    nat,
                    link=link,
                )
            )
            for number in (66, 67)
        )

        def run(space: Space, **variables: str) -> Program:
            return self.start(
                space,
                *(sys.executable, "-m", "tests.unified", "hole-punch"),
                REDIS_ADDR="10.77.0.80:6379",
                TEST_KEY="a1b2c3d4",
                TRANSPORT=transport,
                **stack,
                **variables,
            )

        run(relay, RELAY_IP="10.77.0.68")
        run(listener, IS_DIALER="false", LISTENER_IP="10.77.67.2")
        last = run(dialer, IS_DIALER="true", DIALER_IP="10.77.66.2")
        code = await last.ends()
        self.assertEqual(code, 0, last.err.decode())
        found = measured("transport", last.out.decode())["latency"]
        self.assertGreater(
            float(found["handshake_plus_one_rtt"]), float(found["ping_rtt"])
        )

    async def test_tcp(self) -> None:
        """
        Over TCP.
        """
        await self.check("tcp", SECURE_CHANNEL="tls", MUXER="yamux")

    async def test_quic(self) -> None:
        """
        Over QUIC, which has no security protocol and no muxer to choose.
        """
        await self.check("quic-v1")
