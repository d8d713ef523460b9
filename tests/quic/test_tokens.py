# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.tokens}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.quic.tokens import NEW_TOKEN_LIFE, RETRY_LIFE, Proof, Tokens

HOST, PORT, TARGET = "192.0.2.1", 4001, b"8 bytes!"


class TokenTests(SynchronousTestCase):
    """
    Tokens prove an address, and nothing else does.
    """

    def setUp(self) -> None:
        """
        Make tokens.
        """
        self.now = 1000.0
        self.tokens = Tokens(bytes(32), lambda: self.now)

    def test_retry(self) -> None:
        """
        The token of a Retry is good once, for the same address, port and connection.
        """
        token = self.tokens.retry(HOST, PORT, b"original", TARGET)
        for wrong in (
            ("192.0.2.2", PORT, TARGET),
            (HOST, PORT + 1, TARGET),
            (HOST, PORT, b"another!"),
        ):
            self.assertIsNone(self.tokens.check(token, *wrong))
        found = self.tokens.check(token, HOST, PORT, TARGET)
        self.assertEqual(found, Proof(b"original"))
        self.assertIsNone(self.tokens.check(token, HOST, PORT, TARGET))

    def test_retryLife(self) -> None:
        """
        It is good for some seconds.
        """
        token = self.tokens.retry(HOST, PORT, b"original", TARGET)
        self.now += RETRY_LIFE + 1
        self.assertIsNone(self.tokens.check(token, HOST, PORT, TARGET))

    def test_new(self) -> None:
        """
        A NEW_TOKEN is good for a day, for any port and connection of its address, also
        after a restart.
        """
        token = self.tokens.new("2001:db8::1")
        again = Tokens(bytes(32), lambda: self.now)
        for each in (self.tokens, again):
            self.assertEqual(each.check(token, "2001:db8::1", 7, b"x"), Proof(None))
            self.assertIsNone(each.check(token, "2001:db8::2", 7, b"x"))
        self.now += NEW_TOKEN_LIFE + 1
        self.assertIsNone(again.check(token, "2001:db8::1", 7, b"x"))

    def test_otherKey(self) -> None:
        """
        A token of another key proves nothing.
        """
        other = Tokens(b"k" * 32, lambda: self.now)
        self.assertIsNone(other.check(self.tokens.new(HOST), HOST, PORT, TARGET))

    def test_bounded(self) -> None:
        """
        The use of tokens is remembered for their life alone.
        """
        for _ in range(100):
            token = self.tokens.retry(HOST, PORT, b"original", TARGET)
            self.tokens.check(token, HOST, PORT, TARGET)
        self.assertEqual(len(self.tokens._used), 100)
        self.now += RETRY_LIFE + 1
        token = self.tokens.retry(HOST, PORT, b"original", TARGET)
        self.tokens.check(token, HOST, PORT, TARGET)
        self.assertEqual(len(self.tokens._used), 1)
