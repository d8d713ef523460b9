# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the client of HTTP's CONNECT.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.errors import ProxyFailed, ProxyRefused
from twisted_libp2p.transport.proxy.connect import MAX_HEAD, ConnectOpening
from twisted_libp2p.transport.proxy.opening import Credentials

GRANTED = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"


class ConnectTests(SynchronousTestCase):
    """
    Tests for L{ConnectOpening}.
    """

    def test_request(self) -> None:
        """
        The request names the place twice, and nothing of ours.
        """
        for host, place in (
            ("a.example", "a.example:4001"),
            ("192.0.2.1", "192.0.2.1:4001"),
            ("2001:db8::1", "[2001:db8::1]:4001"),
            ("b\u00fccher.example", "xn--bcher-kva.example:4001"),
        ):
            self.assertEqual(
                ConnectOpening(host, 4001).start().decode(),
                f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n",
            )

    def test_login(self) -> None:
        """
        A user and a password are sent at once.
        """
        request = ConnectOpening("h", 1, Credentials("me", "p:w")).start()
        self.assertIn(b"\r\nProxy-Authorization: Basic bWU6cDp3\r\n\r\n", request)

    def test_wrongName(self) -> None:
        """
        A name that would be more than one line, or word, is refused.
        """
        for host in ("a b", "a\r\nb", "x" * 64 + "\u00fc"):
            self.assertRaises(ProxyFailed, ConnectOpening, host, 1)

    @drawn(30, st.lists(st.integers(0, 90), max_size=4), st.booleans())
    def test_cuts(self, cuts: list[int], interim: bool) -> None:
        """
        However the bytes are cut, no byte of the peer is lost.
        """
        data = b"HTTP/1.1 102 Wait\r\n\r\n" * interim + GRANTED + b"first\r\n\r\nwords"
        opening = ConnectOpening("h", 1)
        places = sorted({min(each, len(data)) for each in cuts})
        for start, end in zip([0, *places], [*places, len(data)], strict=True):
            self.assertEqual(opening.receive(data[start:end]), b"")
        self.assertTrue(opening.opened)
        self.assertEqual(opening.trailing, b"first\r\n\r\nwords")

    def test_granted(self) -> None:
        """
        Any status of success is one, with a reason or without.
        """
        for status in (b"HTTP/1.0 200 OK", b"HTTP/1.1 204 ", b"HTTP/1.1 299"):
            opening = ConnectOpening("h", 1)
            opening.receive(status + b"\r\n\r\n")
            self.assertTrue(opening.opened, status)

    def test_refused(self) -> None:
        """
        Any other status is an error that has it.
        """
        for status in (301, 403, 404, 502, 504, 999):
            opening = ConnectOpening("h", 1)
            error = self.assertRaises(
                ProxyRefused,
                opening.receive,
                b"HTTP/1.1 %d For Reasons\r\nA: b\r\n\r\nbody" % status,
            )
            self.assertEqual(error.code, status)
            self.assertIn(f"status {status} For Reasons", str(error))

    def test_failures(self) -> None:
        """
        A proxy that does not let us in, or speaks another protocol, is a line.
        """
        login = Credentials("me", "wrong")
        needed = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
        for data, credentials, hint in (
            (b"\5", None, "does not speak HTTP/1.1"),
            (b"HTTP/2", None, "does not speak HTTP/1.1"),
            (b"HTTP/1.1 20 OK\r\n\r\n", None, "does not speak HTTP/1.1"),
            (b"HTTP/1.1 200 OK\n\nA: b\r\n\r\n", None, "does not speak HTTP/1.1"),
            (needed, None, "needs a user and a password"),
            (needed, login, "refuses our user or password"),
        ):
            opening = ConnectOpening("h", 1, credentials)
            error = self.assertRaises(ProxyFailed, opening.receive, data)
            self.assertIn(hint, str(error))

    def test_long(self) -> None:
        """
        A head that is too long is given up at its limit, also if there are many.
        """
        head = GRANTED[:-2] + b"A: "
        fits = head + b"x" * (MAX_HEAD - len(head) - 4) + b"\r\n\r\n"
        opening = ConnectOpening("h", 1)
        opening.receive(fits + b"data")
        self.assertEqual(opening.trailing, b"data")
        for data in (
            head + b"x" * MAX_HEAD,
            b"HTTP/1.1 102 Wait\r\n\r\n" * MAX_HEAD,
        ):
            opening = ConnectOpening("h", 1)
            with self.assertRaises(ProxyFailed) as caught:
                for place in range(0, len(data), 100):
                    self.assertLessEqual(len(opening._buffer), MAX_HEAD)
                    opening.receive(data[place : place + 100])
            self.assertIn("over 8192 bytes", str(caught.exception))
