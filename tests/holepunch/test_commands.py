# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two commands on two machines behind routers, in a laboratory.
"""

from __future__ import annotations

import sys

from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.protocols.wire import Echo

from tests.lab.case import LabTestCase
from tests.lab.nat import NAT, Mapping
from tests.lab.reactor import ReactorIn
from tests.lab.space import Space
from tests.lab.wire import Link
from tests.processes import TWIST, Program
from twisted_libp2p.node import Node
from twisted_libp2p.relay.service import RelayService


class CommandTests(LabTestCase):
    """
    C{twist libp2p --serve --relay} behind one router, and C{libp2p pipe} behind
    another.
    """

    def program(self, space: Space, *arguments: str) -> Program:
        """
        Start a program in a place; it is stopped after the test.
        """
        program = Program()
        ReactorIn(reactor, space).spawnProcess(
            program, sys.executable, [sys.executable, *arguments], env=None
        )
        self.addCleanup(program.stop)
        return program

    async def test_pipe(self) -> None:
        """
        The commands find each other through the relay, get a direct connection, and go
        on when the relay is gone.
        """
        site = self.lab.site("relay", "45.45.0.10", link=Link(0.01))
        relay = Node(
            ReactorIn(reactor, site),
            listen=["/ip4/45.45.0.10/tcp/4001"],
            transports=["tcp"],
            services=[RelayService()],
        )
        relay.startService()
        self.addCleanup(relay.stopService)
        await relay.whenListening()
        hosts = [
            self.lab.host(
                self.lab.router(
                    f"home{number}",
                    f"45.46.{number}.1",
                    f"10.{number}.0",
                    NAT(Mapping.TRANSLATING),
                    link=Link(0.01),
                )
            )
            for number in (1, 2)
        ]
        ssh = ReactorIn(reactor, hosts[0]).listenTCP(
            22, Factory.forProtocol(Echo), interface="127.0.0.1"
        )
        self.addCleanup(ssh.stopListening)
        server = self.program(
            hosts[0], *TWIST, "--log-format=text", "libp2p",
            "--serve", "/ssh/1.0.0=tcp:localhost:22",
            "--relay", str(relay.addresses[0]),
        )  # fmt: skip
        address = await server.says(r"listening on (\S+/p2p-circuit/\S+)")
        began = reactor.seconds()
        pipe = self.program(
            hosts[1], "-m", "twisted_libp2p", "pipe", address, "/ssh/1.0.0"
        )
        pipe.transport.write(b"hello\n")
        await pipe.says("(hello)")
        took = reactor.seconds() - began
        print(f"the first bytes came back {took:.1f} s after the start of the pipe")
        await relay.stopService()
        pipe.transport.write(b"still there\n")
        await pipe.says("(still there)")
        self.assertNotIn(b"no direct connection", pipe.err)
        pipe.transport.closeStdin()
        self.assertEqual(await pipe.ends(), 0)
