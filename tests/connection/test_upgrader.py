# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the upgrade of raw transports: what both sides agree on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from twisted.logger import LogLevel, formatEvent

from tests.connection.upgrading import (
    OtherSecurity,
    Raw,
    UpgradeTestCase,
)
from twisted_libp2p.errors import (
    ConfigurationError,
)
from twisted_libp2p.limits.refusallog import INTERVAL
from twisted_libp2p.muxer.mplex import Mplex
from twisted_libp2p.muxer.yamux import Yamux
from twisted_libp2p.node import Node
from twisted_libp2p.security.noise import Noise
from twisted_libp2p.security.plaintext import Plaintext
from twisted_libp2p.security.secio import SECIO
from twisted_libp2p.security.tls import TLS


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


class LogTests(UpgradeTestCase):
    """
    The lines about inbound connections that have failed.
    """

    def lines(self, level: LogLevel) -> list[str]:
        """
        Return the lines of a level about inbound connections.
        """
        texts = [
            formatEvent(each) for each in self.logged if each["log_level"] is level
        ]
        return [each for each in texts if each.startswith("inbound connection")]

    def test_left(self) -> None:
        """
        A peer that leaves, since it has dialed another address, is no refusal.
        """
        server = self.nodes.start()
        for leave in ("loseConnection", "abortConnection"):
            getattr(self.dialRaw(server).transport, leave)()
            self.nodes.settle()
        self.assertEqual(self.lines(LogLevel.info), [])
        lines = self.lines(LogLevel.debug)
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertRegex(line, "^inbound connection from /memory/.* ended: the ")

    def securing(self) -> Iterator[tuple[str, bytes, Raw]]:
        """
        Dial the securities of a node, up to the agreement on each.

        @return: the name of the protocol, bytes that are no message of it, the peer.
        """
        clock = self.nodes.clock
        for security, garbage in (
            (Noise(clock), b"\0\1x"),
            (TLS(clock, lambda: 0.0), b"GET / HTTP/1.1\r\n\r\n"),
            (SECIO(clock), b"\xff" * 4),
            (Plaintext(clock), b"\xff" * 10),
        ):
            server = self.nodes.start(security=[security])
            raw = self.dialRaw(server)
            line = f"{security.protocolID}\n".encode()
            raw.transport.write(
                b"\x13/multistream/1.0.0\n" + bytes((len(line),)) + line
            )
            self.nodes.settle()
            self.assertIn(line, raw.received)
            self.logged.clear()
            yield security.protocolID, garbage, raw

    def test_leftHandshake(self) -> None:
        """
        Nor is one that leaves during the handshake, or inside a message of it.
        """
        for leave in ("loseConnection", "abortConnection"):
            for begun in (b"", b"\1"):
                for name, _, raw in self.securing():
                    raw.transport.write(begun)
                    self.nodes.settle()
                    getattr(raw.transport, leave)()
                    self.nodes.settle()
                    self.assertEqual(self.lines(LogLevel.info), [], name)
                    [line] = self.lines(LogLevel.debug)
                    self.assertIn(f" ended: {name}: the connection ended", line)

    def test_refusedHandshake(self) -> None:
        """
        A peer that sends no message of the handshake is refused.
        """
        for name, garbage, raw in self.securing():
            raw.transport.write(garbage)
            self.nodes.settle()
            raw.transport.abortConnection()
            self.nodes.settle()
            self.assertEqual(self.lines(LogLevel.debug), [], name)
            [line] = self.lines(LogLevel.info)
            self.assertIn(f" refused: {name}: ", line)

    def test_refused(self) -> None:
        """
        A peer that speaks something else is refused.
        """
        self.dialRaw(self.nodes.start()).transport.write(b"GET / HTTP/1.1\r\n\r\n")
        self.nodes.settle()
        self.assertEqual(self.lines(LogLevel.debug), [])
        [line] = self.lines(LogLevel.info)
        self.assertIn(" refused: ", line)

    def test_flood(self) -> None:
        """
        A flood of refused connections has one line in a second, which has their number.
        """
        server = self.nodes.start()

        def refused(count: int) -> None:
            for _ in range(count):
                self.dialRaw(server).transport.write(b"GET / HTTP/1.1\r\n\r\n")
                self.nodes.settle()

        refused(4)
        self.assertEqual(len(self.lines(LogLevel.info)), 1)
        self.nodes.clock.advance(INTERVAL)
        refused(1)
        [_, line] = self.lines(LogLevel.info)
        self.assertTrue(line.endswith(" (3 more since the last message)"), line)
