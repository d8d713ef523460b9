# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tests of the handshake.
"""

from __future__ import annotations

from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface.verify import verifyObject

from twisted_libp2p.errors import PeerMismatch
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.interfaces import (
    ISecureTransport,
    ISecurity,
)
from twisted_libp2p.testing.pump import byteByByte
from twisted_libp2p.testing.security.base import SecurityTests
from twisted_libp2p.testing.security.ways import (
    GARBAGE,
    flip,
    instead,
    splitAt,
    straight,
    truncate,
)

__all__ = ["HandshakeTests"]


class HandshakeTests(SecurityTests):
    """
    Both sides are authenticated, or neither gets a connection.
    """

    def test_interfaces(self) -> None:
        """
        The protocol and its transports provide what they claim.
        """
        security = self.security()
        verifyObject(ISecurity, security)
        self.assertTrue(security.protocolID.startswith("/"))
        pump, *sides = self.connect()
        for side in sides:
            for interface in (ISecureTransport, IConsumer, IPushProducer):
                verifyObject(interface, side.transport)
        self.cut(pump)

    def test_identities(self) -> None:
        """
        Each side learns the other's peer id and key, whatever their types.
        """
        ours = self._identities[0]
        for type in KeyType:
            other = Identity.generate(type)
            for identities in ((ours, other), (other, ours)):
                pump, initiator, responder = self.connect(
                    identities=identities,
                    expected=(identities[1].peerID, identities[0].peerID),
                )
                for side, peer in ((initiator, responder), (responder, initiator)):
                    secured = side.secured
                    self.assertEqual(secured.protocolID, self.security().protocolID)
                    self.assertEqual(secured.remotePeer, peer.identity.peerID)
                    self.assertEqual(secured.remoteKey, peer.identity.publicKey)
                    self.assertIsNone(secured.muxer)
                self.cut(pump)

    def test_mismatch(self) -> None:
        """
        If another peer than the expected one answers, the error of the initiator has
        both ids, and no byte of the application has moved.
        """
        expected = Identity.generate().peerID
        _, initiator, responder = self.connect(
            expected=(expected, None), greeting=b"hello"
        )
        self.assertNobody(initiator)
        error = initiator.failures[0].value
        assert isinstance(error, PeerMismatch)
        self.assertEqual(error.expected, str(expected))
        self.assertEqual(error.obtained, str(responder.identity.peerID))
        self.assertOver(responder)
        if responder.authenticated:
            self.assertEqual(responder.application.received, b"")

    def test_mismatchAtResponder(self) -> None:
        """
        A responder may expect somebody, too.
        """
        expected = Identity.generate().peerID
        _, initiator, responder = self.connect(expected=(None, expected))
        self.assertNobody(responder)
        self.assertTrue(responder.failures[0].check(PeerMismatch))
        self.assertOver(initiator)

    def test_greeting(self) -> None:
        """
        What the applications say at once arrives.
        """
        pump, *sides = self.connect(greeting=b"hello")
        for side in sides:
            self.assertEqual(side.application.received, b"hello")
        self.cut(pump)

    def test_splits(self) -> None:
        """
        Where a read ends makes no difference to a handshake.
        """
        for _, receiver, sender in self.everyPlace(splitAt):
            for side, peer in ((receiver, sender), (sender, receiver)):
                self.assertEqual(side.secured.remotePeer, peer.identity.peerID)

    def test_byteByByte(self) -> None:
        """
        A handshake, and what is said at once behind it, may arrive in the
        smallest pieces.
        """
        pump, *sides = self.connect(split=byteByByte, greeting=b"hello")
        for side in sides:
            self.assertEqual(side.application.received, b"hello")
        self.cut(pump)

    def test_tampered(self) -> None:
        """
        Whichever byte of a handshake is changed on its way, its receiver
        authenticates nobody.
        """
        if not self.authenticates:
            return
        for pump, receiver, sender in self.everyPlace(flip, self.meaningless):
            self.cut(pump)
            self.assertNobody(receiver)
            self.assertOver(sender)

    def test_truncated(self) -> None:
        """
        Wherever a handshake is cut off, it is still open, and has failed when
        the connection is gone.
        """
        for pump, receiver, sender in self.everyPlace(truncate):
            self.assertEqual(receiver.failures, [])
            self.cut(pump)
            self.assertNobody(receiver)
            self.assertOver(sender)

    def test_replayed(self) -> None:
        """
        What was said in one handshake is of no use in another.
        """
        if not self.authenticates:
            return
        recorded, *sides = self.connect(greeting=b"secret")
        self.cut(recorded)
        for receiver, side in enumerate(sides):
            way = instead(bytes(side.middle.heard))
            ways = (straight, way) if receiver else (way, straight)
            pump, *again = self.connect(ways=ways)
            self.cut(pump)
            self.assertNobody(again[receiver])
            self.assertOver(again[1 - receiver])

    def test_garbage(self) -> None:
        """
        Who speaks something else is nobody, and however much of it there is,
        nobody waits for more.
        """
        for receiver in (0, 1):
            for garbage in GARBAGE:

                def way(
                    start: int, data: bytes, garbage: bytes = garbage
                ) -> list[bytes]:
                    return [garbage]

                ways = (straight, way) if receiver else (way, straight)
                pump, *sides = self.connect(ways=ways)
                sides[receiver].middle.dataReceived(b"?")
                pump.flush()
                self.cut(pump)
                self.assertNobody(sides[receiver])
                self.assertOver(sides[1 - receiver])

    def test_silence(self) -> None:
        """
        A peer that hangs up without a word has failed the handshake.
        """
        pump, *sides = self.connect(ways=(truncate(0), truncate(0)))
        for side in sides:
            self.assertEqual(side.failures, [])
        self.cut(pump)
        for side in sides:
            self.assertNobody(side)

    def test_earlyMuxers(self) -> None:
        """
        The muxer is the initiator's first that the responder has; where one of
        them has none to offer, it is left open.
        """
        if not self.earlyMuxers:
            return
        for ours, theirs, agreed in (
            (("/a",), ("/a",), "/a"),
            (("/a", "/b"), ("/b", "/a"), "/a"),
            (("/x", "/b"), ("/a", "/b"), "/b"),
            (("/a",), (), None),
            ((), ("/a",), None),
        ):
            pump, *sides = self.connect(muxers=(ours, theirs))
            for side in sides:
                self.assertEqual(side.secured.muxer, agreed)
            self.cut(pump)
