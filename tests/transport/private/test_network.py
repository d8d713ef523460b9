# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.private.network}.
"""

from __future__ import annotations

import base64
import os

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.transport.private.doubles import (
    KEY,
)
from tests.vectors import hexBytes, vectors
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.transport.private import xsalsa20 as cipher
from twisted_libp2p.transport.private.network import PrivateNetwork


class PrivateNetworkTests(SynchronousTestCase):
    """
    Tests for L{PrivateNetwork}.
    """

    def write(self, content: bytes) -> str:
        """
        Make a file.
        """
        path: str = self.mktemp()
        with open(path, "wb") as file:
            file.write(content)
        return path

    def test_fingerprint(self) -> None:
        """
        The fingerprint is what go-libp2p and rust-libp2p compute; nothing else
        of the key is shown.
        """
        for _, entry in vectors("pnet.fingerprint"):
            network = PrivateNetwork(hexBytes(entry, "psk"))
            self.assertEqual(network.fingerprint, entry["fingerprint_hex"])
            self.assertEqual(
                repr(network), f"<PrivateNetwork {entry['fingerprint_hex']}>"
            )

    def test_size(self) -> None:
        """
        A key has 32 bytes, and no others.
        """
        for size in (0, 16, 31, 33, 64):
            self.assertRaises(ConfigurationError, PrivateNetwork, bytes(size))

    def test_fromFile(self) -> None:
        """
        The key may be written in each of the encodings, with either kind of
        line ends, and with one at its end or not.
        """
        fingerprint = PrivateNetwork(KEY).fingerprint
        for end in (b"\n", b"\r\n"):
            for name, encoded in (
                (b"base16", KEY.hex().encode()),
                (b"base16", KEY.hex().upper().encode()),
                (b"base64", base64.b64encode(KEY)),
                (b"bin", KEY),
            ):
                for last in (b"", end):
                    content = end.join(
                        (b"/key/swarm/psk/1.0.0/", b"/" + name + b"/", encoded + last)
                    )
                    network = PrivateNetwork.fromFile(self.write(content))
                    self.assertEqual(network.fingerprint, fingerprint, content)

    def test_binary(self) -> None:
        """
        A key in binary may hold, and end with, whatever looks like a line end.
        """
        for key in (b"\n" * 32, b"\r\n" * 16, bytes(31) + b"\n", bytes(31) + b"\r"):
            for last in (b"", b"\n", b"\r\n"):
                content = b"/key/swarm/psk/1.0.0/\n/bin/\n" + key + last
                network = PrivateNetwork.fromFile(self.write(content))
                self.assertEqual(network.fingerprint, PrivateNetwork(key).fingerprint)

    def test_badFiles(self) -> None:
        """
        Whatever is wrong with a file is told in one line, with its name, and
        without what might be a key.
        """
        header = b"/key/swarm/psk/1.0.0/\n"
        coded = KEY.hex().encode()
        for content, about in (
            (b"", "first line"),
            (coded, "first line"),
            (b"/key/swarm/psk/2.0.0/\n/base16/\n" + coded, "/key/swarm/psk/1.0.0/"),
            (header, "second line"),
            (header + coded, "second line"),
            (header + b"/base58/\n" + coded, "/base16/, /base64/, /bin/"),
            (header + b"/b\xff/\n" + coded, "second line"),
            (header + b"/base16/\n", "32 bytes"),
            (header + b"/base16/\n" + coded[:-1], "base16"),
            (header + b"/base16/\n" + coded[:-2], "32 bytes"),
            (header + b"/base16/\n" + coded + b"00", "32 bytes"),
            (header + b"/base16/\n" + coded + b"\n" + coded, "base16"),
            (header + b"/base16/\nxx" + coded[2:], "base16"),
            (header + b"/base64/\n" + coded, "32 bytes"),
            (header + b"/base64/\n" + base64.b64encode(KEY)[:-1], "base64"),
            (header + b"/base64/\n!" + base64.b64encode(KEY), "base64"),
            (header + b"/bin/\n" + KEY[:-1], "32 bytes"),
            (header + b"/bin/\n" + KEY + b"\n\n", "32 bytes"),
            (header + b"/base16/\n" + coded + b" " * 1000, "too large"),
        ):
            path = self.write(content)
            error = self.assertRaises(ConfigurationError, PrivateNetwork.fromFile, path)
            self.assertIn(path, str(error))
            self.assertIn(about, str(error))
            self.assertNotIn("\n", str(error))
            self.assertNotIn(coded.decode()[2:40], str(error))

    def test_openToOthers(self) -> None:
        """
        A file that others can read is used, with a warning.
        """
        path = self.write(b"/key/swarm/psk/1.0.0/\n/base16/\n" + KEY.hex().encode())
        for mode, warnings in ((0o600, 0), (0o640, 1), (0o604, 1)):
            os.chmod(path, mode)
            with capturedLogs() as events:
                PrivateNetwork.fromFile(path)
            self.assertEqual([each["mode"] for each in events], [mode] * warnings)

    def test_noFile(self) -> None:
        """
        A file that is not there is told in one line.
        """
        path = self.mktemp()
        error = self.assertRaises(ConfigurationError, PrivateNetwork.fromFile, path)
        self.assertIn(path, str(error))
        self.assertIn("No such file", str(error))

    def test_notInstalled(self) -> None:
        """
        Without the package that has the cipher there is no private network,
        and the error tells what to install.
        """
        self.patch(cipher, "requireModule", lambda name: None)
        error = self.assertRaises(ConfigurationError, PrivateNetwork, KEY)
        self.assertIn("pip install 'twisted-libp2p[pnet]'", str(error))
