# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.proxyheader}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import HandshakeFailed
from twisted_libp2p.transport.proxyheader import MAX_HEADER, readProxyHeader

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V4 = bytes((192, 0, 2, 1, 192, 0, 2, 2)) + (4711).to_bytes(2, "big") + b"\x0f\xa1"
V6 = bytes.fromhex("20010db8" + "0" * 24) * 2 + (4711).to_bytes(2, "big") + b"\x0f\xa1"


def binary(command: int, family: int, rest: bytes) -> bytes:
    """
    Make a header of version 2.
    """
    return SIGNATURE + bytes((command, family)) + len(rest).to_bytes(2, "big") + rest


class HeaderTests(SynchronousTestCase):
    """
    Headers of both versions.
    """

    def test_headers(self) -> None:
        """
        The client is found when the header is whole, and not before.
        """
        client = ("192.0.2.1", 4711)
        for header, found in (
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 4001\r\n", client),
            (
                b"PROXY TCP6 2001:db8::1 2001:db8::2 4711 4001\r\n",
                ("2001:db8::1", 4711),
            ),
            (b"PROXY UNKNOWN\r\n", None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
            (binary(0x21, 0x11, V4), client),
            (binary(0x21, 0x11, V4 + b"\x04\0\1a"), client),
            (binary(0x21, 0x21, V6), ("2001:db8::", 4711)),
            (binary(0x20, 0, b""), None),
            (binary(0x21, 0, b""), None),
            (binary(0x21, 0x31, bytes(216)), None),
        ):
            for size in range(1, len(header)):
                self.assertIsNone(readProxyHeader(header[:size]), header[:size])
            for rest in (b"", b"\x13/multistream"):
                self.assertEqual(readProxyHeader(header + rest), (len(header), found))

    def test_none(self) -> None:
        """
        Other bytes are no header.
        """
        for data in (
            b"GET / HTTP/1.1",
            b"\x13/multi",
            b"\x16\x03",
            b"PROPFIND",
            b"\r\r",
        ):
            self.assertEqual(readProxyHeader(data), (0, None), data)

    def test_malformed(self) -> None:
        """
        A malformed header is refused, as soon as that is certain.
        """
        for header in (
            b"PROXY \r\n",
            b"PROXY TCP4\r\n",
            b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
            b"PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 2001:db8::1 1 2\r\n",
            b"PROXY TCP6 fe80::1%/evil fe80::2 1 2\r\n",
            b"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 70000 2\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            b"PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n",
            b"PROXY " + b"a" * 101,
            binary(0x11, 0x11, V4),
            binary(0x22, 0x11, V4),
            binary(0x21, 0x11, V4[:-1]),
            binary(0x21, 0x11, bytes(MAX_HEADER))[:16],
        ):
            error = self.assertRaises(HandshakeFailed, readProxyHeader, header)
            self.assertTrue(str(error).startswith("PROXY protocol: "), str(error))
