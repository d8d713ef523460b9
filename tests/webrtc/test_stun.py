# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of STUN.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.webrtc.stun import (
    answered,
    isStun,
    makeRequest,
    readRequest,
    respond,
)

TRANSACTION = bytes(range(12))
V1 = b"libp2p+webrtc+v1/" + b"a" * 24
V2 = b"libp2p+webrtc+v2/" + b"b" * 24


def request(user: bytes, password: bytes) -> bytes:
    """
    Make a request as browsers do.
    """
    name = struct.pack("!HH", 6, len(user)) + user + bytes(-len(user) % 4)
    head = struct.pack("!HHI", 1, len(name) + 24, 0x2112A442) + TRANSACTION
    digest = hmac.new(password, head + name, hashlib.sha1).digest()
    return head + name + struct.pack("!HH", 8, 20) + digest


class RequestTests(SynchronousTestCase):
    """
    A listener reads requests.
    """

    def test_versions(self) -> None:
        """
        The password is the user name of the listener, in both versions; the dialer has
        the same user name in version 1, and one of its own in version 2.
        """
        for server, client in ((V1, V1), (V2, b"own4")):
            found = readRequest(request(server + b":" + client, server))
            assert found is not None
            self.assertEqual(found.server, server)
            self.assertEqual(found.client, client)
            self.assertEqual(found.transaction, TRANSACTION)

    def test_refused(self) -> None:
        """
        Anything else gets no answer.
        """
        good = request(V1 + b":" + V1, V1)
        other = b"libp2p+webrtc+v3/" + b"a" * 24
        long = b"libp2p+webrtc+v1/" + b"a" * 300
        bad = b"libp2p+webrtc+v1/a:b/c d~" + b"a" * 24
        for name, data in (
            ("another password", request(V1 + b":" + V1, V2)),
            ("another version", request(other + b":" + other, other)),
            ("a long name", request(long + b":" + long, long)),
            ("other characters", request(bad + b":" + bad, bad)),
            ("one name", request(V1, V1)),
            ("no attribute", good[:2] + b"\0\0" + good[4:20]),
            ("another length", good + b"\0\0\0\0"),
            ("an answer", b"\1\1" + good[2:]),
            ("another cookie", good[:4] + b"\0\0\0\0" + good[8:]),
        ):
            with self.subTest(name):
                self.assertIsNone(readRequest(data))

    def test_cut(self) -> None:
        """
        A request that is cut gets no answer, wherever it is cut.
        """
        good = request(V1 + b":" + V1, V1)
        for size in range(len(good)):
            self.assertIsNone(readRequest(good[:size]))
            short = good[:2] + max(size - 20, 0).to_bytes(2, "big") + good[4:size]
            self.assertIsNone(readRequest(short))

    def test_first(self) -> None:
        """
        The first byte says what a datagram is.
        """
        self.assertTrue(isStun(b"\0\1"))
        self.assertTrue(isStun(b"\1\1"))
        self.assertFalse(isStun(b"\x16"))
        self.assertFalse(isStun(b""))


class AnswerTests(SynchronousTestCase):
    """
    A listener answers, and a dialer reads that.
    """

    def test_answer(self) -> None:
        """
        An answer has the transaction, and is shorter than its request.
        """
        data = makeRequest(V1, TRANSACTION, b"12345678")
        read = readRequest(data)
        assert read is not None
        for host in ("192.0.2.1", "2001:db8::1", "fe80::1%eth0"):
            answer = respond(read, host, 4001)
            self.assertLess(len(answer), len(data))
            self.assertEqual(answered(answer, V1), TRANSACTION)
            self.assertIsNone(answered(answer, V2))
            self.assertIsNone(answered(answer[:-1], V1))

    def test_mapped(self) -> None:
        """
        An answer has the address of the dialer, hidden from old routers (RFC 8489,
        14.2).
        """
        read = readRequest(makeRequest(V1, TRANSACTION, b"12345678"))
        assert read is not None
        answer = respond(read, "192.0.2.1", 4001)
        kind, size, family, port = struct.unpack("!HHHH", answer[20:28])
        self.assertEqual((kind, size, family), (0x20, 8, 1))
        self.assertEqual(port ^ 0x2112, 4001)
        hidden = int.from_bytes(answer[28:32], "big") ^ 0x2112A442
        self.assertEqual(hidden.to_bytes(4, "big"), bytes((192, 0, 2, 1)))
