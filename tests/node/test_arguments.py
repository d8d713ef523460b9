# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.node.arguments}.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p import Identity, Node
from twisted_libp2p.errors import ConfigurationError, InvalidMultiaddr, InvalidPeerID
from twisted_libp2p.identity import PeerID
from twisted_libp2p.muxer.yamux import Yamux
from twisted_libp2p.security.noise import Noise
from twisted_libp2p.transport.tcp import TCPTransport


class ArgumentsTests(SynchronousTestCase):
    """
    What a node is made of.
    """

    def setUp(self) -> None:
        """
        Make what it runs on.
        """
        self.reactor: Any = MemoryReactorClock()

    def test_names(self) -> None:
        """
        A layer is named or given, alone or in a list.
        """
        for name, values in (
            (
                "security",
                ("noise", ["noise"], Noise(self.reactor), ("tls", Noise(self.reactor))),
            ),
            (
                "muxers",
                (
                    "yamux",
                    ["mplex", "yamux"],
                    Yamux(self.reactor),
                    [Yamux(self.reactor)],
                ),
            ),
            ("transports", ("tcp", ["tcp"], TCPTransport(self.reactor))),
        ):
            for value in values:
                Node(self.reactor, **{name: value})  # type: ignore[arg-type]

    def test_wrong(self) -> None:
        """
        A value of another kind is refused at once: the error names the argument and
        a right value, and shows no text that might be a key.
        """
        for name, value, right in (
            ("identity", "secret", "identity=<str>: it has to be Identity.fromFile"),
            ("identity", Path("node.key"), "Identity.fromFile(path)"),
            ("identity", Identity, "identity=<class Identity>"),
            ("identity", Identity.generate().peerID, "identity=<PeerID>"),
            ("network", "secret", "network=<str>: it has to be PrivateNetwork.fromF"),
            ("network", b"secret", "PrivateNetwork.fromFile(path)"),
            ("security", "noice", "'noice': choose from insecure-plaintext, noise"),
            ("security", Noise, "security=<class Noise>: it has to be names"),
            ("security", b"noise", "security=<bytes>: it has to be names of plugins"),
            ("security", [None], "security=None: it has to be names of plugins"),
            ("muxers", [Noise(self.reactor)], "objects that provide IMuxer"),
            ("transports", 7, "objects that provide ITransport"),
            ("transports", "tpc", "no transport 'tpc': choose from "),
            ("peerstore", 7, "peerstore=<int>: it has to be an IPeerStore or sqlite:"),
            ("policy", {}, "policy=<dict>: it has to be a ConnectionPolicy"),
            ("limits", 7, "limits=<int>: it has to be the Limits of twisted_libp2p.l"),
            ("gater", "/ip4/192.0.2.1", "gater=<str>: it has to be an IGater"),
        ):
            arguments: dict[str, Any] = {name: value}
            with self.assertRaises(ConfigurationError) as caught:
                Node(self.reactor, **arguments)
            self.assertIn(right, str(caught.exception))
            self.assertNotIn("secret", str(caught.exception))
        with self.assertRaises(InvalidMultiaddr) as refused:
            Node(self.reactor, listen=b"/ip4/192.0.2.1/tcp/1")
        self.assertIn("not bytes", str(refused.exception))

    def test_peerID(self) -> None:
        """
        The text of a peer id is no multihash.
        """
        with self.assertRaises(InvalidPeerID) as caught:
            PeerID("12D3KooW")  # type: ignore[arg-type]
        self.assertIn("PeerID.fromText", str(caught.exception))
