# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of a node that has no file descriptor left.
"""

from __future__ import annotations

import re
import resource
import signal

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from tests.account import cpuSeconds, openFiles
from tests.processes import TWIST, ProgramTestCase
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.node import Node

#: The descriptors that the process may have: far fewer than its own limits allow
#: connections, as these were scaled to the many that it had when it started.
DESCRIPTORS = 40


class Silent(Protocol):
    """
    Holds a connection, and says nothing.
    """

    def __init__(self) -> None:
        self.lost: Deferred[None] = Deferred()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Note it.
        """
        self.lost.callback(None)


class SilentFactory(Factory):
    """
    Builds them.
    """

    protocol = Silent
    noisy = False


class DescriptorTests(ProgramTestCase):
    """
    When there are none the node refuses; then it accepts again.
    """

    async def test_accept(self) -> None:
        """
        While others hold all descriptors the node serves those that it has, is
        not busy with the rest, and complains in a few lines; when they are
        gone it lets in whoever comes.
        """
        program = self.start(
            *TWIST,
            "--log-format=text",
            "libp2p",
            "--listen=/ip4/127.0.0.1/tcp/0",
        )
        address = Multiaddr(await program.says(r"(/ip4/127\S+/p2p/\w+)"))
        process = program.transport.pid
        resource.prlimit(process, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        node, late = Node(reactor), Node(reactor)
        for each in (node, late):
            each.startService()
            self.addCleanup(each.stopService)
        await node.ping(address)
        endpoint = TCP4ClientEndpoint(
            reactor, "127.0.0.1", int(address.value("tcp") or 0), timeout=300
        )
        silent: list[Silent] = []
        for _ in range(2 * DESCRIPTORS):
            held = await endpoint.connect(SilentFactory())
            assert isinstance(held, Silent)
            silent.append(held)
        # The kernel has let them all in; the node closes those that are too many.
        await silent[-1].lost
        await program.says(r"(EMFILE)")
        self.assertGreaterEqual(openFiles(process), DESCRIPTORS - 2)
        await self.assertFailure(late.connect(address), DialFailed)
        before = cpuSeconds(process)
        await deferLater(reactor, 1.0)
        await node.ping(address)
        self.assertLess(cpuSeconds(process) - before, 0.3)
        for held in silent:
            if not held.lost.called:
                assert held.transport is not None
                held.transport.abortConnection()  # type: ignore[attr-defined]
                await held.lost
        # It has noticed that when it answers behind it.
        await node.ping(address)
        await late.ping(address)
        self.assertEqual(await program.stop(), -signal.SIGTERM)
        said = (program.out + program.err).decode()
        self.assertNotIn("Traceback", said)
        self.assertLess(len(re.findall("EMFILE", said)), 3 * len(silent))
