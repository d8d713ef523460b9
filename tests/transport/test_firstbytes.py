# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.firstbytes}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.interfaces import FirstBytes
from twisted_libp2p.transport.firstbytes import recognize

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


class RecognizeTests(SynchronousTestCase):
    """
    Which transport a connection is for.
    """

    def test_public(self) -> None:
        """
        The first byte decides; unknown bytes are left to libp2p, which refuses them.
        """
        for data, kind in (
            (b"\x13/multistream/1.0.0\n", FirstBytes.LIBP2P),
            (b"/tls/1.0.0\0", FirstBytes.LIBP2P),
            (b"GET / HTTP/1.1\r\n", FirstBytes.HTTP),
            (b"OPTIONS * HTTP/1.1\r\n", FirstBytes.HTTP),
            (HELLO, FirstBytes.TLS),
            (b"\0\0", FirstBytes.LIBP2P),
            (b"get /", FirstBytes.LIBP2P),
            (b"\xff", FirstBytes.LIBP2P),
        ):
            for size in range(1, len(data) + 1):
                self.assertIs(recognize(data[:size], private=False), kind, data[:size])

    def test_private(self) -> None:
        """
        In a private network, where TCP begins with random bytes, as many bytes are
        needed as show that they are not random.
        """
        for data, needed, kind in (
            (b"GET / HTTP/1.1\r\n", 5, FirstBytes.HTTP),
            (HELLO, 6, FirstBytes.TLS),
            (b"GETTING", 4, FirstBytes.RANDOM),
            (b"GET \xff", 5, FirstBytes.RANDOM),
            (b"\x16\x03\x09\x02\x00\x01", 6, FirstBytes.RANDOM),
            (b"\x16\x03\x01\x02\x00\x02", 6, FirstBytes.RANDOM),
            (b"\x13/multistream", 1, FirstBytes.RANDOM),
            (b"POST / HTTP/1.1", 1, FirstBytes.RANDOM),
        ):
            for size in range(1, len(data) + 1):
                self.assertIs(
                    recognize(data[:size], private=True),
                    kind if size >= needed else None,
                    data[:size],
                )
