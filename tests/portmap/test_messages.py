# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.portmap.natpmp} and L{twisted_libp2p.portmap.pcp}.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.portmap import natpmp, pcp
from twisted_libp2p.portmap.lease import IPProtocol, Port

TCP = Port(IPProtocol.TCP, 4001)
UDP = Port(IPProtocol.UDP, 4001)
LOCAL = IPv4Address("10.1.0.2")


class NATPMPTests(SynchronousTestCase):
    """
    The messages of NAT-PMP, as miniupnpd 2.3.1 takes and gives them.
    """

    def test_requests(self) -> None:
        """
        The bytes of the requests.
        """
        self.assertEqual(natpmp.addressRequest().hex(), "0000")
        self.assertEqual(
            natpmp.mapRequest(TCP, 4002, 3600).hex(), "000200000fa10fa200000e10"
        )
        self.assertEqual(natpmp.mapRequest(UDP, 0, 0)[:2].hex(), "0001")

    def test_answers(self) -> None:
        """
        The answers of a gateway.
        """
        read = natpmp.Answer.fromBytes
        address = read(bytes.fromhex("008000000000000a2d2d0001"))
        self.assertEqual(
            (address.epoch, address.address), (10, IPv4Address("45.45.0.1"))
        )
        mapped = read(bytes.fromhex("008200000000000a0fa10fa20000003c"))
        self.assertEqual((mapped.port, mapped.public, mapped.lifetime), (TCP, 4002, 60))
        refused = read(bytes.fromhex("008100020000000a0fa1000000000000"))
        self.assertEqual((refused.port, refused.result), (UDP, 2))
        self.assertEqual(read(bytes.fromhex("008000030000000a")).result, 3)

    def test_malformed(self) -> None:
        """
        Anything else is no answer: another version, another kind, or one cut short.
        """
        for text in (
            "",
            "0080",
            "02800000000000002d2d0001",
            "00800000000000002d2d00",
            "00830000000000000fa10fa20000003c",
            "00820000000000000fa10fa2000000",
            "00020000000000000fa10fa20000003c",
        ):
            with self.assertRaises(ProtocolViolation):
                natpmp.Answer.fromBytes(bytes.fromhex(text))


class PCPTests(SynchronousTestCase):
    """
    The messages of PCP.
    """

    ANSWER = bytes.fromhex(
        "0281000000000e100000000a000000000000000000000000"
        "010203040506070809101112060000000fa10fa2"
        "00000000000000000000ffff2d2d0001"
    )

    def test_request(self) -> None:
        """
        The bytes of a request.
        """
        nonce = bytes.fromhex("010203040506070809101112")
        self.assertEqual(
            pcp.mapRequest(TCP, nonce, LOCAL, 3600, 4002).hex(),
            "0201000000000e1000000000000000000000ffff0a010002"
            "010203040506070809101112060000000fa10fa2"
            "00000000000000000000ffff00000000",
        )

    def test_answer(self) -> None:
        """
        An answer, and one with options behind it.
        """
        for data in (self.ANSWER, self.ANSWER + bytes(8)):
            answer = pcp.Answer.fromBytes(data)
            self.assertEqual(answer.nonce.hex(), "010203040506070809101112")
            self.assertEqual((answer.port, answer.public), (TCP, 4002))
            self.assertEqual((answer.epoch, answer.lifetime), (10, 3600))
            self.assertEqual(answer.address, IPv4Address("45.45.0.1"))

    def test_malformed(self) -> None:
        """
        Anything else is no answer.
        """
        changed = bytearray(self.ANSWER)
        changed[36] = 33
        for data in (
            self.ANSWER[:-1],
            self.ANSWER + bytes(1100),
            b"\1" + self.ANSWER[1:],
            b"\2\1" + self.ANSWER[2:],
            bytes(changed),
        ):
            with self.assertRaises(ProtocolViolation):
                pcp.Answer.fromBytes(data)
