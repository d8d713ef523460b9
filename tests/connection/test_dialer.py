# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of dialing a peer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from tests.connection.silence import SilentFactory
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import (
    DialFailed,
    DialToSelf,
    ErrorCode,
    InvalidMultiaddr,
    InvalidPeerID,
    NoAddresses,
    ProtocolViolation,
    SessionEnded,
    UnsupportedAddress,
)
from twisted_libp2p.events import ClosedConn, Event, OpenedConn
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Direction
from twisted_libp2p.limits import Limits, ScopeLimits
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryTransport


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

    def connections(self) -> tuple[int, int]:
        """
        Count the connections of both nodes.
        """
        self.nodes.settle()
        return len(self.client.connections), len(self.server.connections)

    def test_anybodyAgain(self) -> None:
        """
        An address without a peer id can be used any number of times: there is
        one transport and one connection, until that has ended.
        """
        bare = str(self.address.withoutPeer())
        accepted = self.accepted()
        for _ in range(20):
            self.nodes.result(self.client.ping(bare))
        self.assertEqual(self.connections(), (1, 1))
        self.assertEqual(len(accepted), 1)
        (first,) = self.client.connections
        self.nodes.result(first.close())
        again = self.nodes.result(self.client.connect(bare))
        self.assertIsNot(again, first)
        self.assertTrue(again.connected)
        self.assertEqual(self.connections(), (1, 1))

    def test_anybodyKnown(self) -> None:
        """
        If the peer that answers is connected already, whoever has dialed, its
        connection is used; the new one is closed with a code, and no event is
        published for it.
        """
        first = self.nodes.result(self.client.connect(self.address))
        events: list[object] = []
        self.client.events.subscribe(Event, events.append)
        closed: list[ClosedConn] = []
        self.server.events.subscribe(ClosedConn, closed.append)
        for _ in range(20):
            address = self.nodes.result(self.server.listenOn("/memory/0"))[0]
            bare = address.withoutPeer()
            self.assertIs(self.nodes.result(self.client.connect(bare)), first)
        self.assertEqual(self.connections(), (1, 1))
        kinds = {type(each) for each in events}
        self.assertFalse(kinds & {OpenedConn, ClosedConn})
        for each in closed:
            reason = each.reason.value
            assert isinstance(reason, SessionEnded)
            self.assertEqual(reason.code, ErrorCode.SUPPLANTED)
        self.assertEqual(len(closed), 20)
        # Long after it was opened, a connection of the peer's will do as well.
        self.nodes.advance(20)
        target = self.client.addresses[0].withoutPeer()
        back = self.nodes.result(self.server.connect(target))
        self.assertIs(back.direction, Direction.INBOUND)
        self.assertEqual(self.connections(), (1, 1))

    def test_anybodyAtOnce(self) -> None:
        """
        Dials at once by several addresses of one unknown peer lead to one
        connection.
        """
        others = self.nodes.result(self.server.listenOn("/memory/0"))
        dials = [
            self.client.connect(each.withoutPeer()) for each in (self.address, *others)
        ]
        self.nodes.settle()
        self.assertEqual(len({self.successResultOf(dial) for dial in dials}), 1)
        self.assertEqual(self.connections(), (1, 1))

    def test_anybodyMutual(self) -> None:
        """
        When both sides dial at once by address alone, both end with the same
        connection, and nothing that they have opened on the other one is lost.
        """
        dials = [
            self.client.connect(self.server.addresses[0].withoutPeer()),
            self.server.connect(self.client.addresses[0].withoutPeer()),
        ]
        self.nodes.settle()
        for dial in dials:
            self.assertTrue(self.successResultOf(dial).connected)
        self.nodes.advance(60)
        self.assertEqual(self.connections(), (1, 1))
        for node, other in (
            (self.client, self.server),
            (self.server, self.client),
        ):
            target = other.addresses[0].withoutPeer()
            self.nodes.result(node.ping(target))
        self.assertEqual(self.connections(), (1, 1))

    def test_anybodyCrowded(self) -> None:
        """
        The limit of the peer's connections does not refuse a dial that needs no
        further connection.
        """
        limits = replace(Limits.none(), peer=ScopeLimits(connections=1))
        client = self.nodes.start(limits=limits)
        first = self.nodes.result(client.connect(self.address))
        bare = self.nodes.result(self.server.listenOn("/memory/0"))[0].withoutPeer()
        self.assertIs(self.nodes.result(client.connect(bare)), first)

    def accepted(self) -> list[Any]:
        """
        Note the transports that the server accepts from now on.
        """
        number = int(self.address.value("memory") or 0)
        port = self.nodes.network.ports[number]
        build, accepted = port.receiver.buildProtocol, []

        def counting(addr: Any) -> Any:
            accepted.append(addr)
            return build(addr)

        port.receiver.buildProtocol = counting  # type: ignore[method-assign]
        return accepted

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
        A hundred callers share one dial, and each may cancel his own share.
        """
        accepted = self.accepted()
        dials = [self.client.connect(self.address) for _ in range(100)]
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
        for word in (
            str(self.server.peerID),
            "/memory/404",
            "quic-v1; /ip4/127.0.0.1/tcp/4001 is one that TCP dials",
        ):
            self.assertIn(word, str(error))

    def test_nothingPinned(self) -> None:
        """
        A cause does not hold on to what the peer has sent: frames of its traceback
        would.
        """

        class Evil(Protocol):
            """
            Answers any proposal with 60 KB of no message.
            """

            transport: Any

            def dataReceived(self, data: bytes) -> None:
                """
                Answer.
                """
                self.transport.write(b"x" * 60_000)

        transport = MemoryTransport(self.nodes.network)
        endpoint = transport.serverEndpoint(Multiaddr("/memory/777"))
        self.nodes.result(endpoint.listen(Factory.forProtocol(Evil)))
        dial = self.client.connect("/memory/777")
        self.nodes.settle()
        error = self.failureResultOf(dial, DialFailed).value
        ((_, cause),) = error.causes
        self.assertIsInstance(cause, ProtocolViolation)
        chain: list[BaseException | None] = [cause]
        while chain:
            each = chain.pop()
            if each is not None:
                self.assertIsNone(each.__traceback__)
                chain += (each.__cause__, each.__context__)

    def test_text(self) -> None:
        """
        An address that was dialed alone is told once.
        """
        dial = self.client.connect("/memory/404")
        error = self.failureResultOf(dial, DialFailed).value
        self.assertEqual(str(error).count("/memory/404"), 1)

    def test_self(self) -> None:
        """
        A node does not dial itself.
        """
        self.failureResultOf(self.client.connect(self.client.peerID), DialToSelf)
        self.failureResultOf(self.client.connect(self.client.addresses[0]), DialToSelf)

    def test_own(self) -> None:
        """
        Where a peer says to be at an address of ours as well, that is not
        tried unless all others fail.
        """
        own = self.client.addresses[0].withoutPeer()
        accepted: list[Any] = []
        port = self.nodes.network.ports[int(own.value("memory") or 0)]
        self.patch(port.receiver, "buildProtocol", accepted.append)
        live = str(self.address.withoutPeer())
        connection = self.nodes.result(self.dialKnown(str(own), live))
        self.assertEqual((connection.remotePeer, accepted), (self.server.peerID, []))
        dial = self.client._dialer.dial(Identity.generate().peerID, [own])
        self.failureResultOf(dial, DialFailed)
        self.assertEqual(len(accepted), 1)

    def test_selfUnknown(self) -> None:
        """
        At an address without a peer id it finds out who answers, and nobody
        hears of a connection.
        """
        opened: list[OpenedConn] = []
        self.client.events.subscribe(OpenedConn, opened.append)
        ports = self.nodes.network.ports
        own = self.client.addresses[0].withoutPeer()
        ports[777] = ports[int(own.value("memory") or 0)]
        for target in (own, Multiaddr("/memory/777")):
            dial = self.client.connect(target)
            self.nodes.settle()
            error = self.failureResultOf(dial, DialFailed).value
            self.assertIsInstance(error.causes[0][1], DialToSelf)
            self.assertEqual((opened, len(self.client.connections)), ([], 0))
        # The timer of all upgrades runs once more.
        self.nodes.advance(10)
        self.assertEqual(self.nodes.clock.getDelayedCalls(), [])

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
