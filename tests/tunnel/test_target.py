# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tunnel.target}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.vectors import vector
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.tunnel.target import TunnelText, splitTarget

PEER = vector("key.test_identity_01")["peer_id"]


class TargetTests(SynchronousTestCase):
    """
    A peer and a protocol in one text.
    """

    def test_split(self) -> None:
        """
        The protocol begins after the peer, which is an id, a name or an address.
        """
        relayed = f"/ip4/192.0.2.1/tcp/1/p2p/{PEER}/p2p-circuit/p2p/{PEER}"
        for peer in (PEER, "home", f"/ip4/192.0.2.1/tcp/1/p2p/{PEER}", relayed):
            self.assertEqual(splitTarget(f"{peer}/ssh/1.0.0"), (peer, "/ssh/1.0.0"))

    def test_tunnel(self) -> None:
        """
        An endpoint may have equals signs of its own.
        """
        local = "tcp:2222:interface=127.0.0.1"
        self.assertEqual(
            TunnelText.parse(f"{local}={PEER}/ssh/1.0"), (local, PEER, "/ssh/1.0")
        )

    def test_wrong(self) -> None:
        """
        A part that is missing is answered with the whole form.
        """
        for text in ("tcp:1", "tcp:1=", "=x/y", f"tcp:1={PEER}", "tcp:1=/ip4/1.2.3.4"):
            error = self.assertRaises(ConfigurationError, TunnelText.parse, text)
            self.assertIn("12D3KooW.../ssh/1.0.0", str(error))
