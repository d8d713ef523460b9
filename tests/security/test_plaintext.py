# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.plaintext}.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from hypothesis.strategies import integers
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.vectors import hexBytes, vector, vectorIdentity
from twisted_libp2p.errors import DialFailed, HandshakeFailed, PeerMismatch
from twisted_libp2p.identity import Identity, KeyType, PeerID, PublicKey
from twisted_libp2p.interfaces import Handshake, ISecurity, Role
from twisted_libp2p.node import Node
from twisted_libp2p.security.noise import Noise
from twisted_libp2p.security.plaintext import (
    LONGEST_EXCHANGE,
    Plaintext,
    PlaintextHandshake,
)
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.testing.security import SecurityConformance
from twisted_libp2p.wire import varint
from twisted_libp2p.wire.frames import delimit
from twisted_libp2p.wire.plaintext_pb2 import Exchange

EXCHANGE = hexBytes(vector("plaintext.exchange"), "wire")

IDENTITY, OTHER = vectorIdentity(1), vectorIdentity(2)


class PlaintextConformanceTests(SecurityConformance, SynchronousTestCase):
    """
    Plaintext is a security protocol, but for the security.
    """

    authenticates = False

    def security(self) -> ISecurity:
        """
        Plaintext.
        """
        return Plaintext(self.clock)


class PlaintextTests(SynchronousTestCase):
    """
    Tests for L{Plaintext}.
    """

    def test_nodes(self) -> None:
        """
        Nodes that are asked for it speak it, if they have nothing better in
        common; others do not, though they are dialed with nothing else.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)

        def start(*securities: type[Noise] | type[Plaintext]) -> Node:
            return nodes.start(security=[each(nodes.clock) for each in securities])

        both, also, only = (
            start(Noise, Plaintext),
            start(Noise, Plaintext),
            start(Plaintext),
        )
        for listener, agreed in ((also, "/noise"), (only, "/plaintext/2.0.0")):
            for connection in nodes.connect(both, listener):
                self.assertEqual(connection.security, agreed)
        other = nodes.start()
        for dialer, target in ((only, other), (other, only)):
            with self.assertRaises(DialFailed):
                nodes.result(dialer.connect(target.addresses[0]))


class PlaintextHandshakeTests(SynchronousTestCase):
    """
    Tests for L{PlaintextHandshake}.
    """

    def machine(self, expected: Identity | None = None) -> PlaintextHandshake:
        """
        Make our side of a handshake.
        """
        peer = None if expected is None else expected.peerID
        return PlaintextHandshake(Handshake(IDENTITY, Role.CLIENT, peer, (), self.fail))

    def started(self, expected: Identity | None = None) -> PlaintextHandshake:
        """
        Start our side of a handshake.
        """
        machine = self.machine(expected)
        machine.start()
        return machine

    def assertRefused(self, said: bytes, about: str) -> None:
        """
        Check that what a peer says ends the handshake.
        """
        machine = self.started()
        error = self.assertRaises(HandshakeFailed, machine.receive, said)
        self.assertIn(about, str(error))
        self.assertIsNone(machine.secured)

    def test_start(self) -> None:
        """
        We say who we are in the bytes of the vector.
        """
        self.assertEqual(self.machine().start(), EXCHANGE)

    def test_vector(self) -> None:
        """
        The bytes of the vector say who the peer is.
        """
        machine = self.started(expected=IDENTITY)
        self.assertEqual(machine.receive(EXCHANGE), b"")
        assert machine.secured is not None
        self.assertEqual(machine.secured.protocolID, "/plaintext/2.0.0")
        self.assertEqual(machine.secured.remotePeer, IDENTITY.peerID)
        self.assertEqual(machine.secured.remoteKey, IDENTITY.publicKey)
        self.assertEqual(machine.trailing, b"")

    @drawn(50, integers(0, len(EXCHANGE) - 1), integers(0, 20))
    def test_split(self, cut: int, behind: int) -> None:
        """
        Until the last byte of the exchange is here nothing is known, wherever
        a read ends; what comes behind it is kept.
        """
        machine = self.started()
        said = EXCHANGE + bytes(behind)
        machine.receive(said[:cut])
        self.assertIsNone(machine.secured)
        self.assertIsNone(machine.channel)
        machine.receive(said[cut:])
        self.assertIsNotNone(machine.secured)
        self.assertEqual(machine.trailing, bytes(behind))

    def test_channel(self) -> None:
        """
        What follows is passed on as it is.
        """
        machine = self.started()
        machine.receive(EXCHANGE)
        assert machine.channel is not None
        self.assertEqual(machine.channel.seal([b"a", b"b"]), [b"a", b"b"])
        opened: list[bytes] = []
        machine.channel.open(b"c", opened)
        self.assertEqual(opened, [b"c"])
        self.assertFalse(machine.channel.truncated)

    def test_mismatch(self) -> None:
        """
        Somebody else than expected is refused, and both ids are told.
        """
        machine = self.started(expected=OTHER)
        error = self.assertRaises(PeerMismatch, machine.receive, EXCHANGE)
        self.assertEqual(error.expected, str(OTHER.peerID))
        self.assertEqual(error.obtained, str(IDENTITY.peerID))

    def test_contradiction(self) -> None:
        """
        An id that is not the key's is refused.
        """
        exchange = Exchange(
            id=OTHER.peerID.toBytes(), pubkey=IDENTITY.publicKey.toBytes()
        )
        self.assertRefused(delimit(exchange.SerializeToString()), "is not the id")

    def test_incomplete(self) -> None:
        """
        An exchange without an id, or without a key, is refused.
        """
        ours = IDENTITY.peerID.toBytes(), IDENTITY.publicKey.toBytes()
        for exchange, about in (
            (Exchange(pubkey=ours[1]), "peer id"),
            (Exchange(id=ours[0]), "key"),
            (Exchange(), "peer id"),
        ):
            self.assertRefused(delimit(exchange.SerializeToString()), about)

    def test_wrongKeyType(self) -> None:
        """
        A key of a type that nobody has is refused.
        """
        key = b"\x08\x09" + IDENTITY.publicKey.toBytes()[2:]
        exchange = Exchange(id=b"\x00" + bytes((len(key),)) + key, pubkey=key)
        self.assertRefused(delimit(exchange.SerializeToString()), "key")

    def test_garbage(self) -> None:
        """
        An exchange that is no message is refused.
        """
        self.assertRefused(delimit(b"\xff" * 20), "protobuf")

    def test_tooLong(self) -> None:
        """
        An exchange is refused by its length, before it is here.
        """
        for length in (LONGEST_EXCHANGE + 1, 1 << 20, 1 << 40):
            self.assertRefused(varint.encode(length), "limit")

    def test_largeKey(self) -> None:
        """
        The largest of keys fits.
        """
        modulus = (1 << 8192) - 1
        key = PublicKey(KeyType.RSA, RSAPublicNumbers(65537, modulus).public_key())
        peer = PeerID.fromKey(key)
        exchange = Exchange(id=peer.toBytes(), pubkey=key.toBytes())
        machine = self.started()
        machine.receive(delimit(exchange.SerializeToString()))
        assert machine.secured is not None
        self.assertEqual(machine.secured.remotePeer, peer)
