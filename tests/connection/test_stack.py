# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the stack of layers, and of its dialects.
"""

from __future__ import annotations

from typing import Any

from tests.connection.upgrading import (
    OtherSecurity,
    UpgradeTestCase,
)
from tests.negotiation.test_multistream import HEADER, NOISE
from twisted_libp2p.errors import (
    ConfigurationError,
    DialFailed,
    LegacyPeer,
)
from twisted_libp2p.node import Node
from twisted_libp2p.security.noise import Noise


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
        build = port.receiver.buildProtocol

        def counting(addr: Any) -> Any:
            accepted.append(addr)
            return build(addr)

        port.receiver.buildProtocol = counting  # type: ignore[method-assign]
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
