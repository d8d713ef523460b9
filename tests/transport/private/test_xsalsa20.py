# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.private.xsalsa20}.
"""

from __future__ import annotations

from hypothesis.strategies import integers
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.vectors import hexBytes, vector
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.transport.private import xsalsa20 as module
from twisted_libp2p.transport.private.xsalsa20 import hsalsa20, xsalsa20

KEY = bytes(range(32))
NONCE = bytes(range(24))


class XSalsa20Tests(SynchronousTestCase):
    """
    Tests for L{xsalsa20} and its parts.
    """

    def test_hsalsa20(self) -> None:
        """
        The keys that "Cryptography in NaCl", section 8, derives.
        """
        shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
        first = "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389"
        second = "dc908dda0b9344a953629b733820778880f3ceb421bb61b91cbd4c3e66256ce4"
        nonce = "69696ee955b62b73cd62bda875fc73d6"
        derived = hsalsa20(bytes.fromhex(shared), bytes(16))
        self.assertEqual(derived.hex(), first)
        derived = hsalsa20(derived, bytes.fromhex(nonce))
        self.assertEqual(derived.hex(), second)

    def test_vector(self) -> None:
        """
        The stream of the vector, which libsodium has computed.
        """
        entry = vector("pnet.stream")
        nonce = hexBytes(entry, "nonce")
        keystream = xsalsa20(hexBytes(entry, "psk"), nonce)
        wire = nonce + keystream(hexBytes(entry, "plaintext"))
        self.assertEqual(wire, hexBytes(entry, "wire"))

    @drawn(50, integers(0, 300), integers(0, 300))
    def test_continues(self, first: int, second: int) -> None:
        """
        However the bytes are cut, the stream is one.
        """
        first, second = sorted((first, second))
        data = bytes(range(256)) * 2
        keystream = xsalsa20(KEY, NONCE)
        cut = [data[:first], data[first:second], data[second:]]
        masked = b"".join(keystream(piece) for piece in cut if piece)
        self.assertEqual(masked, xsalsa20(KEY, NONCE)(data))
        self.assertEqual(xsalsa20(KEY, NONCE)(masked), data)

    def test_notInstalled(self) -> None:
        """
        Without the package that has Salsa20, the error tells what to install.
        """
        self.patch(module, "requireModule", lambda name: None)
        error = self.assertRaises(ConfigurationError, xsalsa20, KEY, NONCE)
        self.assertIn("pip install 'twisted-libp2p[pnet]'", str(error))
