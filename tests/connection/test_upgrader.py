# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the upgrade from a raw transport to a connection.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.negotiation.test_multistream import HEADER, NOISE
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import (
    ConfigurationError,
    DialFailed,
    LegacyPeer,
    NegotiationFailed,
    PeerMismatch,
    UnsupportedProtocol,
    UpgradeTimeout,
)
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.identity import Identity
from twisted_libp2p.muxer.mplex import Mplex
from twisted_libp2p.muxer.yamux import Yamux
from twisted_libp2p.negotiation.multistream import encode
from twisted_libp2p.node import Node
from twisted_libp2p.security.noise import Noise
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryTransport


class Raw(Protocol):
    """
    A peer that says what a test tells it to say.
    """

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.lost: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason


class RawFactory(Factory):
    """
    Makes raw peers, and keeps them.
    """

    noisy = False

    def __init__(self) -> None:
        self.peers: list[Raw] = []

    def buildProtocol(self, addr: object) -> Any:
        self.peers.append(Raw())
        return self.peers[-1]


class OtherSecurity(Noise):
    """
    Noise under another name, which nobody else knows.
    """

    protocolID = "/other/1.0.0"


class ThirdSecurity(Noise):
    """
    Noise under yet another name.
    """

    protocolID = "/secio/1.0.0"


