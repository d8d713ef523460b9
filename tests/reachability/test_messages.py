# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the messages of AutoNAT.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.identity import Identity
from twisted_libp2p.reachability.messages import (
    MAX_ADDRESSES,
    Answer1,
    DialData,
    DialDataRequest,
    DialRequest,
    DialResponse,
    DialStatus,
    Request1,
    Status,
    Status1,
    dialBack,
    dialBackAnswer,
    nonceOf,
    readAny,
    statusOfDialBack,
)
from twisted_libp2p.wire import autonat_pb2, autonatv2_pb2

ONE = Multiaddr("/ip4/8.8.8.8/tcp/4001")
TWO = Multiaddr("/ip6/2606:4700::1/udp/4001/quic-v1")


class Version2Tests(SynchronousTestCase):
    """
    The messages of version 2.
    """

    def test_bytes(self) -> None:
        """
        A request has the bytes of the specification: field 1 of the message, in it
        the address as field 1 and the nonce as field 2, of eight bytes.
        """
        address = ONE.toBytes()
        inner = b"\x0a" + bytes([len(address)]) + address + b"\x11" + b"\x05" + bytes(7)
        whole = b"\x0a" + bytes([len(inner)]) + inner
        self.assertEqual(DialRequest((ONE,), 5).toBytes(), whole)

    def test_back(self) -> None:
        """
        Each message is read as it was written.
        """
        for each in (
            DialRequest((ONE, TWO), 2**64 - 1),
            DialRequest((), 0),
            DialDataRequest(1, 100_000),
            DialData(4096),
            DialData(0),
            DialResponse(Status.OK, 1, DialStatus.DIAL_ERROR),
            DialResponse(Status.REQUEST_REJECTED),
        ):
            self.assertEqual(readAny(each.toBytes()), each)

    def test_unreadable(self) -> None:
        """
        An address that cannot be read keeps its place; of very many the first are read.
        """
        message = autonatv2_pb2.Message()
        message.dialRequest.nonce = 1
        message.dialRequest.addrs.extend([b"\xff", ONE.toBytes()])
        self.assertEqual(
            readAny(message.SerializeToString()), DialRequest((None, ONE), 1)
        )
        message.dialRequest.addrs.extend([ONE.toBytes()] * 1000)
        read = readAny(message.SerializeToString())
        assert isinstance(read, DialRequest)
        self.assertEqual(len(read.addresses), MAX_ADDRESSES)

    def test_wrong(self) -> None:
        """
        Malformed messages, those of no kind, and a request without a nonce are refused.
        """
        message = autonatv2_pb2.Message()
        message.dialRequest.addrs.append(ONE.toBytes())
        for data in (b"", b"\xff", b"\x32\x00", message.SerializeToString()):
            self.assertRaises(ProtocolViolation, readAny, data)
        for data in (b"", b"\xff"):
            self.assertRaises(ProtocolViolation, nonceOf, data)
        self.assertRaises(ProtocolViolation, statusOfDialBack, b"\xff")

    def test_dialBack(self) -> None:
        """
        The number and its confirmation.
        """
        self.assertEqual(dialBack(1), b"\x09\x01" + bytes(7))
        self.assertEqual(nonceOf(dialBack(2**64 - 1)), 2**64 - 1)
        self.assertEqual(statusOfDialBack(dialBackAnswer()), 0)
        # proto3 leaves a zero out.
        self.assertEqual(statusOfDialBack(b""), 0)


class Version1Tests(SynchronousTestCase):
    """
    The messages of version 1.
    """

    def test_back(self) -> None:
        """
        Each message is read as it was written.
        """
        request = Request1(Identity.generate().peerID, (ONE, TWO))
        self.assertEqual(Request1.fromBytes(request.toBytes()), request)
        for answer in (Answer1(Status1.OK, ONE), Answer1(Status1.DIAL_REFUSED)):
            self.assertEqual(Answer1.fromBytes(answer.toBytes()), answer)
        text = Answer1(Status1.DIAL_ERROR, text="dial failed").toBytes()
        self.assertIn(b"dial failed", text)

    def test_unreadable(self) -> None:
        """
        Addresses, and an id, that cannot be read are left out.
        """
        message = autonat_pb2.Message(type=0)
        message.dial.peer.id = b"\xff"
        message.dial.peer.addrs.extend([b"\xff", ONE.toBytes()])
        self.assertEqual(
            Request1.fromBytes(message.SerializeToString()), Request1(None, (ONE,))
        )

    def test_wrong(self) -> None:
        """
        Malformed messages, and those of the other kind, are refused.
        """
        request, answer = Request1(None, ()).toBytes(), Answer1(0).toBytes()
        for data in (b"\xff", b"\x08\x01", answer):
            self.assertRaises(ProtocolViolation, Request1.fromBytes, data)
        for data in (b"\xff", b"\x08\x00", b"\x08\x01", request):
            self.assertRaises(ProtocolViolation, Answer1.fromBytes, data)
