# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of dials that meet: TCP makes one connection of two, and both sides are its
initiators.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import DialFailed, TwoInitiators
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions
from twisted_libp2p.node import Node
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport.memory.addresses import MemoryAddress
from twisted_libp2p.transport.memory.transport import MemoryNetwork, MemoryTransport
from twisted_libp2p.wire.frames import delimit

Waiting = list[tuple[Multiaddr, IProtocolFactory, Deferred[Any]]]


@implementer(IStreamClientEndpoint)
class Crossing:
    """
    Waits for the dial of the other side, and makes one connection of both.
    """

    def __init__(
        self, network: MemoryNetwork, waiting: Waiting, address: Multiaddr
    ) -> None:
        self._network = network
        self._waiting = waiting
        self._address = address

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """
        Connect.
        """
        connected: Deferred[Any] = Deferred()
        self._waiting.append((self._address, protocolFactory, connected))
        if len(self._waiting) == 2:
            (here, one, first), (there, other, second) = self._waiting
            self._waiting.clear()
            near, far = MemoryAddress.of(here), MemoryAddress.of(there)
            ends = one.buildProtocol(near), other.buildProtocol(far)
            assert ends[0] is not None and ends[1] is not None
            self._network.join(ends[0], ends[1], near, far)
            first.callback(ends[0])
            second.callback(ends[1])
        return connected


class CrossingTransport(MemoryTransport):
    """
    A transport whose dials from a listener meet those of the other node.
    """

    def __init__(self, network: MemoryNetwork, waiting: Waiting) -> None:
        super().__init__(network)
        self._waiting = waiting

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to an address.
        """
        if options.fromListener is False:
            return super().clientEndpoint(address, options)
        return Crossing(self.network, self._waiting, address)


class Proposing(Protocol):
    """
    A listener that begins the negotiation itself.
    """

    def connectionMade(self) -> None:
        """
        Propose a protocol.
        """
        assert self.transport is not None
        for each in (b"/multistream/1.0.0\n", b"/tls/1.0.0\n"):
            self.transport.write(delimit(each))


class CrossedTests(SynchronousTestCase):
    """
    Two nodes that dial each other at the same moment.
    """

    def setUp(self) -> None:
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.waiting: Waiting = []

    def pair(self, one: str, other: str) -> tuple[Node, Node]:
        """
        Start two nodes with these security protocols.
        """
        started = [
            self.nodes.start(
                transports=[CrossingTransport(self.nodes.network, self.waiting)],
                security=each.split(),
            )
            for each in (one, other)
        ]
        return started[0], started[1]

    def test_again(self) -> None:
        """
        Both dial again from other ports, whatever they have proposed first.
        """
        for one, other in (
            ("noise", "noise"),
            ("tls", "tls"),
            ("noise tls", "tls noise"),
        ):
            near, far = self.pair(one, other)
            dials = near.connect(far.addresses[0]), far.connect(near.addresses[0])
            self.nodes.advance(1)
            here, there = map(self.successResultOf, dials)
            self.assertEqual(here.remotePeer, far.peerID)
            self.assertEqual(there.remotePeer, near.peerID)

    def test_demanded(self) -> None:
        """
        A dial that has to come from a listener fails.
        """
        near, far = self.pair("noise", "noise")
        options = DialOptions(fromListener=True)
        dials = [
            one.connect(other.addresses[0], options)
            for one, other in ((near, far), (far, near))
        ]
        self.nodes.advance(1)
        for dial in dials:
            failed = self.failureResultOf(dial, DialFailed).value
            self.assertIsInstance(failed.causes[0][1], TwoInitiators)

    def test_fresh(self) -> None:
        """
        A dial that has to open a new connection does so, although there is another.
        """
        near, far = self.pair("noise", "noise")
        older = self.nodes.result(
            near.connect(far.addresses[0], DialOptions(fromListener=False))
        )
        options = DialOptions(fresh=True)
        dials = [
            one.connect(other.addresses[0], options)
            for one, other in ((near, far), (far, near))
        ]
        self.nodes.advance(1)
        newer, _ = map(self.successResultOf, dials)
        self.assertIsNot(newer, older)

    def test_lie(self) -> None:
        """
        A listener that begins itself is dialed once more; if the port of the first dial
        was a new one, it is not.
        """
        network = self.nodes.network
        address = Multiaddr("/memory/77")
        dialed: list[Proposing] = []

        def build() -> Proposing:
            dialed.append(Proposing())
            return dialed[-1]

        factory = Factory.forProtocol(build)
        endpoint = MemoryTransport(network).serverEndpoint(address)
        port = self.nodes.result(endpoint.listen(factory))
        self.addCleanup(port.stopListening)
        node = self.nodes.start(security=["noise"])
        for option, count in ((None, 2), (False, 1)):
            dialed.clear()
            dial = node.connect(address, DialOptions(fromListener=option))
            self.nodes.advance(1)
            failed = self.failureResultOf(dial, DialFailed).value
            self.assertIsInstance(failed.causes[0][1], TwoInitiators)
            self.assertEqual(len(dialed), count)
