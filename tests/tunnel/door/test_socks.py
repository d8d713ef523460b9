# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tunnel.door.socks}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.tunnel.door.request import Refusal, Refused, Wanted
from twisted_libp2p.tunnel.door.socks import SocksRequest

GREETING = b"\x05\x02\x00\x01"
CONNECT = b"\x05\x01\x00\x03\x08home.p2p\x00\x50"


class SocksRequestTests(SynchronousTestCase):
    """
    The messages of a program.
    """

    def test_bytewise(self) -> None:
        """
        However the messages are cut, the program is answered once, and its place is
        read.
        """
        for size in (1, 2, 3, 5, 100):
            request = SocksRequest()
            data, answers = GREETING + CONNECT, b""
            for start in range(0, len(data), size):
                self.assertIsNone(request.wanted)
                answers += request.receive(data[start : start + size])
            self.assertEqual(answers, b"\x05\x00")
            self.assertEqual(request.wanted, Wanted("home.p2p", 80))
            self.assertEqual(request.trailing, b"")
            self.assertEqual(request.accept(), b"\x05\x00\x00\x01" + bytes(6))

    def test_trailing(self) -> None:
        """
        Bytes after the request are for the peer.
        """
        request = SocksRequest()
        request.receive(GREETING + CONNECT + b"GET /")
        self.assertEqual(request.trailing, b"GET /")

    def test_refused(self) -> None:
        """
        Another request is refused with its reply.
        """
        for data, kind, reply in (
            (b"\x05\x01\x02", Refusal.FORBIDDEN, b"\x05\xff"),
            (b"\x05\x00", Refusal.FORBIDDEN, b"\x05\xff"),
            (b"\x04", Refusal.MALFORMED, b"\x05\xff"),
            (GREETING + b"\x06", Refusal.MALFORMED, b"\x05\x00\x05\x01"),
            (GREETING + b"\x05\x02\x00\x03", Refusal.COMMAND, b"\x05\x00\x05\x07"),
            (GREETING + b"\x05\x01\x00\x01", Refusal.ADDRESS, b"\x05\x00\x05\x08"),
            (GREETING + b"\x05\x01\x00\x04", Refusal.ADDRESS, b"\x05\x00\x05\x08"),
            (GREETING + b"\x05\x01\x00\x09", Refusal.ADDRESS, b"\x05\x00\x05\x08"),
        ):
            request = SocksRequest()
            error = self.assertRaises(Refused, request.receive, data)
            self.assertIs(error.kind, kind)
            self.assertEqual(request.refuse(error)[: len(reply)], reply)
