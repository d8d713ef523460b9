# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of dialing a peer.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import (
    DialFailed,
    DialToSelf,
    InvalidMultiaddr,
    InvalidPeerID,
    NoAddresses,
    UnsupportedAddress,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryTransport


class SilentFactory(Factory):
    """
    Accepts and says nothing.
    """

    noisy = False

    def __init__(self) -> None:
        self.accepted = 0

    def buildProtocol(self, addr: object) -> Any:
        self.accepted += 1
        return Protocol()


class DialTests(SynchronousTestCase):
    """
    From a peer id, or an address, to a connection.
    """

    def setUp(self) -> None:
        """
        Have two nodes.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.server, self.client = self.nodes.start(), self.nodes.start()
        self.address = self.server.addresses[0]

    def test_forms(self) -> None:
        """
        A peer is dialed by its full address as text or object, and once it is
        known by its id in any spelling, which gives the same connection.
        """
        peer = self.server.peerID
        first = self.nodes.result(self.client.connect(str(self.address)))
        for target in (
            self.address,
            peer,
            str(peer),
            peer.toCID(),
            peer.toCID("base36"),
            f"/p2p/{peer}",
        ):
            self.assertIs(self.nodes.result(self.client.connect(target)), first)

    def test_anybody(self) -> None:
        """
        An address without a peer id takes who answers.
        """
        connection = self.nodes.result(self.client.connect(self.address.withoutPeer()))
        self.assertEqual(connection.remotePeer, self.server.peerID)

    def test_remembered(self) -> None:
        """
        SD-22: a peer that was connected once is dialed again by its id alone.
        """
        first = self.nodes.result(self.client.connect(self.address))
        self.nodes.result(first.close())
        self.nodes.settle()
        again = self.nodes.result(self.client.connect(self.server.peerID))
        self.assertIsNot(again, first)
        self.assertTrue(again.connected)

    def test_shared(self) -> None:
        """
        Fifty callers share one dial, and each may cancel his own share.
        """
        number = int(self.address.value("memory") or 0)
        port = self.nodes.network.ports[number]
        build, accepted = port.factory.buildProtocol, []

        def counting(addr: Any) -> Any:
            accepted.append(addr)
            return build(addr)

        port.factory.buildProtocol = counting  # type: ignore[method-assign]
        dials = [self.client.connect(self.address) for _ in range(50)]
        dials[7].cancel()
        self.failureResultOf(dials.pop(7), CancelledError)
        self.nodes.settle()
        self.assertEqual(len({self.successResultOf(dial) for dial in dials}), 1)
        self.assertEqual(len(accepted), 1)

    def test_lastCancel(self) -> None:
        """
        When the last caller has gone, so is the dial; the next one starts
        anew.
        """
        silent, address = self.silentListener()
        one, two = self.client.connect(address), self.client.connect(address)
        for dial in (one, two):
            dial.cancel()
            self.failureResultOf(dial, CancelledError)
        self.nodes.settle()
        three = self.client.connect(address)
        self.nodes.settle()
        self.assertEqual(silent.accepted, 2)
        three.cancel()
        self.failureResultOf(three)

    def silentListener(self) -> tuple[SilentFactory, Multiaddr]:
        """
        Listen, and say nothing.
        """
        factory, address = SilentFactory(), Multiaddr("/memory/500")
        endpoint = MemoryTransport(self.nodes.network).serverEndpoint(address)
        self.nodes.result(endpoint.listen(factory))
        return factory, address

    def dialKnown(self, *addresses: str) -> Deferred[Any]:
        """
        Dial the server at addresses that are told beforehand.
        """
        self.client.peerstore.addAddresses(
            self.server.peerID, [Multiaddr(each) for each in addresses]
        )
        return self.client.connect(self.server.peerID)

    def test_deadThenLive(self) -> None:
        """
        A dead address does not keep from a live one, in any order.
        """
        live = str(self.address.withoutPeer())
        for known in (("/memory/404", live), (live, "/memory/404")):
            connection = self.nodes.result(self.dialKnown(*known))
            self.nodes.result(connection.close())
            self.nodes.settle()

    def test_causes(self) -> None:
        """
        A failed dial tells for each address why.
        """
        dial = self.dialKnown("/memory/404", "/ip4/127.0.0.1/udp/1/quic-v1")
        self.nodes.settle()
        error = self.failureResultOf(dial, DialFailed).value
        causes = dict(error.causes)
        self.assertIsInstance(causes["/memory/404"], ConnectionRefusedError)
        self.assertIsInstance(
            causes["/ip4/127.0.0.1/udp/1/quic-v1"], UnsupportedAddress
        )
        for word in (str(self.server.peerID), "/memory/404", "quic-v1"):
            self.assertIn(word, str(error))

    def test_self(self) -> None:
        """
        A node does not dial itself.
        """
        self.failureResultOf(self.client.connect(self.client.peerID), DialToSelf)
        self.failureResultOf(self.client.connect(self.client.addresses[0]), DialToSelf)

    def test_unknown(self) -> None:
        """
        A peer of which no address is known cannot be dialed.
        """
        stranger = Identity.generate().peerID
        self.failureResultOf(self.client.connect(stranger), NoAddresses)

    def test_malformed(self) -> None:
        """
        What is neither address nor peer id is refused as what it resembles.
        """
        self.failureResultOf(self.client.connect("/ip4/x"), InvalidMultiaddr)
        self.failureResultOf(self.client.connect("nobody"), InvalidPeerID)

    def test_stop(self) -> None:
        """
        A node that stops gives up its dials.
        """
        _, address = self.silentListener()
        dial = self.client.connect(address)
        self.nodes.settle()
        self.nodes.result(self.client.stopService())
        self.failureResultOf(dial, CancelledError)
