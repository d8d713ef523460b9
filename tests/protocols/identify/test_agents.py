# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the recognition of implementations by their agents.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.protocols.identify.agents import mayBeJs


class AgentTests(SynchronousTestCase):
    """
    js-libp2p is recognised by its agent.
    """

    def test_js(self) -> None:
        """
        Its platform is named after the name, which an application may choose.
        """
        for agent in (
            "js-libp2p/3.3.11 node/22.12.0",
            "js-libp2p/2.0.0 UserAgent=v20.1.0",
            "helia/6.0.0 browser/Mozilla/5.0 (X11; Linux x86_64)",
            "ours/1.0 deno/2.1",
            "mine/1.0 bun/1.2",
            "mine/1.0 electron/33.2.0",
            "mine/1.0 react-native/ios-18",
        ):
            self.assertTrue(mayBeJs(agent), agent)

    def test_unknown(self) -> None:
        """
        A peer that has stated nothing may be js-libp2p.
        """
        self.assertTrue(mayBeJs(""))

    def test_others(self) -> None:
        """
        Other implementations are not.
        """
        for agent in (
            "go-libp2p/0.48.0",
            "kubo/0.33.0/desktop",
            "rust-libp2p/0.47.0",
            "py-libp2p/0.8.1",
            "twisted-libp2p/0.1.0",
            "supernode/1.0",
        ):
            self.assertFalse(mayBeJs(agent), agent)
