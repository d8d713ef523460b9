# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{benchmarks.contenders}.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import contenders
from benchmarks.contenders import OURS, gather
from tests.interop.peers.build import PEERS, BuildFailed, available


class GatherTests(SynchronousTestCase):
    """
    Tests for L{gather}.
    """

    def test_noToolchain(self) -> None:
        """
        Who cannot be built is a line, and no failure.
        """
        self.patch(contenders, "available", lambda name: f"no tools for {name}")
        found, notes = gather(["ours", "go"])
        self.assertEqual(found, [OURS])
        self.assertEqual(notes, ["go: not built: no tools for go"])

    def test_buildFails(self) -> None:
        """
        The same goes for who should have been built.
        """

        def build(name: str) -> list[str]:
            raise BuildFailed("no network")

        self.patch(contenders, "available", lambda name: None)
        self.patch(contenders, "build", build)
        self.assertEqual(gather(["rust"]), ([], ["rust: not built: no network"]))

    def test_options(self) -> None:
        """
        Only ours has to be told of a crowd.
        """
        self.patch(contenders, "available", lambda name: None)
        self.patch(contenders, "build", lambda name: ["peer"])
        (ours, js), _ = gather(["ours", "js"])
        options = ["--security", "tls", "--muxer", "mplex"]
        self.assertEqual(js.options("tls+mplex", 7), options)
        self.assertEqual(ours.options("tls+mplex", 7), [*options, "--crowd", "7"])
        self.assertEqual(ours.options("tls+mplex", None), options)

    def test_transport(self) -> None:
        """
        The transport is named before the security protocol, unless it is TCP.
        """
        options = ["--security", "noise", "--muxer", "yamux", "--transport", "ws"]
        self.assertEqual(OURS.options("ws+noise+yamux", None), options)

    def test_transportAlone(self) -> None:
        """
        A transport that is secured and multiplexed by itself leaves nothing to choose.
        """
        self.assertEqual(OURS.options("quic", None), ["--transport", "quic"])

    def test_node(self) -> None:
        """
        Another Node than the first on the path can be given to js.
        """
        self.patch(os, "environ", {**os.environ, "NODE": "/somewhere/node"})
        command = PEERS["js"].command(Path("/cache"))
        self.assertEqual(
            command,
            ["/somewhere/node", "--experimental-websocket", "/cache/peer.mjs"],
        )
        self.assertIn("node does not run", available("js") or "")
