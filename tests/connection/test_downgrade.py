# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of what a man in the middle gets who strips offers.
"""

from __future__ import annotations

from typing import Any

from tests.connection.upgrading import UpgradeTestCase
from tests.negotiation.test_multistream import HEADER
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.interfaces import ISecurityProvider
from twisted_libp2p.negotiation.multistream import encode
from twisted_libp2p.node import SECURITIES
from twisted_libp2p.plugin import providers
from twisted_libp2p.security.noise import Noise
from twisted_libp2p.security.plaintext import Plaintext
from twisted_libp2p.security.secio import SECIO

WEAK = ("/plaintext/2.0.0", "/secio/1.0.0")


class DowngradeTests(UpgradeTestCase):
    """
    Nothing insecure unless asked for by name.
    """

    def test_defaults(self) -> None:
        """
        What is weak is there, under a name, and is no default.
        """
        known = providers(ISecurityProvider)
        self.assertIn("secio", known)
        self.assertIn("insecure-plaintext", known)
        self.assertNotIn("plaintext", known)
        self.assertFalse({"secio", "insecure-plaintext"} & set(SECURITIES))

    def test_strippedDialer(self) -> None:
        """
        A dialer all of whose offers are refused does not come down to weaker
        ones, in any dialect; it fails.
        """
        for number, dialect in enumerate(("multistream", "bootstrap", "auto")):
            factory, address = self.listenRaw(800 + number)
            client = self.nodes.start(dialect=dialect)
            dialing = client.connect(address)
            said = b""
            for _ in range(8):
                self.nodes.settle()
                raw = factory.peers[-1]
                if dialect == "bootstrap" and raw.received.startswith(b"/multi"):
                    raw.transport.write(b"/multistream/1.0.0\0")
                raw.transport.write(HEADER + b"\x03na\n" * 4)
                said += raw.received
            self.nodes.advance(30)
            self.failureResultOf(dialing, DialFailed)
            for peer in factory.peers:
                said += peer.received
            for weak in WEAK:
                self.assertNotIn(weak.encode("ascii"), said)

    def test_strippedListener(self) -> None:
        """
        A listener that is only offered the weak refuses, in both dialects.
        """
        server = self.nodes.start()
        for weak in WEAK:
            raw = self.dialRaw(server)
            raw.transport.write(HEADER + encode(weak))
            self.nodes.settle()
            self.assertEqual(raw.received, HEADER + b"\x03na\n")
            raw = self.dialRaw(server)
            raw.transport.write(weak.encode("ascii") + b"\0")
            self.nodes.settle()
            self.assertEqual(raw.received, b"")
            self.assertIsNotNone(raw.lost)
        self.assertEqual(len(server.connections), 0)

    def test_lastOfAll(self) -> None:
        """
        Even where plaintext was asked for, and asked for first, it is proposed
        last: two nodes that have something better use that.
        """
        clock = self.nodes.clock
        for better in (Noise, SECIO):
            options: dict[str, Any] = {"security": [Plaintext(clock), better(clock)]}
            server, client = self.nodes.start(**options), self.nodes.start(**options)
            near, far = self.nodes.connect(client, server)
            self.assertEqual(near.security, better.protocolID)
            self.assertEqual(far.security, better.protocolID)

    def test_askedFor(self) -> None:
        """
        Asked for by their names, they work.
        """
        for name, protocolID in (
            ("insecure-plaintext", WEAK[0]),
            ("secio", WEAK[1]),
        ):
            server = self.nodes.start(security=[name])
            client = self.nodes.start(security=[name])
            near, _ = self.nodes.connect(client, server)
            self.assertEqual((near.security, near.early), (protocolID, False))
