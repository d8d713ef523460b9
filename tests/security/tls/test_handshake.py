# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.tls.handshake}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.security.tls.forgery import NOW
from twisted_libp2p.errors import HandshakeFailed, ProtocolViolation
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Handshake, Role
from twisted_libp2p.security import Channel
from twisted_libp2p.security.machine import HandshakeMachine
from twisted_libp2p.security.tls.certificate import HostCertificate
from twisted_libp2p.security.tls.context import Contexts
from twisted_libp2p.security.tls.handshake import TLSHandshake


class TLSHandshakeTests(SynchronousTestCase):
    """
    Tests for L{TLSHandshake}.
    """

    def setUp(self) -> None:
        """
        Make two peers.
        """
        self.identities = Identity.generate(), Identity.generate()
        self.contexts = [
            Contexts(HostCertificate.sign(identity, NOW))
            for identity in self.identities
        ]

    def make(self) -> tuple[TLSHandshake, TLSHandshake]:
        """
        Begin on both sides.
        """
        client, server = (
            TLSHandshake(
                Handshake(
                    identity,
                    Role.CLIENT if initiator else Role.SERVER,
                    None,
                    ("/a",),
                    self.fail,
                ),
                lambda: NOW,
                contexts,
            )
            for identity, initiator, contexts in zip(
                self.identities, (True, False), self.contexts, strict=True
            )
        )
        return client, server

    def opened(self, machine: TLSHandshake, data: bytes) -> bytes:
        """
        Open some bytes.
        """
        assert machine.channel is not None
        opened: list[bytes] = []
        machine.channel.open(data, opened)
        return b"".join(opened)

    def sealed(self, machine: TLSHandshake, data: bytes) -> bytes:
        """
        Seal some bytes.
        """
        assert machine.channel is not None
        return b"".join(machine.channel.seal([data]))

    def test_secured(self) -> None:
        """
        Each side learns who the other is when it has received the other's last
        message, and not before; then there is a channel in both directions.
        """
        client, server = self.make()
        machine: HandshakeMachine = server
        self.assertEqual(machine.start(), b"")
        first = server.receive(client.start())
        self.assertIsNone(server.secured)
        self.assertIsNone(client.secured)
        second = client.receive(first)
        assert client.secured is not None
        self.assertEqual(client.secured.remotePeer, self.identities[1].peerID)
        self.assertIsNone(server.secured)
        third = server.receive(second)
        assert server.secured is not None
        self.assertEqual(server.secured.remotePeer, self.identities[0].peerID)
        self.assertEqual(server.secured.muxer, "/a")
        self.assertEqual(self.opened(server, self.sealed(client, b"up")), b"up")
        # The server has sent tickets, if it could not be kept from it.
        self.assertEqual(
            self.opened(client, third + self.sealed(server, b"down")), b"down"
        )

    def test_byteByByte(self) -> None:
        """
        Where the reads end makes no difference.
        """
        client, server = self.make()
        server.start()
        data = client.start()
        for side in (server, client, server):
            data = b"".join(side.receive(bytes((byte,))) for byte in data)
        self.assertIsNotNone(client.secured)
        self.assertIsNotNone(server.secured)
        self.assertEqual(self.opened(client, data), b"")
        self.assertEqual(self.opened(server, self.sealed(client, b"up")), b"up")

    def test_trailing(self) -> None:
        """
        What comes behind the last message is the first that the channel opens,
        wherever it is cut off.
        """
        for size in (0, 1, 4, 5, 6, 30, 122, 130):
            client, server = self.make()
            server.start()
            last = client.receive(server.receive(client.start()))
            data = self.sealed(client, b"x" * 100) + self.sealed(client, b"y" * 10)
            # Its end comes by itself.
            server.receive(last[:-20])
            server.receive(last[-20:] + data[:size])
            self.assertEqual(server.trailing, b"")
            before = self.opened(server, b"")
            self.assertEqual(before, b"x" * 100 if size >= 122 else b"")
            rest = self.opened(server, data[size:])
            self.assertEqual(before + rest, b"x" * 100 + b"y" * 10)

    def test_nothing(self) -> None:
        """
        Nothing received changes nothing.
        """
        client, server = self.make()
        first = client.start()
        self.assertEqual(client.receive(b""), b"")
        server.start()
        self.assertEqual(server.receive(b""), b"")
        client.receive(server.receive(first))
        self.assertIsNotNone(client.secured)

    def test_garbage(self) -> None:
        """
        Who speaks something else is told so before all is there that a length
        may promise.
        """
        for garbage in (b"GET / HTTP/1.1\r\n", b"\xff" * 20, b"\x16\x03\x01\xff\xff"):
            _, server = self.make()
            server.start()
            error = self.assertRaises(HandshakeFailed, server.receive, garbage)
            self.assertEqual(error.layer, "/tls/1.0.0")
            self.assertIsNone(server.channel)

    def test_farewell(self) -> None:
        """
        Who refuses leaves an alert for the other side.
        """
        client, server = self.make()
        server.start()
        flight = bytearray(server.receive(client.start()))
        flight[-1] ^= 1
        error = self.assertRaises(HandshakeFailed, client.receive, bytes(flight))
        self.assertIn("bad record mac", error.message)
        error = self.assertRaises(HandshakeFailed, server.receive, client.farewell)
        self.assertIn("the peer sent the alert: bad record mac", error.message)
        self.assertEqual(server.farewell, b"")

    def test_channelsOfOthers(self) -> None:
        """
        Each connection has keys of its own.
        """
        channels: list[Channel] = []
        for _ in range(2):
            client, server = self.make()
            server.start()
            server.receive(client.receive(server.receive(client.start())))
            assert client.channel is not None and server.channel is not None
            channels += client.channel, server.channel
        first, second = channels[0], channels[3]
        sealed = b"".join(first.seal([b"data"]))
        self.assertRaises(ProtocolViolation, second.open, sealed, [])
