# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.bootstraplist}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.discovery.bootstraplist import (
    MAX_FILE,
    PUBLIC,
    bootstrapPeers,
)
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity

PEER = Identity.generate().peerID
ADDRESS = f"/ip4/192.0.2.1/tcp/4001/p2p/{PEER}"


class BootstrapPeersTests(SynchronousTestCase):
    """
    The values of the option.
    """

    def file(self, content: bytes) -> str:
        """
        Make a file.
        """
        path: str = self.mktemp()
        Path(path).write_bytes(content)
        return path

    def problem(self, text: str) -> str:
        """
        Return the error of a value.
        """
        return str(self.assertRaises(ConfigurationError, bootstrapPeers, text))

    def test_address(self) -> None:
        """
        An address with a peer, and a name with or without one.
        """
        for text in (
            ADDRESS,
            f"/dnsaddr/example.com/p2p/{PEER}",
            "/dnsaddr/example.com",
        ):
            self.assertEqual(bootstrapPeers(text), [Multiaddr(text)])

    def test_public(self) -> None:
        """
        The public network has six peers.
        """
        found = bootstrapPeers(PUBLIC)
        self.assertEqual(len({each.peerID for each in found}), 6)

    def test_file(self) -> None:
        """
        A file has one in each line, and comments.
        """
        path = self.file(f"# Ours\n\n  {ADDRESS}  # the first\npublic\n".encode())
        found = bootstrapPeers(path)
        self.assertEqual(found[0], Multiaddr(ADDRESS))
        self.assertEqual(found[1:], bootstrapPeers(PUBLIC))

    def test_wrong(self) -> None:
        """
        Each mistake has one line that says what would be right.
        """
        self.assertIn("/p2p/", self.problem("/ip4/192.0.2.1/tcp/1"))
        self.assertEqual(
            self.problem("nowhere"),
            "--bootstrap nowhere: it is neither a file, nor 'public', nor an address:"
            " 'nowhere' does not begin with a slash, as /ip4/192.0.2.1/tcp/4001 does",
        )
        self.assertIn("line 2: x: ", self.problem(self.file(f"{ADDRESS}\nx".encode())))
        self.assertIn("names no peer", self.problem(self.file(b"# nothing")))
        self.assertIn("more than", self.problem(self.file(bytes(MAX_FILE + 1))))
        self.assertIn("utf-8", self.problem(self.file(b"\xff\xff\xff")))
