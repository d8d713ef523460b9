# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A peer in the internet, and two machines behind routers, for tests.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.protocols.wire import Echo

from tests.lab.case import LabTestCase
from tests.lab.nat import NAT, Mapping
from tests.lab.reactor import ReactorIn
from tests.lab.space import Space
from tests.lab.wire import Link
from tests.processes import Program
from twisted_libp2p.node import Node

__all__ = ["HomesTestCase"]


class HomesTestCase(LabTestCase):
    """
    The peer in the internet runs in this process; programs run on the machines.

    @ivar middle: the peer.
    @ivar place: its address.
    @ivar hosts: the machines.
    """

    middle: Node
    place: str
    hosts: list[Space]
    timeout = 240

    async def begin(self, *services: Any) -> None:
        """
        Start the peer in the internet, and connect the machines.

        @param services: the services of the peer.
        """
        site = self.lab.site("middle", "45.45.0.10", link=Link(0.01))
        self.middle = Node(
            ReactorIn(reactor, site),
            listen=["/ip4/45.45.0.10/tcp/4001"],
            transports=["tcp"],
            services=services,
        )
        self.middle.startService()
        self.addCleanup(self.middle.stopService)
        await self.middle.whenListening()
        self.place = str(self.middle.addresses[0])
        self.hosts = [
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

    def program(self, space: Space, *arguments: str) -> Program:
        """
        Start a program of Python in a place; it is stopped after the test.
        """
        return self.command(space, sys.executable, *arguments)

    def command(self, space: Space, *command: str) -> Program:
        """
        Start a program in a place; it is stopped after the test.
        """
        program = Program()
        ReactorIn(reactor, space).spawnProcess(program, command[0], command, env=None)
        self.addCleanup(program.stop)
        return program

    def listen(self) -> None:
        """
        Echo at port 22 of the first machine, as its server of SSH.
        """
        port = ReactorIn(reactor, self.hosts[0]).listenTCP(
            22, Factory.forProtocol(Echo), interface="127.0.0.1"
        )
        self.addCleanup(port.stopListening)

    async def pipe(self, target: str, *options: str) -> None:
        """
        Let C{libp2p pipe} on the second machine reach the first one: it goes on when
        the peer in the internet is gone.
        """
        began = reactor.seconds()
        pipe = self.program(
            self.hosts[1],
            *("-m", "twisted_libp2p", "pipe", target, "/ssh/1.0.0", *options),
        )
        pipe.transport.write(b"hello\n")
        await pipe.says("(hello)")
        took = reactor.seconds() - began
        print(f"the first bytes came back {took:.1f} s after the start of the pipe")
        await self.middle.stopService()
        pipe.transport.write(b"still there\n")
        await pipe.says("(still there)")
        self.assertNotIn(b"no direct connection", pipe.err)
        pipe.transport.closeStdin()
        self.assertEqual(await pipe.ends(), 0)
