# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.wire.protobuf}.
"""

from __future__ import annotations

from enum import IntEnum

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.wire import dcutr_pb2
from twisted_libp2p.wire.protobuf import decode, inWords, kindOf


class Code(IntEnum):
    """
    Invented codes.
    """

    OK = 0
    NO_PLACE = 7


class ProtobufTests(SynchronousTestCase):
    """
    Messages of a protocol.
    """

    def test_decode(self) -> None:
        """
        A message is filled; bytes that are none are the peer's fault.
        """
        message = dcutr_pb2.HolePunch(type=100, ObsAddrs=[b"1"])
        data = message.SerializeToString()
        self.assertEqual(decode(dcutr_pb2.HolePunch(), data, "/a"), message)
        with self.assertRaises(ProtocolViolation) as caught:
            decode(dcutr_pb2.HolePunch(), b"\xff", "/a")
        self.assertIn("/a", str(caught.exception))

    def test_kind(self) -> None:
        """
        A number is a kind, or the peer's fault.
        """
        self.assertIs(kindOf(Code, 7, "/a"), Code.NO_PLACE)
        with self.assertRaises(ProtocolViolation) as caught:
            kindOf(Code, 1, "/a")
        self.assertIn("1", str(caught.exception))

    def test_words(self) -> None:
        """
        A code has words, or what is given for others.
        """
        self.assertEqual(inWords(Code, 7, "?"), "no place")
        self.assertEqual(inWords(Code, 1, "code 1"), "code 1")