class UpgradeTestCase(SynchronousTestCase):
    """
    Nodes in memory, and raw peers among them.
    """

    def setUp(self) -> None:
        """
        Have a network, and keep what is logged.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.logged: list[Any] = []
        observer = cast(ILogObserver, self.logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def dialRaw(self, node: Node) -> Raw:
        """
        Connect a raw peer to a node.
        """
        endpoint = MemoryTransport(self.nodes.network).clientEndpoint(
            node.addresses[0].withoutPeer()
        )
        raw: Raw = self.nodes.result(connectProtocol(endpoint, Raw()))
        return raw

    def listenRaw(self, number: int = 999) -> tuple[RawFactory, Multiaddr]:
        """
        Let raw peers listen.
        """
        factory = RawFactory()
        address = Multiaddr(f"/memory/{number}")
        transport = MemoryTransport(self.nodes.network)
        self.nodes.result(transport.serverEndpoint(address).listen(factory))
        return factory, address

    def messages(self, word: str) -> list[str]:
        """
        What was logged about something.
        """
        texts = [
            event["log_format"].format(**event)
            for event in self.logged
            if event.get("log_format")
        ]
        return [text for text in texts if word in text]


class FactsTests(UpgradeTestCase):
    """
    What both ends know of a connection.
    """

    def test_facts(self) -> None:
        """
        Both ends know each other, the protocols, and who opened it.
        """
        server, client = self.nodes.start(), self.nodes.start()
        near, far = self.nodes.connect(client, server)
        self.assertEqual(near.remotePeer, server.peerID)
        self.assertEqual(far.remotePeer, client.peerID)
        self.assertEqual(near.remoteKey, server.identity.publicKey)
        self.assertEqual((near.direction, far.direction), ("outbound", "inbound"))
        self.assertEqual(near.remoteAddress, server.addresses[0].withoutPeer())
        for end in (near, far):
            self.assertEqual(end.security, "/noise")
            self.assertEqual(end.muxer, "/yamux/1.0.0")
            self.assertEqual(end.transport, "memory")
            self.assertTrue(end.early)
            self.assertIn("/yamux/1.0.0", repr(end))

    def test_preference(self) -> None:
        """
        The initiator's order decides among what both speak.
        """
        clock = self.nodes.clock
        server = self.nodes.start(muxers=[Yamux(clock), Mplex(clock)])
        client = self.nodes.start(muxers=[Mplex(clock), Yamux(clock)])
        near, far = self.nodes.connect(client, server)
        self.assertEqual((near.muxer, far.muxer), ("/mplex/6.7.0", "/mplex/6.7.0"))

    def test_lateMuxer(self) -> None:
        """
        SD-19: without an early choice the muxer is negotiated inside the
        encrypted channel.
        """
        clock = self.nodes.clock

        class Silent(Noise):
            def wrap(self, handshake: Any, wrappedFactory: Any) -> Any:
                return super().wrap(replace(handshake, muxers=()), wrappedFactory)

        server = self.nodes.start(security=[Silent(clock)], muxers=["mplex"])
        client = self.nodes.start(security=[Silent(clock)])
        near, far = self.nodes.connect(client, server)
        self.assertEqual((near.muxer, near.early), ("/mplex/6.7.0", False))
        self.assertEqual((far.muxer, far.early), ("/mplex/6.7.0", False))

    def test_secondSecurity(self) -> None:
        """
        SD-21: what the receiver does not speak is refused, and the next is
        agreed, in all dialects.
        """
        clock = self.nodes.clock
        server = self.nodes.start()
        for dialect in ("multistream", "bootstrap", "auto"):
            client = self.nodes.start(
                security=[OtherSecurity(clock), Noise(clock)], dialect=dialect
            )
            near, far = self.nodes.connect(client, server)
            self.assertEqual((near.security, far.security), ("/noise", "/noise"))

    def test_nothingToSpeak(self) -> None:
        """
        A node without a security protocol, or without a muxer, is none.
        """
        self.assertRaises(ConfigurationError, Node, self.nodes.clock, security=[])
        self.assertRaises(ConfigurationError, Node, self.nodes.clock, muxers=[])


class RefusalTests(UpgradeTestCase):
    """
    SD-20: a failed step aborts the establishment, with a typed error.
    """

    def cause(self, waiting: Any) -> Any:
        """
        The single cause of a failed dial.
        """
        failed = self.failureResultOf(waiting, DialFailed).value
        ((_, cause),) = failed.causes
        return cause

    def test_noCommonSecurity(self) -> None:
        """
        The error names what was proposed; where there was time to ask, it
        names what the peer speaks too; and the peer's log names both.
        """
        clock = self.nodes.clock
        server = self.nodes.start(security=[Noise(clock)])
        for proposed, spoken in (
            ([OtherSecurity(clock)], ()),
            ([OtherSecurity(clock), ThirdSecurity(clock)], ("/noise",)),
        ):
            self.logged.clear()
            client = self.nodes.start(security=proposed)
            dialing = client.connect(server.addresses[0])
            self.nodes.settle()
            cause = self.cause(dialing)
            self.assertIsInstance(cause, UnsupportedProtocol)
            self.assertEqual(cause.proposed, tuple(s.protocolID for s in proposed))
            self.assertEqual(cause.spoken, spoken)
            lines = self.messages("refused")
            # The first choice was alone on a transport of its own.
            self.assertEqual(len(lines), len(proposed))
            for line in lines:
                self.assertIn("/other/1.0.0", line)
                self.assertIn("/noise", line)

    def test_noCommonMuxer(self) -> None:
        """
        So does the error of a muxer, early or late.
        """
        server = self.nodes.start(muxers=["mplex"])
        client = self.nodes.start(muxers=["yamux"])
        dialing = client.connect(server.addresses[0])
        self.nodes.settle()
        cause = self.cause(dialing)
        for name in ("/yamux/1.0.0", "/mplex/6.7.0"):
            self.assertIn(name, str(cause))

    def test_wrongPeer(self) -> None:
        """
        If somebody else answers, the error names both, and neither side has
        seen a connection.
        """
        server, client = self.nodes.start(), self.nodes.start()
        opened: list[OpenedConn] = []
        for node in (server, client):
            node.events.subscribe(OpenedConn, opened.append)
        other = Identity.generate().peerID
        dialing = client.connect(server.addresses[0].withoutPeer().withPeer(other))
        self.nodes.settle()
        cause = self.cause(dialing)
        self.assertIsInstance(cause, PeerMismatch)
        self.assertEqual(
            (cause.expected, cause.obtained), (str(other), str(server.peerID))
        )
        self.assertEqual(opened, [])

    def test_silentListener(self) -> None:
        """
        The whole upgrade has one deadline of ten seconds.
        """
        factory, address = self.listenRaw()
        client = self.nodes.start()
        dialing = client.connect(address)
        self.nodes.advance(9.9)
        self.assertNoResult(dialing)
        self.nodes.advance(0.2)
        self.assertIsInstance(self.cause(dialing), UpgradeTimeout)
        self.assertIsNotNone(factory.peers[0].lost)

    def test_hangUp(self) -> None:
        """
        A listener that hangs up in the midst of it is a typed error.
        """
        factory, address = self.listenRaw()
        client = self.nodes.start()
        dialing = client.connect(address)
        factory.peers[0].transport.write(HEADER)
        self.nodes.settle()
        factory.peers[0].transport.loseConnection()
        self.nodes.settle()
        self.assertIsInstance(self.cause(dialing), NegotiationFailed)

    def test_cancel(self) -> None:
        """
        To cancel a dial is to drop the transport, at once.
        """
        factory, address = self.listenRaw()
        client = self.nodes.start()
        dialing = client.connect(address)
        dialing.cancel()
        self.nodes.settle()
        self.failureResultOf(dialing, CancelledError)
        self.assertIsNotNone(factory.peers[0].lost)
        self.assertEqual(self.nodes.clock.getDelayedCalls(), [])


class HostileDialerTests(UpgradeTestCase):
    """
    Raw peers that connect to a node and misbehave.
    """

    def setUp(self) -> None:
        """
        Have a node.
        """
        super().setUp()
        self.node = self.nodes.start()

    def test_silence(self) -> None:
        """
        Attack 1: a silent connection is closed at ten seconds, not before,
        and nothing was sent to it.
        """
        raw = self.dialRaw(self.node)
        self.nodes.advance(9.9)
        self.assertIsNone(raw.lost)
        self.nodes.advance(0.2)
        self.assertIsNotNone(raw.lost)
        self.assertEqual(raw.received, b"")
        self.assertEqual(self.nodes.clock.getDelayedCalls(), [])

    def test_drip(self) -> None:
        """
        Attack 2: regular bytes do not move the deadline.
        """
        raw = self.dialRaw(self.node)
        for byte in HEADER:
            raw.transport.write(bytes([byte]))
            self.nodes.advance(1)
        self.assertIsNotNone(raw.lost)

    def test_crowd(self) -> None:
        """
        Three hundred silent connections do not keep an honest peer out.
        """
        crowd = [self.dialRaw(self.node) for _ in range(300)]
        honest = self.nodes.start()
        near, _ = self.nodes.connect(honest, self.node)
        self.assertTrue(near.connected)
        self.nodes.advance(10.1)
        self.assertTrue(all(raw.lost is not None for raw in crowd))
        self.assertTrue(near.connected)

    def test_oneLine(self) -> None:
        """
        A peer that is refused is told of in one line, without a traceback.
        """
        raw = self.dialRaw(self.node)
        raw.transport.write(b"GET / HTTP/1.1\r\n\r\n")
        self.nodes.settle()
        self.assertIsNotNone(raw.lost)
        self.assertEqual(len(self.messages("refused")), 1)
        self.assertFalse(any(event.get("log_failure") for event in self.logged))

    def test_bothDialects(self) -> None:
        """
        One listener answers in the dialect in which it is spoken to.
        """
        raw = self.dialRaw(self.node)
        raw.transport.write(HEADER + encode("/nobody") + NOISE)
        self.nodes.settle()
        self.assertEqual(raw.received, HEADER + b"\x03na\n" + NOISE)
        raw = self.dialRaw(self.node)
        raw.transport.write(b"/multistream/1.0.0\0" + NOISE)
        self.nodes.settle()
        self.assertEqual(raw.received, b"/multistream/1.0.0\0" + NOISE)
        raw = self.dialRaw(self.node)
        raw.transport.write(b"/yamux/1.0.0\0")
        self.nodes.settle()
        self.assertEqual(raw.received, b"")
        self.assertIsNotNone(raw.lost)


class DialectTests(UpgradeTestCase):
    """
    What a dialer speaks first.
    """

    def accepted(self, server: Node) -> list[Any]:
        """
        Note the transports that a node accepts from now on.
        """
        accepted: list[Any] = []
        port = self.nodes.network.ports[int(server.addresses[0].value("memory") or 0)]
        build = port.factory.buildProtocol

        def counting(addr: Any) -> Any:
            accepted.append(addr)
            return build(addr)

        port.factory.buildProtocol = counting  # type: ignore[method-assign]
        return accepted

    def test_firstFlight(self) -> None:
        """
        By default the standard dialect; the draft's when told so.
        """
        factory, address = self.listenRaw()
        for dialect, first in (
            ("multistream", HEADER + NOISE),
            ("bootstrap", b"/noise\0"),
            ("auto", b"/noise\0"),
        ):
            client = self.nodes.start(dialect=dialect, security=["noise"])
            dialing = client.connect(address)
            self.nodes.settle()
            self.assertEqual(factory.peers[-1].received[: len(first)], first)
            dialing.cancel()
            self.failureResultOf(dialing)

    def test_unknownDialect(self) -> None:
        """
        There are three dialects, and the error names them.
        """
        error = self.assertRaises(
            ConfigurationError, Node, self.nodes.clock, dialect="klingon"
        )
        self.assertIn("multistream, bootstrap, auto", str(error))

    def test_bootstrap(self) -> None:
        """
        The draft's dialect leads to a connection, and is remembered.
        """
        server = self.nodes.start()
        client = self.nodes.start(dialect="bootstrap")
        self.nodes.connect(client, server)
        self.assertEqual(client.peerstore.dialect(server.peerID), "bootstrap")

    def test_legacyByHeader(self) -> None:
        """
        SD-12: a legacy peer that sends its header is dialed anew, in its own
        dialect.
        """
        factory, address = self.listenRaw()
        client = self.nodes.start(dialect="auto")
        dialing = client.connect(address)
        factory.peers[0].transport.write(HEADER)
        self.nodes.settle()
        self.assertEqual(len(factory.peers), 2)
        self.assertTrue(factory.peers[1].received.startswith(HEADER + NOISE))
        dialing.cancel()
        self.failureResultOf(dialing)

    def test_legacyBySilence(self) -> None:
        """
        A legacy peer that waits for more, or hangs up, is dialed anew.
        """
        for hangUp in (True, False):
            factory, address = self.listenRaw(900 + hangUp)
            client = self.nodes.start(dialect="auto")
            dialing = client.connect(address)
            self.nodes.settle()
            if hangUp:
                factory.peers[0].transport.loseConnection()
                self.nodes.settle()
            else:
                self.nodes.advance(5.1)
            self.assertEqual(len(factory.peers), 2)
            self.assertTrue(factory.peers[1].received.startswith(HEADER + NOISE))
            dialing.cancel()
            self.failureResultOf(dialing)

    def test_legacyAlone(self) -> None:
        """
        Who insists on the draft's dialect is told that the peer has none.
        """
        factory, address = self.listenRaw()
        client = self.nodes.start(dialect="bootstrap")
        dialing = client.connect(address)
        factory.peers[0].transport.write(HEADER)
        self.nodes.settle()
        failed = self.failureResultOf(dialing, DialFailed).value
        self.assertIsInstance(failed.causes[0][1], LegacyPeer)

    def test_firstChoice(self) -> None:
        """
        The first security protocol is proposed alone, with its handshake.  A
        peer that refuses it is dialed anew, and is then asked for one after
        the other; that is remembered.
        """
        clock = self.nodes.clock
        server = self.nodes.start()
        client = self.nodes.start(security=[OtherSecurity(clock), Noise(clock)])
        accepted = self.accepted(server)
        for transports in (2, 3):
            near, _ = self.nodes.connect(client, server)
            self.assertEqual(near.security, "/noise")
            self.assertEqual(len(accepted), transports)
            self.assertEqual(client.peerstore.dialect(server.peerID), "sequential")
            self.nodes.result(near.close())

    def test_firstChoiceLearnt(self) -> None:
        """
        Who takes the first choice after all is asked for it at once again.
        """
        for dialect in ("multistream", "auto"):
            server, client = self.nodes.start(), self.nodes.start(dialect=dialect)
            client.peerstore.setDialect(server.peerID, "sequential")
            accepted = self.accepted(server)
            self.nodes.connect(client, server)
            self.assertEqual(len(accepted), 1)
            self.assertEqual(client.peerstore.dialect(server.peerID), "multistream")

    def test_remembered(self) -> None:
        """
        A peer that is known to be legacy is not asked again for a day.
        """
        server = self.nodes.start()
        client = self.nodes.start(dialect="auto")
        client.peerstore.setDialect(server.peerID, "multistream")
        accepted = self.accepted(server)
        self.nodes.connect(client, server)
        self.assertEqual(len(accepted), 1)
        self.assertEqual(client.peerstore.dialect(server.peerID), "multistream")
        self.nodes.clock.rightNow += 86_401
        self.assertIsNone(client.peerstore.dialect(server.peerID))
