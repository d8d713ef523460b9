# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of upgrades that fail, and of peers that dial with bad intentions.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError

from tests.connection.upgrading import (
    OtherSecurity,
    ThirdSecurity,
    UpgradeTestCase,
)
from tests.negotiation.test_multistream import HEADER, NOISE
from twisted_libp2p.errors import (
    DialFailed,
    NegotiationFailed,
    PeerMismatch,
    UnsupportedProtocol,
    UpgradeTimeout,
)
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.identity import Identity
from twisted_libp2p.limits.refusallog import INTERVAL
from twisted_libp2p.negotiation.multistream import encode
from twisted_libp2p.security.noise import Noise


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
            clock.advance(INTERVAL)
            client = self.nodes.start(security=proposed)
            dialing = client.connect(server.addresses[0])
            self.nodes.settle()
            cause = self.cause(dialing)
            self.assertIsInstance(cause, UnsupportedProtocol)
            self.assertEqual(cause.proposed, tuple(s.protocolID for s in proposed))
            self.assertEqual(cause.spoken, spoken)
            # One line in a second, even where the first choice was alone on a
            # transport of its own.
            (line,) = self.messages("refused")
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
        # The timer of all upgrades runs once more.
        self.nodes.advance(10)
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
