# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the client of SOCKS5.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.errors import ProxyFailed, ProxyRefused
from twisted_libp2p.transport.proxy.opening import Credentials
from twisted_libp2p.transport.proxy.socks import REPLIES, SocksOpening

METHOD, REPLY = b"\5\0", b"\5\0\0\1\0\0\0\0\0\0"


class SocksTests(SynchronousTestCase):
    """
    Tests for L{SocksOpening}.
    """

    def failure(self, data: bytes, credentials: Credentials | None = None) -> str:
        """
        Return the error of a proxy that sends some bytes.
        """
        opening = SocksOpening("h", 1, credentials)
        error = self.assertRaises(ProxyFailed, opening.receive, data)
        self.assertFalse(opening.opened)
        return str(error)

    def test_requests(self) -> None:
        """
        Names are left to the proxy, addresses are sent as bytes.
        """
        for host, encoded in (
            ("a.example", b"\3\x09a.example"),
            ("x.onion", b"\3\x07x.onion"),
            ("192.0.2.1", b"\1\xc0\0\2\1"),
            ("2001:db8::1", bytes.fromhex("0420010db8000000000000000000000001")),
        ):
            opening = SocksOpening(host, 4001)
            self.assertEqual(opening.start(), b"\5\1\0")
            self.assertEqual(opening.receive(METHOD), b"\5\1\0" + encoded + b"\x0f\xa1")
            self.assertEqual(opening.receive(REPLY), b"")
            self.assertTrue(opening.opened)

    def test_login(self) -> None:
        """
        A user and a password are sent to a proxy that asks for them, and to no other.
        """
        opening = SocksOpening("h", 1, Credentials("me", "pass"))
        self.assertEqual(opening.start(), b"\5\2\0\2")
        self.assertEqual(opening.receive(b"\5\2"), b"\1\2me\4pass")
        self.assertEqual(opening.receive(b"\1\0"), b"\5\1\0\3\1h\0\1")
        opening = SocksOpening("h", 1, Credentials("me", "pass"))
        self.assertEqual(opening.receive(METHOD), b"\5\1\0\3\1h\0\1")

    @drawn(30, st.lists(st.integers(0, 30), max_size=4), st.sampled_from((1, 3, 4)))
    def test_cuts(self, cuts: list[int], kind: int) -> None:
        """
        However the bytes are cut, the conversation is the same, and no byte of the peer
        is lost.
        """
        address = {1: bytes(4), 3: b"\5proxy", 4: bytes(16)}[kind]
        data = b"\5\2\1\0\5\0\0" + bytes((kind,)) + address + b"\0\0first words"
        opening = SocksOpening("h", 1, Credentials("u", "p"))
        places = sorted({min(each, len(data)) for each in cuts})
        sent = b""
        for start, end in zip([0, *places], [*places, len(data)], strict=True):
            sent += opening.receive(data[start:end])
        self.assertEqual(sent, b"\1\1u\1p\5\1\0\3\1h\0\1")
        self.assertTrue(opening.opened)
        self.assertEqual(opening.trailing, b"first words")

    def test_refused(self) -> None:
        """
        Each reply has an error of its own, which needs no more than its two bytes.
        """
        seen = set()
        for code in range(1, 256):
            opening = SocksOpening("h", 1)
            opening.receive(METHOD)
            error = self.assertRaises(ProxyRefused, opening.receive, bytes((5, code)))
            self.assertEqual(error.code, code)
            self.assertIn(REPLIES.get(code, f"{code:#x}"), str(error))
            seen.add(str(error))
        self.assertEqual(len(seen), 255)

    def test_failures(self) -> None:
        """
        A proxy that does not let us in, or speaks another protocol, is a line.
        """
        login = Credentials("me", "wrong")
        for data, credentials, hint in (
            (b"HTTP", None, "does not speak SOCKS5"),
            (b"\4\0", None, "does not speak SOCKS5"),
            (b"\5\xff", None, "needs a user and a password"),
            (b"\5\2", None, "needs a user and a password"),
            (b"\5\xff", login, "accepts neither"),
            (b"\5\1", login, "way 1"),
            (b"\5\2\2\0", login, "does not know users"),
            (b"\5\2\1\1", login, "refuses our user or password"),
            (METHOD + b"\4", None, "not of SOCKS5"),
            (METHOD + b"\5\0\0\2\0", None, "unknown type 2"),
        ):
            self.assertIn(hint, self.failure(data, credentials))

    def test_long(self) -> None:
        """
        Texts that SOCKS5 has no room for are refused before anything is sent.
        """
        SocksOpening("x" * 255, 1, Credentials("u" * 255, "p" * 255))
        for host, credentials in (
            ("x" * 256, None),
            ("h", Credentials("", "p")),
            ("h", Credentials("u", "p" * 256)),
        ):
            self.assertRaises(ProxyFailed, SocksOpening, host, 1, credentials)
